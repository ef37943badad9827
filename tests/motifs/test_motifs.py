"""Motifs: consensus, information, samples, hits, and the ones that ship with the package."""

import itertools
import math
from fractions import Fraction
from pathlib import Path

import logomaker
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rcviz.metrics import auroc
from rcviz.motifs import scan as scanning
from rcviz.motifs.bundled import list_motifs, load_motif
from rcviz.motifs.formats.jaspar import write_jaspar
from rcviz.motifs.formats.meme import read_meme, write_meme
from rcviz.motifs.formats.transfac import write_transfac
from rcviz.motifs.motif import Motif
from rcviz.motifs.palindromicity import palindromicity, palindromicity_p_value
from rcviz.motifs.similarity import as_motifs, match_motifs
from rcviz.motifs.simulated import simulate_motifs
from rcviz.sequences.alphabet import decode, encode, reverse_complement
from rcviz.sequences.sequence_set import SequenceSet

SHARED = Path(__file__).parents[2].parent / "shared"


def normalised(counts):
    return counts / counts.sum(axis=0)


matrices = st.integers(1, 12).flatmap(
    lambda width: arrays(np.float64, (4, width), elements=st.floats(0.001, 1)).map(normalised)
)
motifs = st.builds(Motif, st.just("random"), matrices)


def random_motif(width, seed=0):
    return Motif("random", np.random.default_rng(seed).dirichlet(np.full(4, 0.5), width).T)


# ---------------------------------------------------------------- the matrix


def test_a_motif_is_frozen_and_keeps_its_own_matrix():
    matrix = np.full((4, 3), 0.25)
    motif = Motif("m", matrix)
    matrix[:] = 0
    assert motif.probabilities.min() == 0.25
    with pytest.raises(AttributeError):
        motif.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        motif.probabilities[0, 0] = 1


def test_equal_motifs_are_one_key_and_others_are_not():
    uniform = np.full((4, 3), 0.25)
    assert {Motif("m", uniform), Motif("m", uniform.tolist())} == {Motif("m", uniform)}
    assert Motif("m", uniform) != Motif("n", uniform)
    assert Motif("m", uniform) != Motif("m", uniform[:, :2])
    assert Motif("m", uniform) != Motif("m", uniform, "second name")
    zero = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert hash(Motif("m", zero)) == hash(Motif("m", np.where(zero == 0, -0.0, zero)))


def test_printed_rounding_is_brought_to_an_exact_sum():
    motif = Motif("m", np.array([[0.333333], [0.333333], [0.333333], [0.0]]))
    assert abs(motif.probabilities.sum() - 1) < 1e-15
    assert Motif("m", motif.probabilities) == motif


def test_two_decimals_are_brought_to_an_exact_sum_by_every_way_in(tmp_path):
    """Columns of a softmax rounded to two decimals, as papers and databases print them, sum to 0.98 to 1.02."""
    exact = np.random.default_rng(0).dirichlet([0.5] * 4, size=400).T
    printed = exact.round(2)
    assert len(set(printed.sum(axis=0).round(2))) >= 3
    expected = printed / printed.sum(axis=0)
    rows = "".join(" ".join(f"{value:.2f}" for value in row) + "\n" for row in printed.T)
    (tmp_path / "a.meme").write_text(f"MEME version 4\n\nMOTIF a\nletter-probability matrix: w= 400\n{rows}")
    table = pd.DataFrame(printed[[3, 0, 2, 1]].T, columns=list("tagc"))
    for motif in (Motif("a", printed), read_meme(tmp_path / "a.meme")[0], Motif("a", table)):
        np.testing.assert_allclose(motif.probabilities, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.full((5, 4), 0.25), r"expected probabilities \(4, width\), got \(5, 4\): bases are last; use probab"),
        (np.full((3, 5), 0.25), r"got \(3, 5\)"),
        (np.full(4, 0.25), r"got \(4,\)"),
        (np.zeros((4, 0)), r"got \(4, 0\)"),
        (np.full((4, 2), 0.3), "sum to 1, got 1.2 at position 0"),
        (np.array([[1.5], [-0.5], [0], [0]]), r"in \[0, 1\], got 1.5 at A, position 0$"),
        (np.array([[np.nan], [0.5], [0.25], [0.25]]), "probabilities must be in"),
        (np.full((4, 2), 10.0), "these look like counts: divide each column by its sum"),
        ([["a"], ["b"]], "must be numbers"),
    ],
)
def test_an_invalid_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        Motif("m", matrix)


