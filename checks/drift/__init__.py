"""Checks of how splits, and versions of a data set, differ from each other."""
