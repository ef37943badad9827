"""The paper's four tied layers (section 3.1), further tied layers, and what layers declare about themselves."""
