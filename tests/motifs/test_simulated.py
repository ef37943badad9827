"""The generator of section 3.2 has the statistics given in the paper, and its sites are correct."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, chisquare, kstest

from rcviz.motifs.bundled import load_motif
from rcviz.motifs.motif import Motif
from rcviz.motifs.simulated import simulate_motifs
from rcviz.sequences.alphabet import gc_content, reverse_complement
from rcviz.sequences.sequence_set import SequenceSet, SimulatedSet
from rcviz.sequences.splits import split

RARE = 1e-4  # every test below has a fixed seed, so this is not a rate of failures


@pytest.fixture(scope="module")
def paper():
    return simulate_motifs(n_per_motif=4000, seed=11)


def instances(data):
    """Give each site's bases as read on the motif's strand."""
    for site in data.sites.itertuples():
        bases = data.codes[site.sequence, site.start : site.end]
        yield site, bases if site.strand == "+" else reverse_complement(bases)


def assert_same(one, other):
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.clean_labels, other.clean_labels)
    pd.testing.assert_frame_equal(one.sites, other.sites)
    assert (one.task_names, one.provenance) == (other.task_names, other.provenance)


def test_shape_tasks_and_labels_before_noise(paper):
    assert isinstance(paper, SequenceSet)
    assert paper.codes.shape == (12_000, 200)
    assert paper.task_names == ("GATA_known6", "ELF1_known2", "RXRA_known1")
    np.testing.assert_array_equal(paper.clean_labels.sum(axis=0), [4000] * 3)
    motif_of = paper.sites.drop_duplicates("sequence").set_index("sequence")["motif"]
    expected = [[motif_of[row] == name for name in paper.task_names] for row in range(len(paper))]
    np.testing.assert_array_equal(paper.clean_labels, expected)


def test_motifs_come_mixed(paper):
    first = paper.clean_labels[:3000].sum(axis=0)
    assert chisquare(first).pvalue > RARE


def test_number_of_instances_is_the_truncated_poisson(paper):
    counts = paper.sites.groupby("sequence").size()
    assert len(counts) == len(paper)
    observed = counts.value_counts().reindex([1, 2, 3]).to_numpy()
    assert observed.sum() == len(paper)
    assert chisquare(observed, np.array([3 / 8, 3 / 8, 1 / 4]) * len(paper)).pvalue > RARE


def test_strands_are_equally_likely(paper):
    n_reverse = (paper.sites["strand"] == "-").sum()
    assert RARE < binom.cdf(n_reverse, len(paper.sites), 0.5) < 1 - RARE


@pytest.mark.parametrize(("probability", "strands"), [(0, {"+"}), (1, {"-"})])
def test_strand_probability_is_obeyed(probability, strands):
    assert set(simulate_motifs(n_per_motif=50, rc_probability=probability).sites["strand"]) == strands


def test_background_has_its_gc_content_and_even_pairs(paper):
    background = np.ones(paper.codes.shape, bool)
    for site in paper.sites.itertuples():
        background[site.sequence, site.start : site.end] = False
    counts = np.bincount(paper.codes[background], minlength=4)
    assert chisquare(counts, np.array([0.3, 0.2, 0.2, 0.3]) * counts.sum()).pvalue > RARE


@pytest.mark.parametrize("gc", [0, 1])
def test_background_without_one_kind_of_pair(gc):
    motif = Motif("one", np.array([[1 - gc], [gc], [0], [0]]))
    data = simulate_motifs([motif], n_per_motif=20, gc_content=gc)
    np.testing.assert_array_equal(gc_content(data.codes), gc)


def test_sites_hold_samples_of_their_motif(paper):
    for name in paper.task_names:
        motif = load_motif(name)
        bases = np.stack([bases for site, bases in instances(paper) if site.motif == name])
        n = len(bases)
        frequency = np.stack([(bases == base).mean(axis=0) for base in range(4)])
        sd = np.sqrt(motif.probabilities * (1 - motif.probabilities) / n)
        assert np.all(np.abs(frequency - motif.probabilities) <= 5 * sd + 1e-12)
        # Positions are independent, so the mean log-likelihood is minus the entropy, 2 bits per base less information.
        likelihood = np.log2(motif.probabilities[bases, np.arange(motif.width)]).sum(axis=1)
        expected = motif.information_content().sum() - 2 * motif.width
        assert abs(likelihood.mean() - expected) < 5 * likelihood.std() / np.sqrt(n)


def test_instances_do_not_overlap_and_are_in_order(paper):
    sites = paper.sites
    assert sites["start"].min() >= 0
    assert sites["end"].max() <= paper.length
    same = sites["sequence"].diff()[1:] == 0
    assert (sites["sequence"].diff()[1:] >= 0).all()
    assert (sites["start"].to_numpy()[1:] >= sites["end"].to_numpy()[:-1])[same].all()


def test_a_single_instance_is_placed_uniformly():
    data = simulate_motifs(["GATA_known6"], n_per_motif=20_000, max_instances=1, seed=5)
    counts = np.bincount(data.sites["start"], minlength=188)
    assert len(counts) == 188
    assert chisquare(counts).pvalue > RARE


def test_placing_equals_drawing_positions_until_one_is_free():
    """Against the procedure as the paper words it, in a plain loop, on a crowded sequence."""
    width, length, n = 5, 25, 6000
    rng = np.random.default_rng(2)
    slow = []
    for _ in range(n):
        first = second = rng.integers(0, length - width + 1)
        while abs(second - first) < width:
            second = rng.integers(0, length - width + 1)
        slow.append(sorted([first, second]))
    motif = Motif("m", np.full((4, width), 0.25))
    data = simulate_motifs([motif], n_per_motif=n, length=length, mean_instances=1e12, max_instances=2, seed=3)
    fast = data.sites["start"].to_numpy().reshape(n, 2)  # at this mean one instance alone is next to impossible
    for slow_starts, fast_starts in zip(np.transpose(slow), fast.T, strict=True):
        counts = np.stack([np.bincount(starts, minlength=length) for starts in (slow_starts, fast_starts)])
        assert chi2_contingency(counts[:, counts.any(axis=0)]).pvalue > RARE


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 5), st.floats(0.1, 20), st.integers(0, 99))
def test_any_setting_that_is_accepted_keeps_the_promises(width, most, mean, seed):
    motif = Motif("m", np.full((4, width), 0.25))
    length = int(np.ceil(most * width / 0.7))
    data = simulate_motifs([motif], n_per_motif=30, length=length, mean_instances=mean, max_instances=most, seed=seed)
    counts = data.sites.groupby("sequence").size()
    assert len(counts) == 30
    assert counts.max() <= most
    covered = np.zeros(data.codes.shape, int)
    for site in data.sites.itertuples():
        covered[site.sequence, site.start : site.end] += 1
    assert covered.max() == 1


def test_label_noise_permutes_rows_of_one_fifth(paper):
    changed = np.flatnonzero((paper.labels != paper.clean_labels).any(axis=1))
    np.testing.assert_array_equal(paper.labels.sum(axis=0), paper.clean_labels.sum(axis=0))
    np.testing.assert_array_equal(paper.labels.sum(axis=1), 1)  # a row of three tasks stays a row
    # Of 20% of the rows, one in three gets a row of its own class back.
    n_changed = len(changed)
    assert RARE < binom.cdf(n_changed, 2400, 2 / 3) < 1 - RARE
    assert kstest(changed / len(paper), "uniform").pvalue > RARE


def test_tasks_may_be_shuffled_apart():
    data = simulate_motifs(n_per_motif=2000, shuffle="tasks", seed=3)
    whole = simulate_motifs(n_per_motif=2000, seed=3)
    np.testing.assert_array_equal(data.codes, whole.codes)
    noisy = np.flatnonzero((data.labels != data.clean_labels).any(axis=1))
    np.testing.assert_array_equal(data.labels.sum(axis=0), data.clean_labels.sum(axis=0))
    # A row of three labels drawn apart may hold none, one, two or all of the motifs.
    assert set(data.labels[noisy].sum(axis=1)) == {0, 1, 2, 3}
    changed = (data.labels != data.clean_labels).sum(axis=0)
    assert (np.abs(changed - 1200 * 4 / 9) < 80).all()  # two wrong for each label that moved: 2 * 1/3 * 2/3
    with pytest.raises(ValueError, match="shuffle must be one of"):
        simulate_motifs(n_per_motif=20, shuffle="labels")


def test_without_noise_labels_are_clean():
    data = simulate_motifs(n_per_motif=50, label_noise=0)
    np.testing.assert_array_equal(data.labels, data.clean_labels)
    everything = simulate_motifs(n_per_motif=50, label_noise=1)
    np.testing.assert_array_equal(everything.labels.sum(axis=0), [50] * 3)


def test_seeds_repeat_and_differ():
    assert_same(simulate_motifs(n_per_motif=20, seed=4), simulate_motifs(n_per_motif=20, seed=4))
    generator = simulate_motifs(n_per_motif=20, seed=np.random.default_rng(4))
    np.testing.assert_array_equal(generator.codes, simulate_motifs(n_per_motif=20, seed=4).codes)
    assert (simulate_motifs(n_per_motif=20, seed=5).codes != generator.codes).any()


def test_a_part_keeps_its_own_sites_and_clean_labels(paper):
    chosen = np.array([7, 2, 2, 9000])
    part = paper.subset(chosen)
    assert isinstance(part, SimulatedSet)
    np.testing.assert_array_equal(part.clean_labels, paper.clean_labels[chosen])
    for place, row in enumerate(chosen):
        own = part.sites[part.sites["sequence"] == place].drop(columns="sequence")
        whole = paper.sites[paper.sites["sequence"] == row].drop(columns="sequence")
        np.testing.assert_array_equal(own, whole)
    train, *_ = split(paper)
    assert isinstance(train, SimulatedSet)
    assert len(train) == 4800
    assert len(paper.subset(slice(0, 0)).sites) == 0


def test_the_other_strand_carries_its_sites_along(paper):
    part = paper.subset(slice(0, 300))
    other = part.reverse_complement()
    assert_same(other.reverse_complement(), part)
    originals = sorted((site.sequence, bases.tobytes()) for site, bases in instances(part))
    assert sorted((site.sequence, bases.tobytes()) for site, bases in instances(other)) == originals


def test_saving_keeps_everything(paper, tmp_path):
    path = tmp_path / "simulated.safetensors"
    paper.save(path)
    assert_same(SequenceSet.load(path), paper)
    assert_same(SimulatedSet.load(path), paper)
    empty = paper.subset([])
    empty.save(path)
    assert len(SimulatedSet.load(path)) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"motifs": ["GATA_known"]}, "did you mean GATA_known6"),
        ({"motifs": []}, "motifs must have different names"),
        ({"motifs": ["CTCF_known1", "CTCF_known1"]}, "different names"),
        ({"n_per_motif": 0}, "n_per_motif must be at least 1, got 0"),
        ({"max_instances": 0}, "max_instances must be at least 1"),
        ({"length": 0}, "length must be at least 1"),
        ({"length": 20, "max_instances": 1}, "'RXRA_known1' is 21 bp wide but length is 20"),
        ({"length": 80}, "3 instances of 'RXRA_known1' .* length 80 .* use length 90 or more"),
        ({"gc_content": 40}, "gc_content must be between 0 and 1, got 40: give a fraction"),
        ({"rc_probability": -0.1}, "rc_probability must be between"),
        ({"label_noise": 1.5}, "label_noise must be between"),
        ({"label_noise": float("nan")}, "label_noise must be between"),
        ({"mean_instances": 0}, "mean_instances must be positive"),
        ({"mean_instances": float("inf")}, "mean_instances must be positive"),
    ],
)
def test_what_cannot_be_simulated_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        simulate_motifs(**changes)


def test_sites_that_do_not_belong_are_refused(paper):
    sites = paper.sites
    with pytest.raises(ValueError, match="strand is missing"):
        SimulatedSet(paper.codes, paper.labels, clean_labels=paper.labels, sites=sites.drop(columns="strand"))
    with pytest.raises(ValueError, match="outside 0 to 9"):
        SimulatedSet(paper.codes[:10], paper.labels[:10], clean_labels=paper.labels[:10], sites=sites)
