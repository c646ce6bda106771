"""Numbers that stop being numbers, or are about to."""
