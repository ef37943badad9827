"""Shuffles keep every dinucleotide and are otherwise uniform; drawn windows match the positives."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

import rcviz
from rcviz.genome.fasta import Genome
from rcviz.genome.intervals import overlaps, window_intervals
from rcviz.genome.negatives import GC_BIN, dinucleotide_shuffle, matched_windows


def dinucleotides(codes):
    return np.stack([np.bincount(row[:-1].astype(int) * 5 + row[1:], minlength=25) for row in codes])


@given(seed=st.integers(0, 999), letters=st.integers(1, 5), length=st.integers(2, 80), skewed=st.booleans())
def test_every_dinucleotide_is_kept(seed, letters, length, skewed):
    rng = np.random.default_rng(seed)
    weights = np.array([50, 1, 1, 1, 1][:letters] if skewed else [1] * letters) * 1.0
    codes = rng.choice(letters, (30, length), p=weights / weights.sum()).astype(np.uint8)
    before = codes.copy()
    shuffled = dinucleotide_shuffle(codes, seed=seed)
    np.testing.assert_array_equal(codes, before)
    np.testing.assert_array_equal(dinucleotides(shuffled), dinucleotides(codes))
    np.testing.assert_array_equal(shuffled[:, [0, -1]], codes[:, [0, -1]])


@pytest.mark.parametrize("sequence", ["ACAGCACGA", "AACCAACGTA", "ACGTGCACTA", "AAAAACAAAT"])
def test_every_order_is_equally_likely(sequence):
    """Against all sequences with the same dinucleotides, found by trying every sequence."""
    codes = rcviz.encode([sequence])
    wanted = dinucleotides(codes)[0]
    letters = sorted(set(codes[0].tolist()))
    inner = np.array(list(itertools.product(letters, repeat=len(sequence) - 2)), dtype=np.uint8)
    every = np.concatenate([np.full((len(inner), 1), codes[0, 0]), inner, np.full((len(inner), 1), codes[0, -1])], 1)
    possible = sorted(map(tuple, every[(dinucleotides(every) == wanted).all(axis=1)].tolist()))
    shuffled = dinucleotide_shuffle(np.repeat(codes, 6_000, axis=0), seed=1)
    orders, counts = np.unique(shuffled, axis=0, return_counts=True)
    assert list(map(tuple, orders.tolist())) == possible
    assert len(possible) > 1
    assert chisquare(counts).pvalue > 1e-4


def test_a_seed_decides_and_blocks_do_not_repeat():
    codes = np.repeat(np.random.default_rng(0).integers(0, 4, (1, 100)), 1_030, axis=0).astype(np.uint8)
    one, other = dinucleotide_shuffle(codes, seed=1), dinucleotide_shuffle(codes, seed=1)
    np.testing.assert_array_equal(one, other)
    assert len(np.unique(one, axis=0)) > 1_020
    assert not np.array_equal(one, dinucleotide_shuffle(codes, seed=2))
    assert dinucleotide_shuffle(codes[:0]).shape == (0, 100)


def test_letters_are_taken_as_well():
    assert rcviz.decode(dinucleotide_shuffle(["AAAA"])) == ["AAAA"]


@pytest.fixture(scope="module")
def patchy(tmp_path_factory):
    """Two chromosomes of 200 kb whose GC content changes every 500 bp, with a masked third and a stretch of N."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("genome") / "patchy.fa"
    records = []
    for name in ("chr1", "chr2"):
        gc = np.repeat(rng.uniform(0.2, 0.8, 400), 500)
        letters = np.where(rng.random(200_000) < gc, rng.choice(list("CG"), 200_000), rng.choice(list("AT"), 200_000))
        letters[60_000:90_000] = "N"
        text = "".join(letters)
        text = "".join(
            text[i : i + 300].lower() if (i // 300) % 3 == 0 else text[i : i + 300] for i in range(0, 200_000, 300)
        )
        records.append(f">{name}\n{text}\n")
    path.write_text("".join(records))
    return Genome(path)


def draw(genome, positives, n, **changes):
    settings = {
        "width": 100,
        "avoid": window_intervals(positives, 100),
        "match_repeats": False,
        "max_n_share": 0.0,
        "rng": np.random.default_rng(3),
    }
    return matched_windows(genome, positives, n=n, **settings | changes)


@pytest.mark.parametrize("match_repeats", [False, True])
def test_drawn_windows_have_the_gc_of_the_positives(patchy, match_repeats):
    rng = np.random.default_rng(5)
    positives = pd.DataFrame({"chrom": rng.choice(["chr1", "chr2"], 60), "window": rng.integers(0, 55_000, 60)})
    drawn = draw(patchy, positives, 120, match_repeats=match_repeats).table

    def bins(windows):
        codes = patchy.read(windows["chrom"], windows["window"], 100)
        assert codes.max() < 4
        columns = [windows["chrom"], np.floor(((codes == 1) | (codes == 2)).mean(axis=1) / GC_BIN + 1e-9)]
        if match_repeats:
            masked = patchy.soft_masked(windows["chrom"], windows["window"], 100).mean(axis=1)
            columns.append(np.floor(masked / 0.1 + 1e-9))
        return pd.Series(list(zip(*columns, strict=True))).value_counts()

    expected = bins(positives) * 2
    got = bins(drawn).reindex(expected.index, fill_value=0)
    assert (got <= expected).all()
    assert got.sum() == len(drawn) > 0.6 * 120
    assert not overlaps(window_intervals(drawn, 100), window_intervals(positives, 100)).any()
    assert not drawn.duplicated(["chrom", "window"]).any()
    spacing = drawn.sort_values(["chrom", "window"]).groupby("chrom")["window"].diff()
    assert spacing.dropna().min() >= 100


def test_unmatched_negatives_are_warned_about(patchy):
    positives = pd.DataFrame({"chrom": ["chr1"] * 10, "window": np.arange(10) * 100})
    with pytest.warns(UserWarning, match=r"only .* of 5,000 negatives could be matched"):
        drawn = draw(patchy, positives, 5_000)
    counts = drawn.counts
    assert counts["read"] == sum(n for reason, n in counts.items() if reason != "read") + len(drawn.table)
    assert counts["unknown_bases"] > 0
    assert counts["near_peaks"] > 0


def test_repeats_need_a_masked_genome(tmp_path):
    path = tmp_path / "upper.fa"
    path.write_text(">chr1\n" + "ACGT" * 500 + "\n")
    positives = pd.DataFrame({"chrom": ["chr1"], "window": [100]})
    with pytest.raises(ValueError, match="needs a soft-masked genome"):
        draw(Genome(path), positives, 1, match_repeats=True)
