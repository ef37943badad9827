"""Measure strand symmetry, and find the module that breaks it."""
