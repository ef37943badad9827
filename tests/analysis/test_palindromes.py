"""Palindromes."""

import numpy as np

import rcviz
from rcviz.analysis.palindromes import palindromes


def test_walks():
    motif = rcviz.load_motif("MA0058.4")
    weights = np.zeros((1, 4, 15))
    weights[0, :, 3:9] = rcviz.mean_center(motif.log_odds(pseudocount=0.1))[0]
    bank = rcviz.FilterBank(weights, np.zeros(1), "conv", False)
    data = rcviz.simulate_motifs((motif,), n_per_motif=200, length=60, label_noise=0.0)
    assert palindromes(bank, data).table["verdict"].tolist() == ["genuine"]
    assert palindromes(bank).table["verdict"].tolist() == ["unknown"]
