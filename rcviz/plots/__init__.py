"""Arrays and tables in, matplotlib Axes out; no model, no widget and no pyplot state is known here."""
