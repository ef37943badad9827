"""Sequences, labelled sets of them, splits and storage: NumPy and pandas, never torch."""
