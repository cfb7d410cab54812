"""A model directory: build, verify, save, load, run."""
