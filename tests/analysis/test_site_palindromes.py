"""One self-complementary PWM against one seen from both strands, on sites whose likelihoods are known."""

import numpy as np
import pytest

import rcviz
from rcviz.analysis.site_palindromes import compare_site_models


def turned(codes, seed=0):
    """Every second site or so as its reverse complement."""
    chosen = np.random.default_rng(seed).random(len(codes)) < 0.5
    codes = codes.copy()
    codes[chosen] = rcviz.reverse_complement(codes[chosen])
    return codes


def test_two_strands_of_one_word_cost_one_bit_and_a_palindrome_of_them_six():
    # AAAAAA or TTTTTT. Naming the strand takes 1 bit; a self-complementary PWM has A and T alike at each of 6 columns.
    found = compare_site_models(turned(np.zeros((10_000, 6), np.uint8)))
    assert found.information == pytest.approx(12 - 1, abs=0.01)
    assert found.gain == pytest.approx(6 - 1, abs=0.01)
    assert found.loss == pytest.approx(5 / 11, abs=0.001)
    assert found.strand_information == pytest.approx(1, abs=1e-6)
    assert 0.5 <= found.forward.mean() < 0.55
    letters = found.motif.argmax(axis=0)
    assert letters.tolist() in ([0] * 6, [3] * 6)


def test_a_palindromic_word_loses_nothing():
    found = compare_site_models(np.repeat(rcviz.encode(["CACGTG"]), 10_000, axis=0))
    assert found.information == pytest.approx(12, abs=0.01)
    assert found.gain == pytest.approx(0, abs=0.01)
    assert found.strand_information == pytest.approx(0, abs=1e-6)


def test_the_background_is_what_sites_are_compared_with():
    background = np.array([0.3, 0.2, 0.2, 0.3])
    found = compare_site_models(np.repeat(rcviz.encode(["CACGTG"]), 10_000, axis=0), background=background)
    assert found.information == pytest.approx(-np.log2([0.2, 0.3, 0.2, 0.2, 0.3, 0.2]).sum(), abs=0.01)


@pytest.mark.parametrize("name", ["CTCF_known1", "GATA_known6", "ELF1_known2"])
def test_it_finds_the_motif_again_whichever_way_the_sites_lie(name):
    motif = rcviz.load_motif(name)
    sites = motif.sample(2000, seed=1)
    straight, mixed = compare_site_models(sites), compare_site_models(turned(sites))
    assert mixed.gain == pytest.approx(straight.gain, abs=0.02)
    assert mixed.information == pytest.approx(straight.information, abs=0.02)
    distance = [np.abs(p - motif.probabilities).max() for p in (mixed.motif, rcviz.reverse_complement(mixed.motif))]
    assert min(distance) < 0.07
    assert mixed.loss > 0.1


def test_sites_of_a_palindromic_motif_lose_nothing():
    assert compare_site_models(rcviz.load_motif("MA0058.4").sample(500, seed=1)).loss < 0.01


def test_unknown_bases_say_nothing():
    sites = turned(rcviz.load_motif("CTCF_known1").sample(300, seed=1))
    plain, padded = compare_site_models(sites), compare_site_models(np.pad(sites, ((0, 0), (3, 3)), constant_values=4))
    assert padded.gain == pytest.approx(plain.gain, abs=1e-6)
    assert padded.information == pytest.approx(plain.information, abs=1e-6)


def test_chance_has_no_information_to_lose():
    found = compare_site_models(np.random.default_rng(0).integers(0, 4, (200, 15), dtype=np.uint8))
    assert found.information < 0
    assert np.isnan(found.loss)


def test_of_next_to_no_information_no_share_is_given():
    """One column of A and T is seen in 10,000 sites and yet 0.28 bits: a share of these would be mostly noise."""
    codes = np.random.default_rng(0).integers(0, 4, (10_000, 5), dtype=np.uint8)
    codes[:, 2] = np.random.default_rng(1).choice(4, 10_000, p=[0.4, 0.1, 0.1, 0.4])
    found = compare_site_models(codes, seed=0)
    assert found.information == pytest.approx(2 + 0.8 * np.log2(0.4) + 0.2 * np.log2(0.1), abs=0.02)
    assert np.isnan([found.loss, *found.loss_interval]).all()


def test_too_few_sites_cannot_be_told_apart():
    with pytest.raises(ValueError, match="got 24 sites"):
        compare_site_models(np.zeros((24, 6), np.uint8))


def test_columns_around_a_motif_do_not_hide_its_strands():
    """Of few sites, twice as many parameters for columns of noise would cost more than the strands gain."""
    rng = np.random.default_rng(0)
    sites = turned(rcviz.load_motif("CTCF_known1").sample(60, seed=0)[:, 4:14])
    noise = rng.integers(0, 4, (2, 60, 12), dtype=np.uint8)
    plain, wide = compare_site_models(sites), compare_site_models(np.hstack([noise[0], sites, noise[1]]))
    assert plain.evidence > 20
    assert wide.evidence == pytest.approx(plain.evidence, abs=5)
    assert wide.motif.shape == (4, 34)
