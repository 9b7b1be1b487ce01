"""Configurations to start from, as data."""
