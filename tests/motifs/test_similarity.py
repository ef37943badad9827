"""Nearest motifs: known offsets and strands, cosines by hand, and the motifs that are compared."""

from math import sqrt
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcviz.motifs.bundled import list_motifs, load_motif
from rcviz.motifs.formats.meme import write_meme
from rcviz.motifs.motif import Motif
from rcviz.motifs.similarity import as_motifs, match_motifs, similarity
from rcviz.motifs.tomtom import tomtom
from rcviz.sequences.alphabet import one_hot

COLUMNS = ["query", "motif", "alternative_name", "strand", "offset", "overlap", "similarity", "p_value"]


def sharp(consensus, name, alternative_name="", strength=0.85):
    rest = (1 - strength) / 3
    return Motif(name, rest + (strength - rest) * one_hot([consensus], dtype="float64")[0], alternative_name)


def framed(matrix, left, right, seed=0):
    """A motif inside a longer one whose other columns say nearly nothing."""
    noise = np.random.default_rng(seed).dirichlet([200] * 4, left + right).T
    return np.concatenate([noise[:, :left], matrix, noise[:, left:]], axis=1)


MYC = sharp("GACCTTGAACGTC", "gatta", "GTA")
OTHER = sharp("TTTCCGGGATA", "<b>other</b>", "a&b")
THIRD = sharp("AGGCAATTCGCGTA", "third")
TARGETS = [THIRD, MYC, OTHER]

