"""Palindromic filters: the sites they are judged by, the questions of the verdict, and the table."""

import dataclasses

import numpy as np
import pytest
import torch

import rcviz
from rcviz.analysis.palindromes import (
    LARGEST_LOSS,
    LARGEST_UPPER_LOSS,
    LEAST_BALANCE,
    LEAST_GAINS,
    LEAST_GENUINE_Z,
    LEAST_INFORMATION,
    LEAST_REPETITION,
    SIGNIFICANCE,
    Palindromes,
    decide,
    palindromes,
    strand_balance,
)
from rcviz.analysis.searched import centered_sites
from rcviz.analysis.site_palindromes import FEWEST_SITES, SitePalindromes, compare_site_models

pytestmark = pytest.mark.usefixtures("shuffled_once")
OF_SITES = ["information", "gain", "loss", "loss_low", "loss_high", "strand_information", "balance"]
COLUMNS = [
    *("filter", "palindromicity", "center", "p_value", "verdict", "shift", "repetition"),
    *("sequences", "fires_in", "excess", "excess_z", "n_sites", *OF_SITES),
]


def log_odds(name, width=15, start=2):
    placed = np.zeros((4, width))
    matrix = rcviz.mean_center(rcviz.load_motif(name).log_odds(pseudocount=0.1))[0]
    placed[:, start : start + matrix.shape[1]] = matrix
    return placed


def bank_of(*weights):
    return rcviz.FilterBank(np.stack(weights), np.zeros(len(weights)), "drawn", False)


@pytest.fixture(scope="module")
def bank():
    """MAX; GATA on both strands; GATA on one."""
    gata = log_odds("GATA_known6", start=1)
    return bank_of(log_odds("MA0058.4", start=3), 0.6 * gata + 0.4 * rcviz.reverse_complement(gata), gata)


@pytest.fixture(scope="module")
def data():
    return rcviz.simulate_motifs(("GATA_known6", "MA0058.4"), n_per_motif=400, length=60, label_noise=0.0, seed=1)


@pytest.fixture(scope="module")
def found(bank, data):
    return palindromes(bank, data, top=300)


def test_genuine_hybrid_and_ordinary_filters_are_named(found):
    assert found.table.columns.tolist() == COLUMNS
    assert found.table["filter"].tolist() == [0, 1, 2]
    assert found.table["verdict"].tolist() == ["genuine", "hybrid", "none"]
    assert found.table["n_sites"].tolist() == [300] * 3
    assert found.table["center"].tolist()[:2] == [5.5, 7.0]
    assert found.table.loc[1, "balance"] > 0.2
    assert found.table.loc[2, "balance"] < 0.1
    assert found.table["sequences"].tolist() == ["positives"] * 3
    assert (found.table["fires_in"] == 1).all()
    assert found.table["excess"].between(250, 800).all()
    assert (found.table["loss_low"] <= found.table["loss"] + 1e-6).all()
    assert (found.table["loss"] <= found.table["loss_high"]).all()


def test_the_motif_is_the_sites_with_their_strands_told_apart(found):
    """A hybrid of GATA shows both strands of AGATAA; what it detects is one."""
    gata = rcviz.load_motif("GATA_known6").probabilities - 0.25
    motif = found.motifs[1].probabilities - 0.25
    overlaps = [
        (motif[:, i : i + gata.shape[1]] * turned).sum() / (gata**2).sum()
        for turned in (gata, rcviz.reverse_complement(gata))
        for i in range(motif.shape[1] - gata.shape[1] + 1)
    ]
    assert max(overlaps) > 0.85
    assert [motif.width for motif in found.motifs] == (15 + found.table["shift"].abs()).tolist()


def test_reading_the_data_on_the_other_strand_changes_nothing_that_counts(bank, data, found):
    other = palindromes(bank, data.reverse_complement(), top=300).table
    assert other["verdict"].tolist() == found.table["verdict"].tolist()
    np.testing.assert_allclose(other["loss"], found.table["loss"], atol=0.03)


