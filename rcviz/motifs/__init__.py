"""Motifs: what they are, where they fit, and the files that hold them."""
