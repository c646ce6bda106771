"""The reference DeepSpeed trainer."""
