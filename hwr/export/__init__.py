"""The weights for other runtimes, each proven equal."""
