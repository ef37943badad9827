"""Every reader of files from strangers: what the fuzzer, its corpus and the tests go through."""

from reliability.binary_readers import BINARY_READERS
from reliability.text_readers import TEXT_READERS

READERS = BINARY_READERS | TEXT_READERS
"""Seeds that each reads, how it is called, what must hold of what it returns; a new one joins one of the two files."""
