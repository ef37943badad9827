"""Activating sites against a window loop in Python, known sites of simulated DNA, and the model's own convolution."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import rcviz
from rcviz import FilterBank, SequenceSet, filter_bank, load_motif, one_hot, reverse_complement, simulate_motifs
from rcviz.analysis import sites as searching
from rcviz.motifs.motif import Motif

pytestmark = pytest.mark.filterwarnings("ignore:.*letters .* are not A, C, G or T")


def bank_of(weights, bias=None, *, tied=False):
    weights = np.asarray(weights, dtype=np.float64)
    return FilterBank(weights, np.zeros(len(weights)) if bias is None else np.asarray(bias, float), "conv", tied)


def best_window(codes, weights, strands):
    """Score every window of one sequence, base by base: (activation, start, reverse) or None where all hold an N.

    Going from left to right and reading forward first, a window must beat those before it.
    """
    width, best = weights.shape[1], None
    for start in range(len(codes) - width + 1):
        window = [int(code) for code in codes[start : start + width]]
        if 4 in window:
            continue
        read = [window] if strands == "forward" else [window, [3 - code for code in reversed(window)]]
        for reverse, bases in enumerate(read):
            value = sum(float(weights[base, place]) for place, base in enumerate(bases))
            if best is None or value > best[0]:
                best = value, start, bool(reverse)
    return best


def loop_over_sites(data, weights, bias, top, strands):
    """Rows of one filter's table, from the window loop and a sort that keeps the order of equals; it must fire."""
    found = [(row, best_window(codes, weights, strands)) for row, codes in enumerate(data)]
    fired = [(row, best) for row, best in found if best is not None and best[0] + bias > 0]
    found = sorted(fired, key=lambda pair: -pair[1][0])[:top]
    rows = []
    for rank, (row, (value, start, reverse)) in enumerate(found, start=1):
        end = start + weights.shape[1]
        site = "".join("ACGT"[code] for code in data[row][start:end])
        if reverse:
            site = "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[base] for base in reversed(site))
        rows.append((rank, row, start, end, "-" if reverse else "+", value + bias, site))
    return rows


@st.composite
def searches(draw):
    """Sequences with N in them, and filters of few whole numbers: many windows tie, and every sum is exact."""
    width = draw(st.integers(1, 6))
    length = width + draw(st.integers(0, 14))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    letters = draw(st.sampled_from([[0, 3], [0, 1, 2, 3], [0, 1, 2, 3, 3, 2, 1, 0, 4]]))
    codes = rng.choice(np.array(letters, np.uint8), (draw(st.integers(1, 9)), length))
    weights = rng.integers(-2, 3, (draw(st.integers(1, 3)), 4, width)).astype(float)
    return codes, weights, rng.integers(-8, 8, len(weights)) / 4


@given(searches(), st.integers(1, 12), st.sampled_from(["both", "forward"]))
def test_sites_are_those_of_a_loop_over_windows(search, top, strands):
    codes, weights, bias = search
    expected = [loop_over_sites(codes, w, b, top, strands) for w, b in zip(weights, bias, strict=True)]
    bank = bank_of(weights, bias)
    if all(best_window(sequence, weights[0], strands) is None for sequence in codes):
        with pytest.raises(ValueError, match="N"):
            bank.activating_sites(codes, top=top, strands=strands)
        return
    sites = bank.activating_sites(codes, top=top, strands=strands)
    columns = ["rank", "sequence", "start", "end", "strand", "activation", "site"]
    for index, rows in enumerate(expected):
        table = sites.filter_table(index)
        assert list(table[columns].itertuples(index=False, name=None)) == rows
        assert (table["filter"] == index).all()
        assert sites.sequences(index).tolist() == [row[1] for row in rows]
        assert rcviz.decode(sites.site_codes(index)) == [row[-1] for row in rows]
    for row, sequence in enumerate(codes):
        for index, w in enumerate(weights):
            best = best_window(sequence, w, strands)
            found = sites.best[row, index], sites.start[row, index], sites.reverse[row, index]
            if best is None:
                assert found[0] == -np.inf
            else:
                assert found == (best[0] + bias[index], best[1], best[2])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(0, 30))
