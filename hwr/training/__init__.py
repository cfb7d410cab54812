"""A configuration and data to weights."""