@pytest.mark.parametrize(
    ("column", "letter"),
    [
        ([1, 0, 0, 0], "A"),
        ([0.6, 0.2, 0.1, 0.1], "A"),
        ([0.6, 0.35, 0.05, 0], "M"),  # more than half, but not twice the next
        ([0.5, 0.2, 0.2, 0.1], "N"),
        ([0.4, 0.05, 0.4, 0.15], "R"),
        ([0.1, 0.4, 0.1, 0.4], "Y"),
        ([0.1, 0.4, 0.4, 0.1], "S"),
        ([0.4, 0.1, 0.1, 0.4], "W"),
        ([0.1, 0.1, 0.4, 0.4], "K"),
        ([0.25, 0.25, 0.25, 0.25], "N"),
    ],
)
def test_consensus_letters_by_hand(column, letter):
    assert Motif("m", np.array([column]).T).consensus == letter


@given(st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any))
def test_consensus_letters_are_those_of_exact_fractions(counts):
    share = sorted((Fraction(count, sum(counts)) for count in counts), reverse=True)
    is_one = share[0] > Fraction(1, 2) and share[0] > 2 * share[1]
    is_two = share[0] + share[1] > Fraction(3, 4)
    letter = Motif("m", normalised(np.array([counts], float).T)).consensus
    assert (letter in "ACGT", letter in "RYSWKM") == (is_one, is_two and not is_one)


@given(motifs)
def test_the_other_strand_has_the_other_consensus_and_information(motif):
    other = motif.reverse_complement()
    assert other.reverse_complement() == motif
    assert other.consensus == reverse_complement(motif.consensus)
    np.testing.assert_allclose(other.information_content(), motif.information_content()[::-1], atol=1e-12)


@given(motifs)
def test_information_content_agrees_with_logomaker(motif):
    table = pd.DataFrame(motif.probabilities.T, columns=list("ACGT"))
    bits = logomaker.transform_matrix(table, from_type="probability", to_type="information").sum(axis=1)
    np.testing.assert_allclose(motif.information_content(), bits, atol=1e-6)


def test_information_content_by_hand():
    motif = Motif("m", np.array([[1, 0.25, 0.5], [0, 0.25, 0.5], [0, 0.25, 0], [0, 0.25, 0]]))
    np.testing.assert_allclose(motif.information_content(), [2, 0, 1])
    np.testing.assert_allclose(motif.information_content([0.5, 0.125, 0.125, 0.25])[0], 1)
    np.testing.assert_array_equal(motif.information_content(motif.probabilities[:, 1])[1], 0)


@pytest.mark.parametrize("background", [0.4, [0.5, 0.5], [1, 0, 0, 0], [0.4, 0.4, 0.4, 0.4]])
def test_an_invalid_background_is_refused(background):
    with pytest.raises(ValueError, match=r"background must be 0\.25 or four positive"):
        random_motif(3).information_content(background)


@given(motifs)
def test_log_odds_are_the_smoothed_ratios(motif):
    q = np.array([0.3, 0.2, 0.2, 0.3])
    odds = 2 ** motif.log_odds(q, pseudocount=0.5)
    np.testing.assert_allclose(odds * q[:, None] * 1.5, motif.probabilities + 0.5 * q[:, None])


def test_log_odds_of_a_base_never_seen_are_finite():
    motif = Motif("m", np.eye(4))
    assert np.isfinite(motif.log_odds()).all()
    assert motif.log_odds().min() == pytest.approx(np.log2(0.01 / 1.01))
    with pytest.raises(ValueError, match="pseudocount must be positive"):
        motif.log_odds(pseudocount=0)


