"""Pairs of runs, with and without a repair, and their verdict."""
