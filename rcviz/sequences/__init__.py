"""Sequences, motifs and labelled sets of both: NumPy and pandas, never torch."""
