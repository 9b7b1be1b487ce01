"""Engines: what makes pixels. Each is a package of this one, found by its name."""
