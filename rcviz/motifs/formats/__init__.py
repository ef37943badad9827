"""Formats of motif files, one per module."""