def test_activations_have_the_precision_of_float64(seed, width, spare):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (4, width + spare), dtype=np.uint8)
    weights, bias = rng.normal(size=(2, 4, width)), rng.normal(size=2)
    sites = bank_of(weights, bias).activating_sites(codes)
    expected = [[best_window(s, w, "both")[0] + b for w, b in zip(weights, bias, strict=True)] for s in codes]
    np.testing.assert_allclose(sites.best, expected, rtol=1e-12, atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_windows_that_float32_cannot_tell_apart(seed):
    """Filters of every size, dead ones among them, and sequences whose windows are equal, or differ by 1e-9."""
    rng = np.random.default_rng(seed)
    codes = np.tile(rng.integers(0, 4, (6, 5), dtype=np.uint8), (1, 5))
    codes[3:, rng.integers(0, 25, 2)] = rng.integers(0, 5, (3, 2))
    weights = rng.integers(-1, 2, (5, 4, 4)) + 1e-9 * rng.integers(-1, 2, (5, 4, 4))
    weights *= np.array([1.0, 0.0, 1e-300, 1e-42, 1e30])[:, None, None]
    size = np.abs(weights).sum(axis=(1, 2))
    sites = bank_of(weights).activating_sites(codes)
    for row, sequence in enumerate(codes):
        for index, w in enumerate(weights):
            best = best_window(sequence, w, "both")
            if best is None:
                assert sites.best[row, index] == -np.inf
                continue
            start, reverse = sites.start[row, index], sites.reverse[row, index]
            read = rcviz.reverse_complement(sequence) if reverse else sequence
            at = len(sequence) - start - 4 if reverse else start
            value = sum(float(w[read[at + place], place]) for place in range(4))
            np.testing.assert_allclose([sites.best[row, index], value], best[0], rtol=0, atol=1e-12 * size[index])
            assert (start, reverse) <= best[1:]  # of ties the leftmost, then forward; sums in another order tie more


def test_by_hand_on_both_strands():
    """A filter that reads GAT: forward in the first sequence, as ATC in the second, not at all in the third."""
    weights = np.full((1, 4, 3), -1.0)
    weights[0, [2, 0, 3], [0, 1, 2]] = 3
    sites = bank_of(weights, [0.5]).activating_sites(["CCGATC", "ATCCCC", "CCCCCC", "NGATNN", "GANATN"])
    expected = pd.DataFrame(
        {
            "filter": 0,
            "rank": [1, 2, 3, 4],
            "sequence": [0, 1, 3, 2],
            "start": [2, 0, 1, 0],
            "end": [5, 3, 4, 3],
            "strand": ["+", "-", "+", "-"],
            "activation": [9.5, 9.5, 9.5, 1.5],
            "site": ["GAT", "GAT", "GAT", "GGG"],
            "fires_in": 0.8,
        }
    )
    pd.testing.assert_frame_equal(sites.table, expected, check_dtype=False)
    assert sites.best[4, 0] == -np.inf
    # G, A and T of the three sites and GGG, with a quarter for each base: (count + 1/4) / (4 + 1).
    counts = np.array([[0, 3, 0], [0, 0, 0], [4, 1, 1], [0, 0, 3]])
    np.testing.assert_allclose(sites.motif(0).probabilities, (counts + 0.25) / 5, atol=1e-15)


SETTINGS = [
    {"kernel_size": 5, "stride": 4},
    {"kernel_size": 3, "stride": 5},
    {"kernel_size": 4, "stride": 3, "padding": 2},
    {"kernel_size": 3, "stride": 3, "padding": 1, "dilation": 2},
    {"kernel_size": 3, "stride": 2, "padding": 4, "padding_mode": "circular"},
    {"kernel_size": 4, "padding": "same"},
    {"kernel_size": 3, "padding": "same", "dilation": 2, "padding_mode": "reflect"},
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("strands", ["both", "forward"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_sites_are_the_windows_that_the_layer_reads(settings, strands):
    """The convolution itself, on both strands: its largest output over windows that lie inside the sequence."""
    torch.manual_seed(0)
    layer = nn.Conv1d(4, 3, **settings).double()
    for length in (23, 24, 25, 26):
        codes = np.random.default_rng(length).integers(0, 4, (40, length), dtype=np.uint8)
        sites = filter_bank(nn.Sequential(layer)).activating_sites(codes, strands=strands)
        reach = layer.dilation[0] * (layer.kernel_size[0] - 1) + 1
        before = (reach - 1) // 2 if layer.padding == "same" else layer.padding[0]
        with torch.no_grad():
            read = [layer(torch.from_numpy(one_hot(x, dtype="float64"))).numpy() for x in (codes, codes[:, ::-1] ^ 3)]
        starts = np.arange(read[0].shape[2]) * layer.stride[0] - before
        inside = (starts >= 0) & (starts + reach <= length)
        assert not inside.all() or before == 0
        outputs = np.stack(read[: 2 if strands == "both" else 1])[..., inside]
        np.testing.assert_allclose(sites.best, outputs.max(axis=(0, 3)), atol=1e-12)
        own_start = np.where(sites.reverse, length - sites.start - reach, sites.start)  # on the strand that is read
        at = np.searchsorted(starts[inside], own_start)
        np.testing.assert_array_equal(starts[inside][at], own_start)
        rows, filters = np.indices(at.shape)
        np.testing.assert_allclose(outputs[sites.reverse.astype(int), rows, filters, at], sites.best, atol=1e-12)


def test_no_window_of_the_layer_inside_the_sequence():
    bank = filter_bank(nn.Sequential(nn.Conv1d(4, 1, 5, stride=9, padding=1)))
    with pytest.raises(ValueError, match="no window of 5 bp"):
        bank.activating_sites(["ACGTAC"])


def test_forward_reads_the_sequences_as_they_are_given():
    weights = np.full((1, 4, 3), -1.0)
    weights[0, [2, 0, 3], [0, 1, 2]] = 3
    sites = bank_of(weights, [4.0]).activating_sites(["CCGATC", "ATCCCC"], strands="forward")
    assert sites.table["site"].tolist() == ["GAT", "ATC"]
    assert sites.table["strand"].tolist() == ["+", "+"]
    assert not sites.reverse.any()


def test_the_table_has_all_filters_one_after_the_other():
    rng = np.random.default_rng(0)
    sites = bank_of(rng.normal(size=(3, 4, 5))).activating_sites(rng.integers(0, 4, (7, 20), dtype=np.uint8), top=4)
    assert sites.n_filters == 3
    assert sites.width == 5
    assert sites.table.columns.tolist() == [
        "filter", "rank", "sequence", "start", "end", "strand", "activation", "site", "fires_in"
    ]  # fmt: skip
    assert sites.table["filter"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert sites.table["rank"].tolist() == [1, 2, 3, 4] * 3
    for index in range(3):
        part = sites.table[sites.table["filter"] == index].reset_index(drop=True)
        pd.testing.assert_frame_equal(sites.filter_table(index).reset_index(drop=True), part)


def test_sequences_without_a_known_window_are_no_sites():
    sites = bank_of(np.ones((2, 4, 3))).activating_sites(["NNNNN", "ACGTA", "ACNGT", "NACGN"], top=10)
    assert sites.sequences(0).tolist() == sites.sequences(1).tolist() == [1, 3]
    assert len(sites.table) == 4
    assert np.isfinite(sites.table["activation"]).all()
    np.testing.assert_allclose(sites.motif(1).probabilities.sum(0), 1)


def test_all_forms_of_sequences_give_the_same_sites():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 5, (6, 15), dtype=np.uint8)
    bank = bank_of(rng.normal(size=(2, 4, 4)))
    expected = bank.activating_sites(SequenceSet(codes)).table
    for data in (codes, rcviz.decode(codes), one_hot(codes), torch.from_numpy(one_hot(codes))):
        pd.testing.assert_frame_equal(bank.activating_sites(data).table, expected)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_the_other_strand_of_the_data_has_the_same_sites_mirrored(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (5, 60), dtype=np.uint8)
    codes[np.arange(4), rng.integers(0, 60, 4)] = 4
    codes[4] = 4
    bank = bank_of(rng.normal(size=(2, 4, 15)))  # so wide that no window comes twice, and odd: none is its own RC
    forward, reverse = bank.activating_sites(codes), bank.activating_sites(reverse_complement(codes))
    known = np.isfinite(forward.best)
    assert known[:4].all()
    assert not known[4].any()
    np.testing.assert_allclose(reverse.best, forward.best, rtol=1e-12)
    np.testing.assert_array_equal(reverse.start[known], 60 - 15 - forward.start[known])
    np.testing.assert_array_equal(reverse.reverse[known], ~forward.reverse[known])
    assert reverse.table["site"].tolist() == forward.table["site"].tolist()


@pytest.fixture(scope="module")
def planted():
    """One CTCF site in each of 1,500 sequences; more positions than are searched at a time."""
    data = simulate_motifs(["CTCF_known1"], n_per_motif=1500, max_instances=1, label_noise=0, seed=4)
    motif = load_motif("CTCF_known1")
    layer = nn.Conv1d(4, 1, motif.width).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(motif.log_odds())[None])
        layer.bias.fill_(-3.0)
    return data, motif, filter_bank(nn.Sequential(layer)).activating_sites(data, top=2000)


def test_a_filter_made_of_log_odds_finds_what_the_motif_finds(planted):
    """Motif.scan is other code: tables of words instead of convolutions."""
    data, motif, sites = planted
    scan = motif.scan(data)
    np.testing.assert_allclose(sites.best[:, 0], scan["score"] - 3, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(sites.start[:, 0], scan["start"])
    np.testing.assert_array_equal(sites.reverse[:, 0], scan["strand"] == "-")


def test_planted_sites_are_recovered_with_position_and_strand(planted):
    data, motif, sites = planted
    both = data.sites.merge(sites.table, on="sequence", suffixes=("_true", "")).sort_values("sequence")
    assert len(both) == 1500
    recovered = (both["start"] == both["start_true"]) & (both["strand"] == both["strand_true"])
    assert recovered.mean() > 0.99
    assert (both["end"] == both["end_true"])[recovered].all()
    assert set(both["strand"][recovered]) == {"+", "-"}
    # Where another window was taken, it is one that fits better than the planted one.
    scores = motif.log_odds()
    for site in both[~recovered].itertuples():
        window = data.codes[site.sequence, site.start_true : site.end_true]
        window = window if site.strand_true == "+" else reverse_complement(window)
        assert scores[window, range(motif.width)].sum() - 3 < site.activation


def test_the_motif_of_planted_sites_is_the_one_that_was_planted(planted):
    """With 1,500 sites a probability has a standard error of at most 1.3%."""
    _, motif, sites = planted
    np.testing.assert_allclose(sites.motif(0).probabilities, motif.probabilities, atol=0.06)


def test_a_sequence_longer_than_what_is_searched_at_a_time():
    codes = np.zeros((2, 300_000), np.uint8)
    codes[1, 299_990:299_996] = [2, 0, 3, 0, 0, 2]
    weights = np.full((1, 4, 6), -1.0)
    weights[0, [2, 0, 3, 0, 0, 2], range(6)] = 3
    sites = bank_of(weights).activating_sites(codes, top=1)
    assert sites.table[["sequence", "start", "strand", "site"]].values.tolist() == [[1, 299_990, "+", "GATAAG"]]


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize("strands", ["both", "forward"])
def test_activations_are_the_outputs_of_the_models_own_convolution(make_model, toy, architecture, strands):
    model = make_model(architecture).double()
    with torch.no_grad():
        model.conv1.bias.copy_(torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64))
        x = torch.from_numpy(one_hot(toy.codes, dtype="float64"))
        forward = model.conv1(x)[:, :3].numpy()
        # The reverse strand read from left to right, turned so that a position is where the window starts on the data.
        backward = model.conv1(torch.from_numpy(reverse_complement(x.numpy())))[:, :3].flip(2).numpy()
        if architecture == "revcomp":
            np.testing.assert_allclose(model.conv1(x)[:, 3:].flip(1).numpy(), backward, atol=1e-12)
    sites = filter_bank(model).activating_sites(toy, strands=strands)
    everything = np.stack([forward, backward] if strands == "both" else [forward])
    np.testing.assert_allclose(sites.best, everything.max(axis=(0, 3)), atol=1e-12)
    for site in sites.table.itertuples():
        read = everything[int(site.strand == "-"), site.sequence, site.filter]
        assert site.activation == pytest.approx(read[site.start], abs=1e-12)


def test_equal_activations_keep_the_order_of_the_data():
    codes = np.tile(np.uint8([0, 1, 2, 3]), (100, 1))
    sites = bank_of(np.ones((1, 4, 4))).activating_sites(codes, top=60)
    assert sites.sequences(0).tolist() == list(range(60))


def test_of_equal_windows_the_leftmost_counts_then_the_forward_strand():
    weights = np.zeros((1, 4, 2))
    weights[0, [0, 3], [0, 1]] = 1  # AT, which is its own reverse complement
    sites = bank_of(weights).activating_sites(["CATGATC"])
    assert (sites.start[0, 0], sites.reverse[0, 0]) == (1, False)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(3, 11), st.integers(20, 200))
def test_repeats_are_equal_in_spite_of_rounding(seed, period, width, spare):
    """The same window at a later position is not better because its sum is rounded differently."""
    rng = np.random.default_rng(seed)
    codes = np.resize(rng.integers(0, 4, period, dtype=np.uint8), width + spare)[None]
    weights = rng.normal(size=(3, 4, width))
    sites = bank_of(weights).activating_sites(codes, strands="forward")
    assert (sites.start < period).all()
    palindromic = bank_of(weights + weights[:, ::-1, ::-1]).activating_sites(codes)
    assert not palindromic.reverse.any()


def test_reversed_views_and_read_only_arrays_are_searched_like_others():
    codes = np.random.default_rng(3).integers(0, 4, (5, 20), dtype=np.uint8)
    bank = bank_of(np.random.default_rng(4).normal(size=(2, 4, 4)))
    for view in (codes[:, ::-1], codes[::-1], codes[:, ::2]):
        pd.testing.assert_frame_equal(bank.activating_sites(view).table, bank.activating_sites(view.copy()).table)
    codes.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bank.activating_sites(codes)


@pytest.mark.parametrize("n_filters", [1, 30])
def test_batches_hold_fewer_sequences_the_more_filters_there_are_and_are_not_seen(monkeypatch, n_filters):
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 4, (50, 12), dtype=np.uint8)
    bank = bank_of(rng.normal(size=(n_filters, 4, 5)))
    expected = bank.activating_sites(codes).table
    at_a_time, search = [], searching._best_windows
    monkeypatch.setattr(searching, "_NUMBERS_PER_BATCH", 2000)
    monkeypatch.setattr(searching, "_best_windows", lambda x, *rest: at_a_time.append(len(x)) or search(x, *rest))
    pd.testing.assert_frame_equal(bank.activating_sites(codes).table, expected)
    assert max(at_a_time) == max(1, 2000 // (12 * max(n_filters, 4)))  # no fewer bases than the four of one-hot
    assert sum(at_a_time) == 50


def test_motifs_of_the_bank_are_those_of_its_sites():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, (30, 25), dtype=np.uint8)
    bank = bank_of(rng.normal(size=(3, 4, 6)))
    sites = bank.activating_sites(codes, top=9)
    motifs = bank.motifs(codes, top=9)
    assert len({motif.name for motif in motifs}) == 3
    for index, motif in enumerate(motifs):
        assert isinstance(motif, Motif)
        assert motif == sites.motif(index)
        assert str(index) in motif.name
        counts = np.zeros((4, 6))
        for site in sites.filter_table(index)["site"]:
            for place, base in enumerate(site):
                counts["ACGT".index(base), place] += 1
        np.testing.assert_allclose(motif.probabilities, (counts + 0.25) / 10, atol=1e-15)


def test_indices_may_be_numpy_integers():
    sites = bank_of(np.eye(4)[None]).activating_sites(["ACGTT"])
    assert sites.motif(np.int64(0)) == sites.motif(0)
    assert len(sites.filter_table(np.int32(0))) == 1


def test_plot_draws_the_motif_of_one_filter():
    sites = bank_of(np.random.default_rng(0).normal(size=(2, 4, 5))).activating_sites(["ACGTTGACC", "TTTGACCAG"])
    drawn = [[path.get_extents().extents for path in sites.plot(filter=i).collections[0].get_paths()] for i in (0, 1)]
    expected = [
        [path.get_extents().extents for path in rcviz.plot_logo(m, kind="information").collections[0].get_paths()]
        for m in (sites.motif(0), sites.motif(1))
    ]
    np.testing.assert_allclose(drawn[0], expected[0])
    np.testing.assert_allclose(drawn[1], expected[1])


def test_the_model_and_the_data_stay_as_they_were(make_model, toy, same_weights):
    model, codes = make_model(), toy.codes.copy()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    sites = filter_bank(model).activating_sites(toy)
    _ = sites.table, sites.motif(0)
    assert same_weights(model.state_dict(), before)
    np.testing.assert_array_equal(toy.codes, codes)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((0, 9), np.uint8), {}, "no sequences"),
        ([], {}, "at least one sequence"),
        (["ACG", "TTT"], {}, "the filters are 4 bp wide but the sequences have 3 bp"),
        (["NNNNNN", "ACGNAC"], {}, "every window of 4 bp holds an N"),
        (["ACGTAC"], {"top": 0}, "top"),
        (["ACGTAC"], {"top": 2.5}, "top"),
        (["ACGTAC"], {"strands": "reverse"}, "strands.*both.*forward"),
    ],
)
def test_refusals(as_users_run, data, options, message):
    with pytest.raises(ValueError, match=message):
        bank_of(np.ones((2, 4, 4))).activating_sites(data, **options)


