"""Hostile input, made from a seed, and what each piece of it gets: an answer, a refusal, or something else."""
