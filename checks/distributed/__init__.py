"""Processes of one run that no longer do the same thing."""
