"""Explorers without the background process that names filters; tests/widgets/test_naming.py has the real one."""

from typing import ClassVar

import pytest


@pytest.fixture
def no_names(monkeypatch):
    """Let filters stay nameless: the comparison neither begins nor ends."""

    class Waiting:
        made: ClassVar[list] = []

        def __init__(self, queries, targets, on_end):
            self.queries, self.targets, self.on_end = queries, targets, on_end
            self.table, self.error, self.stopped = None, "", False
            self.made.append(self)

        def wait(self, timeout=None):
            pass

        def stop(self):
            self.stopped = True

    monkeypatch.setattr("rcviz.widgets.filters.Naming", Waiting)
    return Waiting
