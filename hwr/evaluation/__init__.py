"""A model on test sets: numbers, pictures, one report."""
