"""Measure strand symmetry, and name the module that breaks it."""