# ---------------------------------------------------------------- sampling


def test_samples_have_the_motif_s_frequencies():
    motif = random_motif(8)
    n = 40_000
    sample = motif.sample(n, seed=1)
    assert sample.shape == (n, 8)
    assert sample.dtype == np.uint8
    frequency = np.stack([(sample == base).mean(axis=0) for base in range(4)])
    sd = np.sqrt(motif.probabilities * (1 - motif.probabilities) / n)
    assert np.all(np.abs(frequency - motif.probabilities) <= 5 * sd + 1e-12)


def test_impossible_bases_are_never_drawn_and_seeds_repeat():
    motif = Motif("m", np.array([[1 / 3, 0], [1 / 3, 0.5], [1 / 3 - 5e-6, 0.5], [0, 0]]))
    sample = motif.sample(200_000, seed=0)
    assert sample[:, 0].max() == 2
    assert set(np.unique(sample[:, 1])) == {1, 2}
    np.testing.assert_array_equal(motif.sample(5, seed=3), motif.sample(5, seed=np.random.default_rng(3)))
    assert motif.sample(0, seed=0).shape == (0, 2)
    with pytest.raises(ValueError, match="n must be at least 0"):
        motif.sample(-1, seed=0)


# ---------------------------------------------------------------- scanning


def scan_slowly(motif, codes):
    """Score every window of both strands with a plain loop, an unknown base counting 0."""
    table = np.vstack([motif.log_odds(), np.zeros(motif.width)])
    rows = []
    for row in codes:
        hits = []
        for start in range(len(row) - motif.width + 1):
            window = row[start : start + motif.width]
            for strand, letters in (("+", window), ("-", reverse_complement(window))):
                score = sum(table[letter, column] for column, letter in enumerate(letters))
                hits.append((score, start, strand))
        rows.append(hits)
    return rows


@given(st.integers(1, 11), st.integers(0, 20), st.integers(0, 1000))
def test_scan_agrees_with_a_plain_loop(width, extra, seed):
    motif = random_motif(width, seed)
    codes = np.random.default_rng(seed).integers(0, 5, (3, width + extra)).astype(np.uint8)
    table = motif.scan(codes)
    assert list(table.columns) == ["score", "start", "strand"]
    for found, hits in zip(table.itertuples(), scan_slowly(motif, codes), strict=True):
        best = max(score for score, _, _ in hits)
        assert found.score == pytest.approx(best)
        at_found = next(score for score, start, strand in hits if (start, strand) == (found.start, found.strand))
        assert at_found == pytest.approx(best)


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_of_any_size_find_the_same(monkeypatch, block):
    motif = random_motif(9)
    codes = np.random.default_rng(0).integers(0, 5, (13, 50)).astype(np.uint8)
    whole = motif.scan(codes)
    monkeypatch.setattr(scanning, "_POSITIONS_PER_BLOCK", block)
    pd.testing.assert_frame_equal(motif.scan(codes), whole)


def test_an_embedded_consensus_is_found_where_it_is():
    motif = load_motif("CTCF_known1")
    instance = motif.probabilities.argmax(axis=0).astype(np.uint8)
    codes = np.full((2, 100), 4, np.uint8)
    codes[0, 30:49] = instance
    codes[1, 81:100] = reverse_complement(instance)
    table = motif.scan(codes)
    assert table["start"].tolist() == [30, 81]
    assert table["strand"].tolist() == ["+", "-"]
    np.testing.assert_allclose(table["score"], motif.log_odds().max(axis=0).sum())


def test_equal_hits_are_leftmost_and_forward():
    motif = Motif("palindrome", np.eye(4)[:, [1, 0, 1, 2, 3, 2]])  # CACGTG
    with pytest.warns(UserWarning, match="14 of 28 letters"):
        table = motif.scan(["TTCACGTGCACGTG", "NNNNNNNNNNNNNN"])
    assert table["start"].tolist() == [2, 0]
    assert table["strand"].tolist() == ["+", "+"]
    assert table["score"][1] == 0