def test_a_model_that_has_diverged_is_told_from_data_full_of_n():
    weights = np.ones((2, 4, 4))
    weights[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="training has diverged"):
        bank_of(weights).activating_sites(["ACGTAC"])


@pytest.mark.parametrize("method", ["motif", "filter_table", "sequences", "site_codes"])
@pytest.mark.parametrize("index", [2, -1])
def test_a_filter_that_is_not_there(method, index):
    sites = bank_of(np.ones((2, 4, 4))).activating_sites(["ACGTAC"])
    with pytest.raises(ValueError, match=rf"no filter {index}.*0 to 1"):
        getattr(sites, method)(index)


@pytest.mark.parametrize("rows", [slice(5, 40), [7, 3, 3], np.arange(120) % 3 == 0])
def test_sites_in_some_of_the_sequences(toy, rows):
    bank = bank_of(np.random.default_rng(2).normal(size=(3, 4, 6)))
    found = bank.activating_sites(toy, top=4).subset(rows)
    pd.testing.assert_frame_equal(found.table, bank.activating_sites(toy.subset(rows), top=4).table)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([500], "500 is out of range for 6"),
        ([True, False], "a mask of 6 values"),
        ("all", "a mask, integers or a slice"),
    ],
)
def test_sequences_that_are_not_there(rows, message):
    with pytest.raises(ValueError, match=message):
        bank_of(np.ones((2, 4, 4))).activating_sites(["ACGTAC"] * 6).subset(rows)