def test_the_background_is_that_of_both_strands(bank):
    codes = np.random.default_rng(0).choice(4, size=(300, 60), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    codes[:, 20:26] = rcviz.encode(["CACGTG"])
    mixed = np.concatenate([codes[:150], rcviz.reverse_complement(codes[150:])])
    one, other = (palindromes(bank, sequences, filters=[0]).table for sequences in (codes, mixed))
    assert one["information"].item() == pytest.approx(other["information"].item(), rel=0.1)


def test_turning_the_filters_turns_only_their_centers(bank, data, found):
    turned = palindromes(bank_of(*rcviz.reverse_complement(bank.weights)), data, top=300).table
    assert turned["verdict"].tolist() == found.table["verdict"].tolist()
    np.testing.assert_allclose(turned["palindromicity"], found.table["palindromicity"])
    np.testing.assert_allclose(turned["center"], 14 - found.table["center"])


def test_without_sites_a_palindromic_filter_is_unknown(bank, data):
    table = palindromes(bank).table
    assert table["verdict"].tolist() == ["unknown", "unknown", "none"]
    assert table["n_sites"].tolist() == [0] * 3
    assert table[["fires_in", "excess", "excess_z", *OF_SITES]].isna().all(axis=None)
    few = palindromes(bank, data.subset(np.arange(24))).table
    assert few["verdict"].tolist() == ["unknown", "unknown", "none"]
    assert few["n_sites"].max() <= 24
    assert palindromes(bank).motifs == (None, None, None)


def background(n, *, length=60, seed=0):
    return np.random.default_rng(seed).choice(4, size=(n, length), p=[0.3, 0.2, 0.2, 0.3]).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_sites_that_are_chance_look_like_the_filter_and_are_no_evidence(bank, seed):
    """A palindromic filter finds palindromes by chance, in 1,000 sequences without a motif."""
    table = palindromes(bank, background(1000, seed=seed)).table
    assert table["verdict"].tolist() == ["unknown", "unknown", "none"]
    assert (table["excess_z"] < LEAST_GENUINE_Z).all()


def test_with_the_motif_in_few_sequences_a_hybrid_is_not_called_genuine(bank, data):
    """25 of 1,000: most of its best sites are chance, and they are palindromic."""
    gata = data.positives("GATA_known6").codes
    rare = np.concatenate([gata[:25], background(975)])
    assert palindromes(bank, rare, filters=[1]).table["verdict"].item() in ("unknown", "hybrid")
    row = palindromes(bank, np.concatenate([gata[:100], background(900)]), filters=[1]).table.iloc[0]
    assert row["verdict"] == "hybrid"
    assert 25 < row["excess"] < 150  # 100 hold it, but many of these are no stronger than chance sites


def test_a_filter_is_judged_on_the_class_where_its_sites_are(bank, data):
    """A hybrid that speaks for the negatives has chance sites only among the positives."""
    codes = np.concatenate([data.positives("GATA_known6").codes, background(400)])
    for label, name in ((0, "negatives"), (1, "positives")):
        labels = np.where(np.arange(800) < 400, label, 1 - label)
        row = palindromes(bank, rcviz.SequenceSet(codes, labels), filters=[1], top=300).table.iloc[0]
        assert (row["verdict"], row["sequences"]) == ("hybrid", name)


def test_of_several_tasks_the_positives_of_any_are_one_class(bank, data):
    labels = np.concatenate([data.labels, np.zeros((300, 2))])
    everything = rcviz.SequenceSet(np.concatenate([data.codes, background(300)]), labels)
    table = palindromes(bank, everything, top=300, filters=[0, 1]).table
    assert table["sequences"].tolist() == ["positives"] * 2
    assert table["verdict"].tolist() == ["genuine", "hybrid"]


def test_unknown_bases_are_no_evidence(bank):
    """Shuffled among known bases, a run of N would leave fewer windows to chance than the sequences have."""
    codes = background(1000, length=100)
    codes[:, 30:70] = 4
    table = palindromes(bank, codes).table
    assert (table["excess_z"] < LEAST_GENUINE_Z).all()
    assert table["verdict"].tolist() == ["unknown", "unknown", "none"]


LOW_COMPLEXITY = {
    "TA": rcviz.one_hot(["TATATATATATATAT"])[0],
    "CpG": rcviz.one_hot(["CGCGCGCGCGCGCGC"])[0],
    "poly-A": rcviz.one_hot(["AAAAAAAAAAAAAAA"])[0],
    "CA repeat": rcviz.one_hot(["CACACACACACACAC"])[0],
    "CAG repeat": rcviz.one_hot(["CAGCAGCAGCAGCAG"])[0],
    "AAAT repeat": rcviz.one_hot(["AAATAAATAAATAAA"])[0],
    "GC hump": np.array([0, 1, 1, 0])[:, None] * np.exp(-(np.linspace(-2, 2, 15) ** 2)),
    "AT": np.array([1, 0, 0, 1])[:, None] * np.ones(15),
}


@pytest.mark.parametrize("kind", LOW_COMPLEXITY)
@pytest.mark.parametrize("present", [False, True])
def test_repeats_and_compositions_are_of_low_complexity(kind, present):
    rng = np.random.default_rng(0)
    weights = rcviz.mean_center(LOW_COMPLEXITY[kind].astype(float))[0]
    noise = rcviz.mean_center(rng.normal(size=weights.shape))[0]
    weights += 0.25 * noise * np.linalg.norm(weights) / np.linalg.norm(noise)
    codes = background(300)
    if present:
        codes[:150, 20:35] = weights.argmax(axis=0)
    row = palindromes(bank_of(weights), codes).table.iloc[0]
    assert row["repetition"] > LEAST_REPETITION
    assert row["verdict"] == "low complexity"


def test_a_filter_that_never_fires_is_inactive(bank, data):
    silent = dataclasses.replace(bank, bias=np.array([-1000.0, 0.0, -1000.0]))
    found = palindromes(silent, data)
    assert found.table["verdict"].tolist() == ["inactive", "hybrid", "inactive"]
    assert found.table["fires_in"].tolist() == [0, 1, 0]
    assert found.table["n_sites"].tolist()[::2] == [0, 0]
    assert [motif is None for motif in found.motifs] == [True, False, True]
    assert found.table.loc[[0, 2], OF_SITES].isna().all(axis=None)


def test_a_filter_of_zeros_is_inactive(data):
    row = palindromes(bank_of(np.zeros((4, 15))), data).table.iloc[0]
    assert np.isnan(row["palindromicity"])
    assert (row["p_value"], row["verdict"]) == (1.0, "inactive")
    assert palindromes(bank_of(np.zeros((4, 15)))).table["verdict"].item() == "inactive"


@pytest.mark.usefixtures("as_users_run")
def test_firing_is_measured_behind_normalisation_and_nonlinearity(bank, data):
    """One filter silenced by its normalisation, one that is turned: it fires at its lowest values."""
    config = rcviz.ModelConfig.one_layer("standard", n_filters=3, sequence_length=60, pool_size=23)
    model = rcviz.build_model(config)
    with torch.no_grad():
        model.conv1.weight.copy_(torch.from_numpy(np.stack([bank.weights[0], -bank.weights[1], bank.weights[1]])))
        model.norm1.weight.copy_(torch.tensor([1.0, -1.0, 1.0]))
        model.norm1.bias.copy_(torch.tensor([-1e4, 0.0, 0.0]))
    table = palindromes(model, data, top=300).table
    assert table["verdict"].tolist() == ["inactive", "hybrid", "hybrid"]
    assert table["fires_in"].tolist()[0] == 0
    np.testing.assert_allclose(table.loc[1, OF_SITES].astype(float), table.loc[2, OF_SITES].astype(float), rtol=1e-4)


def test_rows_do_not_depend_on_each_other_nor_on_who_searched(bank, data):
    sites = bank.activating_sites(data, top=300)
    chosen = palindromes(bank, sites, filters=[2, np.int64(0)])
    expected = palindromes(bank, data.codes, top=300).table.iloc[[2, 0]].reset_index(drop=True)
    assert chosen.table.equals(expected)
    np.testing.assert_array_equal(chosen.weights, bank.weights[[2, 0]])


@pytest.mark.parametrize("shift", [-9, -4, 0, 3, 11])
def test_sites_are_widened_until_their_center_is_in_the_middle(bank, data, shift):
    sites = bank.activating_sites(data, top=50)
    codes = centered_sites(sites, 1, shift)
    assert codes.shape == (50, 15 + abs(shift))
    # As text: where the filter reads the reverse strand, it reads the reverse complement of the sequence.
    for row, spelled in zip(sites.filter_table(1).itertuples(), rcviz.decode(codes), strict=True):
        (sequence,) = rcviz.decode(data.codes[row.sequence][None])
        start = row.start
        if row.strand == "-":
            sequence, start = rcviz.reverse_complement(sequence), data.length - row.end
        padded = "N" * 20 + sequence + "N" * 20
        begin = start + 20 + min(0, shift)
        assert spelled == padded[begin : begin + 15 + abs(shift)]
        assert spelled[max(0, -shift) :][:15] == row.site
    assert (centered_sites(bank.activating_sites(data, top=800), 1, shift) == 4).any() == (shift != 0)


@pytest.mark.parametrize("shift", [-4, 0, 3])
@pytest.mark.parametrize(("forward", "reverse", "balance"), [(0.6, 0.3, 0.5), (0.2, 0.8, 0.25), (1, 0, 0), (1, -1, 0)])
def test_balance_is_the_smaller_share_of_the_two_strands(shift, forward, reverse, balance):
    motif = np.random.default_rng(3).dirichlet([0.5] * 4, size=15 + abs(shift)).T
    strand = rcviz.mean_center(np.log2(motif))[0]
    mixed = forward * strand + reverse * rcviz.reverse_complement(strand)
    sites = SitePalindromes(motif, np.ones(30), 1.0, 1.0)
    weights = mixed[:, max(0, -shift) :][:, :15]
    assert strand_balance(weights, sites, shift) == pytest.approx(balance)
    assert strand_balance(7 * weights, sites, shift) == pytest.approx(balance)


def test_a_palindromic_part_of_the_motif_is_not_its_other_strand():
    # CTCF's log-odds has a palindromicity of 0.4 of its own, and holds one strand.
    motif = rcviz.load_motif("CTCF_known1")
    sites = compare_site_models(motif.sample(500, seed=0))
    weights = rcviz.mean_center(motif.log_odds())[0]
    assert palindromes(bank_of(weights)).table["palindromicity"].item() > 0.35
    assert strand_balance(weights, sites, 0) < 0.1


def test_one_strand_of_a_partly_palindromic_word_is_no_hybrid():
    """Significant weights, sites that are not palindromes, and a filter with one strand only."""
    word = "GGTCACGTGAGAAG"
    weights = np.zeros((4, 17))
    weights[:, 1:15] = rcviz.one_hot([word], dtype="float64")[0] - 0.25
    codes = np.random.default_rng(0).integers(0, 4, (200, 50), dtype=np.uint8)
    codes[:, 20:34] = rcviz.encode([word])
    row = palindromes(bank_of(weights), codes).table.iloc[0]
    assert row["p_value"] < 0.05
    assert row["loss"] > 0.05
    assert row["verdict"] == "none"


def test_weights_of_one_kind_get_both_verdicts_from_their_sites():
    """Half the sites hold a word and half its reverse complement, or all hold a palindrome that begins alike."""
    rng = np.random.default_rng(0)
    filler = lambda: rng.integers(0, 4, (200, 10), dtype=np.uint8)  # noqa: E731
    palindrome = np.repeat(rcviz.encode(["CACGTACGTG"]), 200, axis=0)
    word = np.repeat(rcviz.encode(["CACGTTAGCA"]), 200, axis=0)
    word[::2] = rcviz.reverse_complement(word[::2])
    verdicts = []
    for sites in (palindrome, word):
        counts = (sites[:, None, :] == np.arange(4)[:, None]).mean(axis=0)
        weights = counts + rcviz.reverse_complement(counts) - 0.5
        found = palindromes(bank_of(weights), np.concatenate([filler(), sites, filler()], axis=1), top=200).table
        assert found["palindromicity"].item() == 1
        verdicts.append(found["verdict"].item())
    assert verdicts == ["genuine", "hybrid"]


def test_it_draws_the_most_palindromic_filter_or_the_one_asked_for(found):
    best = int(found.table["palindromicity"].argmax())
    assert found.plot().get_title().startswith(f"filter {best}: {found.table['verdict'][best]} (p = ")
    assert found.plot(filter=2).get_title().startswith("filter 2: none (p = ")
    with pytest.raises(ValueError, match="no filter 7 in the result: choose one of 0, 1, 2"):
        found.plot(filter=7)


def test_errors_come_before_work(bank, data):
    with pytest.raises(ValueError, match="no filter 3: choose 0 to 2"):
        palindromes(bank, data, filters=[0, 3])
    with pytest.raises(ValueError, match="same bank"):
        palindromes(bank_of(*bank.weights[:2]), bank.activating_sites(data))
    with pytest.raises(ValueError, match="top must be at least 1"):
        palindromes(bank, data, top=0)
    with pytest.raises(ValueError, match="the filters are 15 bp wide"):
        palindromes(bank, data.codes[:, :10])


def test_nothing_chosen_is_an_empty_table(bank, data):
    empty = palindromes(bank, data, filters=[])
    assert isinstance(empty, Palindromes)
    assert empty.table.columns.tolist() == COLUMNS
    assert len(empty.table) == 0


def above(value):
    return np.nextafter(value, 1)


def below(value):
    return np.nextafter(value, 0)


CERTAIN = {
    "fires_in": 0.5,
    "palindromicity": 0.9,
    "repetition": 0.0,
    "p_value": 0.001,
    "excess_z": 50.0,
    "information": 8.0,
    "evidence": 500.0,
    "loss": 0.0,
    "loss_high": 0.02,
    "balance": 1.0,
}
TWO_STRANDS = {"loss": 0.4, "loss_high": 0.5}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "genuine"),
        ({"p_value": SIGNIFICANCE}, "genuine"),
        ({"p_value": above(SIGNIFICANCE)}, "none"),
        ({"repetition": below(LEAST_REPETITION)}, "genuine"),
        ({"repetition": LEAST_REPETITION}, "low complexity"),
        ({"repetition": LEAST_REPETITION, "p_value": 1.0}, "low complexity"),
        ({"repetition": LEAST_REPETITION, "fires_in": 0.0}, "inactive"),
        ({"fires_in": 0.001}, "genuine"),
        ({"loss": LARGEST_LOSS}, "genuine"),
        ({"loss": above(LARGEST_LOSS)}, "hybrid"),
        ({"loss_high": LARGEST_UPPER_LOSS}, "genuine"),
        ({"loss_high": above(LARGEST_UPPER_LOSS)}, "unknown"),
        ({"excess_z": LEAST_GENUINE_Z}, "genuine"),
        ({"excess_z": LEAST_GENUINE_Z - 1e-9}, "unknown"),
        ({"information": LEAST_INFORMATION}, "genuine"),
        ({"information": LEAST_INFORMATION - 1e-9}, "unknown"),
        ({**TWO_STRANDS}, "hybrid"),
        *[({**TWO_STRANDS, "evidence": bits, "excess_z": z}, "hybrid") for bits, z in LEAST_GAINS],
        *[({**TWO_STRANDS, "evidence": bits - 1e-9, "excess_z": z}, "unknown") for bits, z in LEAST_GAINS],
        *[({**TWO_STRANDS, "evidence": bits, "excess_z": z - 1e-9}, "unknown") for bits, z in LEAST_GAINS],
        ({**TWO_STRANDS, "balance": LEAST_BALANCE}, "hybrid"),
        ({**TWO_STRANDS, "balance": below(LEAST_BALANCE)}, "none"),
        ({"loss": float("nan")}, "unknown"),
    ],
)
def test_both_sides_of_each_threshold_of_the_verdict(changes, verdict):
    assert decide({**CERTAIN, **changes}) == verdict


