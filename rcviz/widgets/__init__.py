"""Explorers for notebooks: a state that is set, a view that follows it, and nothing else."""
