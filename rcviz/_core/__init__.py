"""Files that are whole or absent, checks of arguments, tables, memory."""