@pytest.mark.parametrize(("n_sites", "verdict"), [(FEWEST_SITES - 1, "unknown"), (FEWEST_SITES, "genuine")])
def test_the_fewest_sites_of_a_verdict(bank, data, n_sites, verdict):
    row = palindromes(bank, data.positives("MA0058.4"), filters=[0], top=n_sites).table.iloc[0]
    assert (row["n_sites"], row["verdict"]) == (n_sites, verdict)


@pytest.mark.usefixtures("as_users_run")
def test_a_model_counts_as_its_bank(make_model):
    model = make_model()
    assert palindromes(model).table.equals(palindromes(rcviz.filter_bank(model)).table)
    with pytest.raises(ValueError, match="FilterBank or a model"):
        palindromes("bank")


def test_a_value_of_one_is_no_positive(bank, data):
    values = np.zeros(len(data))
    values[:10] = 1
    labelled = rcviz.SequenceSet(data.codes, values, label_kind="value")
    found = palindromes(bank, labelled, top=300, filters=[1]).table
    np.testing.assert_array_equal(found.values, palindromes(bank, data.codes, top=300, filters=[1]).table.values)
    assert found["sequences"].item() == "all"
    classes = rcviz.SequenceSet(data.codes, values)
    assert palindromes(bank, classes, top=300, filters=[1]).table["sequences"].item() in ("positives", "negatives")
