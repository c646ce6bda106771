"""Configurations of trainings."""
