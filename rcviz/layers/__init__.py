"""The paper's four tied layers (section 3.1) and what a real network needs beside them."""
