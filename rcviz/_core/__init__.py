"""Atomic files, text files, checks of arguments, tables and memory: used by every other package."""