def scan_exactly(motif, codes):
    """The leftmost start and its strand, forward first, with sums that do not depend on the order of their terms."""
    table = np.vstack([motif.log_odds(), np.zeros(motif.width)])
    for row in codes:
        sums = {}
        for start in range(len(row) - motif.width + 1):
            window = row[start : start + motif.width]
            for strand, letters in (("+", window), ("-", reverse_complement(window))):
                sums[start, strand] = math.fsum(table[letters, np.arange(motif.width)])
        yield max(sums, key=sums.get)  # the first of equals


@pytest.mark.parametrize("block", [1 << 20, 5])
@pytest.mark.parametrize("kind", ["palindrome", "repeated columns"])
def test_ties_are_leftmost_and_forward_whatever_order_the_terms_are_added_in(monkeypatch, kind, block):
    monkeypatch.setattr(scanning, "_POSITIONS_PER_BLOCK", block)
    rng = np.random.default_rng(5)
    for _ in range(20):
        width = int(rng.integers(3, 20))
        columns = rng.dirichlet(np.full(4, 0.5), width).T
        if kind == "palindrome":
            columns = (columns + reverse_complement(columns)) / 2
        else:
            columns = np.repeat(columns[:, :1], width, axis=1)
        motif = Motif("m", columns)
        codes = rng.integers(0, 4, (10, 40)).astype(np.uint8)
        codes[5:, :] = np.tile(codes[5:, :8], 5)  # the same windows again further right
        found = motif.scan(codes)
        assert list(zip(found["start"], found["strand"], strict=True)) == list(scan_exactly(motif, codes))


def test_scan_takes_every_form_of_sequence():
    sequences = ["ACGTTGCATT", "GGGTTCCACA"]
    motif = random_motif(4)
    expected = motif.scan(encode(sequences))
    for form in (sequences, SequenceSet(sequences), SequenceSet(sequences).one_hot()):
        pd.testing.assert_frame_equal(motif.scan(form), expected)


