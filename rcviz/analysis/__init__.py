"""Analyses of a trained model; every result is frozen, has a table and draws itself."""
