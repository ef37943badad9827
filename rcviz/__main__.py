"""``python -m rcviz`` is ``rcviz``."""

from rcviz.cli import app

app(prog_name="rcviz")
