"""The 2017 paper measured again: figures as sweeps of rcviz, claims as rules on tables, a page about both."""
