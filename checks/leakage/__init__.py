"""What the model sees in training that it will not have in use."""
