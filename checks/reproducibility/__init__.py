"""Runs that cannot be repeated."""
