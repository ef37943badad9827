"""Genomes, peaks and the labelled windows that are cut from them."""
