"""Training: from a configuration and data to weights."""
