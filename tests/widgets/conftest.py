"""Explorers without the comparison with 879 known motifs, for tests that are about something else."""

import pandas as pd
import pytest

COLUMNS = ["query", "motif", "alternative_name", "strand", "offset", "overlap", "similarity", "p_value"]


@pytest.fixture
def no_names(monkeypatch):
    """Let filters stay nameless."""
    none = pd.DataFrame(columns=COLUMNS).astype({"query": int, "similarity": float})
    monkeypatch.setattr("rcviz.widgets.filter_results.match_motifs", lambda queries, targets: none)


@pytest.fixture(autouse=True)
def shuffled_for_all(shuffled_once):
    """Explorers of the same sequences judge filters against the same shuffled ones."""
