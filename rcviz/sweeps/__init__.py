"""Sweeps: any models times seeds on one data set, resumable, and comparisons of their results."""
