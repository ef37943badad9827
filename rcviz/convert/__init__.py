"""Out of rcviz, into it, and from Keras: the same network in other modules."""