# How each query is made of MYC (13 bp): name -> (matrix, strand, offset, overlap)
PLANTED = {
    "itself": (MYC.probabilities, "+", 0, 13),
    "reversed": (MYC.probabilities[::-1, ::-1], "-", 0, 13),
    "trimmed by 3 at the left": (MYC.probabilities[:, 3:], "+", -3, 10),
    "trimmed by 2 at the right": (MYC.probabilities[:, :-2], "+", 0, 11),
    "5 more at the left, 2 at the right": (framed(MYC.probabilities, 5, 2), "+", 5, 13),
    "the same read on the other strand": (framed(MYC.probabilities, 5, 2)[::-1, ::-1], "-", 2, 13),
    "trimmed by 3 at the left, then reversed": (MYC.probabilities[::-1, ::-1][:, :-3], "-", 0, 10),
    "trimmed by 2 at the right, then reversed": (MYC.probabilities[::-1, ::-1][:, 2:], "-", -2, 11),
    "begins 4 into it and goes on beyond": (framed(MYC.probabilities[:, 4:], 0, 6), "+", -4, 9),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Every answer that the tests look at."""
    path = tmp_path_factory.mktemp("motifs") / "own.meme"
    write_meme(TARGETS, path)
    queries = [Motif(name, matrix) for name, (matrix, *_) in PLANTED.items()]
    ctcf = load_motif("CTCF_known1")
    return SimpleNamespace(
        own=match_motifs(queries, TARGETS),
        nearest=match_motifs(queries, TARGETS, n_nearest=1),
        file=match_motifs(queries, path),
        with_jaspar=match_motifs(queries, [*TARGETS, *as_motifs()], n_nearest=882),
        in_jaspar=match_motifs([ctcf, ctcf.reverse_complement(), MYC], n_nearest=7),
    )


@pytest.mark.parametrize("query", range(len(PLANTED)), ids=list(PLANTED))
def test_a_motif_is_found_where_it_was_planted(found, query):
    _, strand, offset, overlap = list(PLANTED.values())[query]
    best = found.own[found.own["query"] == query].iloc[0]
    assert (best["motif"], best["strand"], best["offset"], best["overlap"]) == ("gatta", strand, offset, overlap)
    assert best["alternative_name"] == "GTA"
    assert best["similarity"] == pytest.approx(1, abs=1e-9)
    assert best["p_value"] < 1e-4


def test_every_row_agrees_with_the_matrices_it_speaks_of(found):
    """Overlap and similarity of all rows, the bad matches too, from strand and offset column by column."""
    matrices = [matrix for matrix, *_ in PLANTED.values()]
    targets = {motif.name: motif.probabilities for motif in TARGETS}
    assert len(found.own) == 3 * len(PLANTED)
    for row in found.own.itertuples():
        query, target = matrices[row.query], targets[row.motif]
        target = target if row.strand == "+" else target[::-1, ::-1]
        pairs = [
            (query[:, place], target[:, place - row.offset])
            for place in range(query.shape[1])
            if 0 <= place - row.offset < target.shape[1]
        ]
        assert row.overlap == len(pairs) > 0
        dot = sum((a - 0.25) @ (b - 0.25) for a, b in pairs)
        sizes = [sqrt(sum((pair[side] - 0.25) @ (pair[side] - 0.25) for pair in pairs)) for side in (0, 1)]
        assert row.similarity == pytest.approx(dot / (sizes[0] * sizes[1]), abs=1e-9)
        assert 0 < row.p_value <= 1


def test_rows_are_sorted_within_each_query(found):
    assert found.own.columns.tolist() == COLUMNS
    assert found.own["query"].tolist() == np.repeat(np.arange(len(PLANTED)), 3).tolist()
    for _, rows in found.own.groupby("query"):
        assert rows["p_value"].is_monotonic_increasing
        assert set(rows["motif"]) == {motif.name for motif in TARGETS}


def test_only_the_nearest_are_given_when_fewer_are_wanted(found):
    first = found.own.groupby("query", as_index=False).head(1).reset_index(drop=True)
    assert found.nearest.reset_index(drop=True).to_dict() == first.to_dict()


def test_p_values_of_few_motifs_are_those_among_jaspars(found):
    """The company gives Tomtom its background; it is not named in the answer."""
    among = found.with_jaspar[found.with_jaspar["motif"].isin([motif.name for motif in TARGETS])]
    keys = ["query", "motif"]
    pairs = found.own.merge(among, on=keys, suffixes=("", "_among"))
    assert len(pairs) == len(found.own)
    np.testing.assert_allclose(pairs["p_value"], pairs["p_value_among"], rtol=1e-12)
    assert (pairs["offset"] == pairs["offset_among"]).all()
    assert len(found.with_jaspar) == 882 * len(PLANTED)


def test_a_meme_file_is_as_good_as_its_motifs(found):
    assert found.file[["query", "motif", "strand", "offset", "overlap"]].equals(
        found.own[["query", "motif", "strand", "offset", "overlap"]]
    )
    np.testing.assert_allclose(found.file["p_value"], found.own["p_value"], rtol=1e-3)


def test_none_compares_with_jaspar(found):
    jaspar = list_motifs()
    jaspar = set(jaspar.loc[jaspar["collection"] == "JASPAR2024", "name"])
    assert len(found.in_jaspar) == 3 * 7
    assert set(found.in_jaspar["motif"]) <= jaspar
    ctcf = found.in_jaspar[found.in_jaspar["query"] == 0].iloc[0]
    assert ctcf["alternative_name"] in {"CTCF", "CTCFL"}
    assert ctcf["similarity"] > 0.9
    assert ctcf["p_value"] < 1e-9


def test_the_other_strand_of_a_query_has_the_same_match_turned(found):
    width = load_motif("CTCF_known1").width
    widths = {motif.name: motif.width for motif in as_motifs()}
    one, other = (found.in_jaspar[found.in_jaspar["query"] == query].head(1).iloc[0] for query in (0, 1))
    assert one["motif"] == other["motif"]
    assert one["p_value"] == pytest.approx(other["p_value"], rel=1e-6)
    assert {one["strand"], other["strand"]} == {"+", "-"}
    assert one["offset"] + other["offset"] == width - widths[one["motif"]]


@pytest.mark.parametrize(("n_targets", "n_compared"), [(1, 880), (49, 928), (50, 50), (60, 60)])
def test_fewer_than_fifty_motifs_have_jaspar_for_company(monkeypatch, n_targets, n_compared):
    seen = []

    def count(queries, targets):
        seen.append(len(targets))
        return tomtom(queries, targets)

    monkeypatch.setattr("rcviz.motifs.similarity.tomtom", count)
    targets = [Motif(f"m{index}", MYC.probabilities) for index in range(n_targets)]
    table = match_motifs([MYC], targets, n_nearest=1000)
    assert seen == [n_compared]
    assert table["motif"].tolist() == [motif.name for motif in targets]


def test_a_palindrome_is_matched_as_it_is_given():
    palindrome = sharp("GGAACGTTCC", "palindrome")
    first = match_motifs([palindrome], [*TARGETS, palindrome], n_nearest=1).iloc[0]
    assert (first["motif"], first["strand"], first["offset"]) == ("palindrome", "+", 0)


# ---- cosines, without p-values ------------------------------------------------------------------------------------


def columns(*rows):
    return np.array(rows, dtype=float).T


A, C, AT, CG, ANY = (1, 0, 0, 0), (0, 1, 0, 0), (0.5, 0, 0, 0.5), (0, 0.5, 0.5, 0), (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("query", "motif", "offset", "expected"),
    [
        (columns(A), columns(A), 0, 1),
        (columns(AT), columns(CG), 0, -1),
        (columns(A), columns(C), 0, -1 / 3),  # 0.75 * -0.25 twice and 0.25 * 0.25 twice, over 0.75
        (columns(A), columns(AT), 0, 1 / sqrt(3)),  # 0.75 * 0.25 + 0.25 * (0.25 + 0.25 - 0.25) over 0.5 sqrt(0.75)
        (columns(A, C), columns(A, C), 1, -1 / 3),  # C over A
        (columns(A, C, C), columns(C, C), 1, 1),
        (columns(C, A), columns(AT, CG, C), -2, 1),
        (columns(A, A), columns(A, C), 0, 1 / 3),  # (0.75 - 0.25) / (0.75 + 0.75)
        (columns(A), columns(ANY), 0, 0),
        (columns(ANY, ANY), columns(ANY), 1, 0),
    ],
)
def test_similarity_by_hand(query, motif, offset, expected):
    assert similarity(query, motif, offset) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(-8, 8))
def test_similarity_of_turned_matrices_at_the_turned_offset(seed, width, other, offset):
    """Symmetric, between -1 and 1, and the same on the other strand."""
    rng = np.random.default_rng(seed)
    query, motif = rng.dirichlet([0.5] * 4, width).T, rng.dirichlet([0.5] * 4, other).T
    if not -other < offset < width:
        return
    value = similarity(query, motif, offset)
    assert -1 - 1e-12 <= value <= 1 + 1e-12
    assert similarity(motif, query, -offset) == pytest.approx(value, abs=1e-12)
    turned = similarity(query[::-1, ::-1], motif[::-1, ::-1], width - other - offset)
    assert turned == pytest.approx(value, abs=1e-12)


# ---- forms of motifs and refusals -------------------------------------------------------------------------------


def test_motifs_in_whatever_form_they_come(tmp_path):
    write_meme(TARGETS, tmp_path / "own.meme")
    for form in (tmp_path / "own.meme", str(tmp_path / "own.meme"), TARGETS, tuple(TARGETS), iter(TARGETS)):
        assert [motif.name for motif in as_motifs(form)] == [motif.name for motif in TARGETS]
    jaspar = as_motifs()
    assert len(jaspar) == 879
    assert all(isinstance(motif, Motif) for motif in jaspar)
    jaspar.clear()
    assert len(as_motifs(None)) == 879, "the bundled collection is nobody's to change"


@pytest.mark.parametrize(
    ("motifs", "message"),
    [
        ([], "motifs is empty"),
        ([MYC, "CTCF_known1"], "str"),
        ([MYC.probabilities], "ndarray"),
        (MYC.probabilities, "ndarray"),
        (7, "int"),
    ],
)
def test_anything_but_motifs_is_refused(as_users_run, motifs, message):
    with pytest.raises(ValueError, match=message):
        as_motifs(motifs)
    with pytest.raises(ValueError, match=message):
        match_motifs([MYC], motifs)


@pytest.mark.parametrize("queries", [MYC, []])
def test_queries_are_a_list_with_something_in_it(as_users_run, queries):
    with pytest.raises(ValueError, match="queries must be a list"):
        match_motifs(queries, TARGETS)


@pytest.mark.parametrize("n_nearest", [0, -1, 2.5])
def test_rows_must_be_a_positive_number(as_users_run, n_nearest):
    with pytest.raises(ValueError, match="n_nearest"):
        match_motifs([MYC], TARGETS, n_nearest=n_nearest)
