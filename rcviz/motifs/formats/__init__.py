"""Files of motifs, one format per module."""
