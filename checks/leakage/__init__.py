"""Information the model will not have when it is used."""
