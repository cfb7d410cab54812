"""Lines of writing to train the line reader on: read from files, composed, worn as paper wears them, and sampled."""
