"""Hits of motifs beyond chance against an enumeration of all words."""

import itertools

import numpy as np
import pytest

import rcviz
from rcviz.motifs.hits import motif_hits


def test_p_values_are_the_share_of_all_words_that_score_as_high():
    """Every word of six bases, scored with the motif's log-odds rounded to 0.1 bit."""
    rng = np.random.default_rng(0)
    motif = rcviz.Motif("six", rng.dirichlet([0.4] * 4, 6).T)
    rounded = np.rint(motif.log_odds() / 0.1)
    words = np.array(list(itertools.product(range(4), repeat=6)))
    scores = rounded[words, np.arange(6)].sum(axis=1)
    codes = rng.integers(0, 4, 60).astype(np.uint8)
    hits = motif_hits([motif], codes, expected=np.inf, p_value=1.0, most=1000)
    assert len(hits) >= 10
    for hit in hits:
        window = codes[hit.start : hit.end]
        word = window if hit.strand == "+" else 3 - window[::-1]
        score = rounded[word, np.arange(6)].sum()
        assert hit.p_value == pytest.approx((scores >= score).mean(), abs=1e-12)
        assert hit.expected == pytest.approx(hit.p_value * 2 * 55)


def test_the_best_hit_is_that_of_scan_on_either_strand():
    motif = rcviz.load_motif("CTCF_known1")
    site = rcviz.decode(motif.probabilities.argmax(axis=0).astype(np.uint8)[None])[0]
    for strand, word in (("+", site), ("-", rcviz.reverse_complement(site))):
        text = "A" * 30 + word + "A" * 30
        hit = motif_hits([motif], rcviz.encode([text])[0])[0]
        found = motif.scan([text]).iloc[0]
        assert (hit.start, hit.strand) == (found["start"], found["strand"]) == (30, strand)


def test_what_chance_would_give_is_not_listed():
    motifs = [rcviz.load_motif(name) for name in ("CTCF_known1", "GATA_known6", "MA0139.2")]
    codes = np.random.default_rng(4).integers(0, 4, (200, 200), dtype=np.uint8)
    number = [len(motif_hits(motifs, row)) for row in codes]
    trials = sum(2 * (200 - motif.width + 1) for motif in motifs)
    assert np.mean(number) <= 1.2 * trials * 1e-4  # the motifs of CTCF match in the same places
    assert all(hit.expected <= 1 and hit.p_value <= 1e-4 for row in codes for hit in motif_hits(motifs, row))


def test_unknown_bases_and_short_sequences_do_not_match_and_hits_do_not_overlap():
    motif = rcviz.Motif("GATA", rcviz.one_hot(["GATAAG"])[0])
    loose = {"expected": np.inf, "p_value": 1e-3}
    assert [hit.start for hit in motif_hits([motif], rcviz.encode(["CGATAAGNGATNAG"])[0], **loose)] == [1]
    assert motif_hits([motif], np.zeros(5, np.uint8), **loose) == []
    twice = motif_hits([motif, rcviz.Motif("again", motif.probabilities)], rcviz.encode(["CGATAAGC"])[0], **loose)
    assert [hit.motif for hit in twice] == ["GATA"]
