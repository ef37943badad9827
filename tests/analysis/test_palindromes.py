"""Palindromic filters: the sites they are judged by, the three questions of the verdict, and the table."""

import numpy as np
import pytest

import rcviz
from rcviz.analysis.palindromes import (
    LARGEST_LOSS,
    LEAST_BALANCE,
    SIGNIFICANCE,
    Palindromes,
    centered_sites,
    palindromes,
    strand_balance,
)
from rcviz.analysis.site_palindromes import FEWEST_SITES, SitePalindromes, compare_site_models

COLUMNS = [
    *("filter", "palindromicity", "center", "p_value", "verdict", "shift"),
    *("n_sites", "information", "gain", "loss", "strand_information", "balance"),
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
    np.testing.assert_allclose(other["loss"], found.table["loss"], atol=0.02)


def test_the_background_is_that_of_both_strands(bank):
    codes = np.random.default_rng(0).choice(4, size=(300, 60), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    codes[:, 20:26] = rcviz.encode(["CACGTG"])
    mixed = np.concatenate([codes[:150], rcviz.reverse_complement(codes[150:])])
    one, other = (palindromes(bank, sequences, filters=[0]).table for sequences in (codes, mixed))
    assert one["information"].item() == pytest.approx(other["information"].item(), abs=0.1)


def test_turning_the_filters_turns_only_their_centers(bank, data, found):
    turned = palindromes(bank_of(*rcviz.reverse_complement(bank.weights)), data, top=300).table
    assert turned["verdict"].tolist() == found.table["verdict"].tolist()
    np.testing.assert_allclose(turned["palindromicity"], found.table["palindromicity"])
    np.testing.assert_allclose(turned["center"], 14 - found.table["center"])


def test_without_sites_a_palindromic_filter_is_unknown(bank, data):
    table = palindromes(bank).table
    assert table["verdict"].tolist() == ["unknown", "unknown", "none"]
    assert table["n_sites"].tolist() == [0] * 3
    assert table[["information", "gain", "loss", "strand_information", "balance"]].isna().all(axis=None)
    few = palindromes(bank, data.subset(np.arange(24))).table
    assert few["verdict"].tolist() == ["unknown", "unknown", "none"]
    assert few["n_sites"].tolist() == [24] * 3
    assert palindromes(bank).motifs == (None, None, None)


def test_sites_that_are_chance_cannot_tell_either(bank):
    noise = np.random.default_rng(0).integers(0, 4, (60, 15), dtype=np.uint8)
    row = palindromes(bank, noise, filters=[0]).table.iloc[0]
    assert row["information"] < 0
    assert row["verdict"] == "unknown"


def test_rows_do_not_depend_on_each_other_nor_on_who_searched(bank, data, found):
    sites = bank.activating_sites(data, top=300)
    chosen = palindromes(bank, sites, filters=[2, np.int64(0)])
    expected = found.table.iloc[[2, 0]].reset_index(drop=True)
    assert chosen.table.equals(expected)
    np.testing.assert_array_equal(chosen.weights, bank.weights[[2, 0]])


def test_of_labelled_data_the_positives_of_any_task_are_searched(bank, data):
    background = np.random.default_rng(0).integers(0, 4, (300, 60), dtype=np.uint8)
    labels = np.concatenate([data.labels, np.zeros((300, 2))])
    everything = rcviz.SequenceSet(np.concatenate([data.codes, background]), labels)
    assert palindromes(bank, everything, top=2000).table.equals(palindromes(bank, data.codes, top=2000).table)
    negatives = everything.subset(slice(len(data), None))
    assert palindromes(bank, negatives).table.equals(palindromes(bank, background).table)


def test_a_dead_filter_has_no_palindromicity(data):
    row = palindromes(bank_of(np.zeros((4, 15))), data).table.iloc[0]
    assert np.isnan(row["palindromicity"])
    assert (row["p_value"], row["verdict"]) == (1.0, "none")


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
    """Half the sites hold a word and half its reverse complement, or all hold a palindrome with the same columns."""
    rng = np.random.default_rng(0)
    filler = lambda: rng.integers(0, 4, (200, 10), dtype=np.uint8)  # noqa: E731
    palindrome = np.repeat(rcviz.encode(["CACGTACGTG"]), 200, axis=0)
    word = np.repeat(rcviz.encode(["CACGTGTGCA"]), 200, axis=0)
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


@pytest.mark.parametrize(
    ("p_value", "loss", "balance", "verdict"),
    [
        (SIGNIFICANCE, 0.0, 0.0, "genuine"),
        (above(SIGNIFICANCE), 0.0, 0.0, "none"),
        (0.001, LARGEST_LOSS, 1.0, "genuine"),
        (0.001, above(LARGEST_LOSS), 1.0, "hybrid"),
        (0.001, 1.0, LEAST_BALANCE, "hybrid"),
        (0.001, 1.0, below(LEAST_BALANCE), "none"),
    ],
)
def test_both_sides_of_each_threshold_of_the_verdict(bank, data, monkeypatch, p_value, loss, balance, verdict):
    module = "rcviz.analysis.palindromes."
    comparison = SitePalindromes(np.full((4, 15), 0.25), np.ones(30), information=1.0, gain=loss)
    monkeypatch.setattr(module + "palindromicity_p_value", lambda *arguments, **options: p_value)
    monkeypatch.setattr(module + "compare_site_models", lambda *arguments, **options: comparison)
    monkeypatch.setattr(module + "strand_balance", lambda *arguments: balance)
    row = palindromes(bank, data, filters=[0]).table.iloc[0]
    assert (row["p_value"], row["loss"], row["balance"], row["verdict"]) == (p_value, loss, balance, verdict)


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
    classes = rcviz.SequenceSet(data.codes, values)
    assert palindromes(bank, classes, top=300, filters=[1]).table["n_sites"].item() == 10