def test_a_motif_wider_than_the_sequence_is_refused():
    with pytest.raises(ValueError, match="motif 'random' is 5 bp wide but the sequences have 4 bp"):
        random_motif(5).scan(["ACGT"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real windows are not beside this checkout")
def test_ctcf_s_best_hits_separate_real_windows_as_an_independent_scan_did():
    folder = SHARED / "data/windows_1kb"
    unbound = pd.read_csv(folder / "DNase.windows.labels.tsv.gz", sep="\t")["CTCF_is_negative"] == 1
    positives = SequenceSet.from_fasta(folder / "CTCF.positives.fa.gz").subset(slice(None, None, 3))
    negatives = SequenceSet.from_fasta(folder / "DNase.windows.fa.gz").subset(unbound).subset(slice(None, None, 3))
    motif = load_motif("CTCF_known1")
    scores = [motif.scan(part)["score"] for part in (positives, negatives)]
    assert auroc(np.repeat([1, 0], [len(part) for part in scores]), np.concatenate(scores)) == pytest.approx(
        0.887, abs=0.01
    )


# ---------------------------------------------------------------- the bundled collections


@pytest.mark.parametrize(
    ("name", "width"), [("GATA_known6", 13), ("ELF1_known2", 12), ("RXRA_known1", 21), ("CTCF_known1", 19)]
)
def test_the_paper_s_motifs_have_their_widths(name, width):
    assert load_motif(name).width == width


def test_names_ids_and_second_names_find_the_same_motif():
    by_id = load_motif("MA0139.2")
    assert load_motif("CTCF") == by_id  # the first deposited of three
    assert load_motif("ctcf") == by_id
    assert load_motif("MA0139") == by_id
    assert load_motif("MA1930.2").alternative_name == "CTCF"
    assert load_motif("CTCF_jaspar_MA0139.1") == load_motif("CTCF_known1")


def test_an_unknown_motif_names_the_nearest():
    with pytest.raises(ValueError, match=r"no bundled motif 'CTFC_known1': did you mean CTCF_known1"):
        load_motif("CTFC_known1")
    with pytest.raises(ValueError, match="list_motifs"):
        load_motif("?")


def test_list_motifs_is_complete_and_true():
    table = list_motifs()
    assert table["name"].is_unique
    assert (table["collection"] == "JASPAR2024").sum() == 879
    for row in itertools.islice(table.itertuples(), 0, None, 97):
        motif = load_motif(row.name)
        assert (motif.width, motif.consensus) == (row.width, row.consensus)
        assert row.information == pytest.approx(row.mean_information * row.width)


def test_samples_of_a_motif_match_its_consensus():
    motif = Motif("m", np.eye(4)[:, [2, 0, 3, 0]])
    assert decode(motif.sample(2, seed=0)) == [motif.consensus] * 2 == ["GATA"] * 2


MOTIF = Motif("m", np.eye(4))
TABLE = pd.DataFrame({"name": ["CTCF_known1"], "width": [19]})


@pytest.mark.parametrize(
    "wrong", [TABLE, TABLE["name"], ["CTCF_known1"], "CTCF", 3, np.eye(4), [np.eye(4)], {"m": MOTIF}]
)
@pytest.mark.parametrize(
    "function",
    [
        lambda motifs, path: as_motifs(motifs),
        lambda motifs, path: match_motifs(motifs),
        lambda motifs, path: match_motifs([MOTIF], motifs),
        write_meme,
        write_jaspar,
        write_transfac,
    ],
)
def test_what_is_no_motif_is_named(as_users_run, tmp_path, function, wrong):
    with pytest.raises(ValueError, match=r"(motifs|queries) must be Motifs, got|there is no MEME file"):
        function(wrong, tmp_path / "motifs")
    assert not any(tmp_path.iterdir())


def test_the_advice_for_a_table_of_motifs_is_right(as_users_run):
    table = list_motifs().iloc[:3]
    with pytest.raises(ValueError, match=r"got DataFrame: \[rcviz\.load_motif\(name\) for name in table\[.name.\]\]"):
        as_motifs(table)
    assert [motif.name for motif in as_motifs([load_motif(name) for name in table["name"]])] == table["name"].tolist()


WRONG_ARGUMENTS = {
    "name": [lambda: load_motif(3), lambda: load_motif(TABLE), lambda: load_motif([MOTIF])],
    "the name": [lambda: Motif(3, np.eye(4)), lambda: Motif(None, np.eye(4))],
    "alternative name": [lambda: Motif("m", np.eye(4), 3)],
    "n must be": [
        lambda: MOTIF.sample("x", seed=0),
        lambda: MOTIF.sample(1.5, seed=0),
        lambda: MOTIF.sample(-1, seed=0),
    ],
    "seed": [
        lambda: MOTIF.sample(1, seed="x"),
        lambda: MOTIF.sample(1, seed=None),
        lambda: MOTIF.sample(1, seed=-1),
        lambda: simulate_motifs(seed="x"),
        lambda: simulate_motifs(seed=None),
        lambda: palindromicity_p_value(np.eye(4), seed=True),
    ],
    "background": [lambda: MOTIF.log_odds("x"), lambda: MOTIF.information_content(TABLE)],
    "pseudocount": [lambda: MOTIF.log_odds(pseudocount="x"), lambda: MOTIF.log_odds(pseudocount=True)],
    "motifs must be a list": [lambda value=value: simulate_motifs(value) for value in ("GATA", TABLE, MOTIF, 3, None)],
    "gc_content": [lambda: simulate_motifs(gc_content="x")],
    "mean_instances": [lambda: simulate_motifs(mean_instances=None)],
    "label_noise": [lambda: simulate_motifs(label_noise=[0.1])],
    "the matrix": [lambda: palindromicity(MOTIF), lambda: palindromicity("ACGT")],
}


@pytest.mark.parametrize("argument", WRONG_ARGUMENTS)
def test_an_argument_of_the_wrong_type_is_named(as_users_run, argument):
    for call in WRONG_ARGUMENTS[argument]:
        with pytest.raises(ValueError, match=argument):
            call()
