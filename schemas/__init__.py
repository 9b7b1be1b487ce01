"""The JSON Schemas of cedar's documents and configuration, as data."""
