"""Networks of the paper: their description, their layers, their files, their predictions."""
