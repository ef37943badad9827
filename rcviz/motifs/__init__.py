"""Motifs: position weight matrices, scanning, comparison, simulation and file formats."""
