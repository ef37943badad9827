"""Motif files as databases and tools write them, each with its motifs worked out by hand, or read by Biopython."""

import bz2
import gzip

import numpy as np
import pytest
from Bio import motifs as biopython

import rcviz
from rcviz.motifs.formats.jaspar import read_jaspar

HEAD = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
MATRIX = "letter-probability matrix: alength= 4 w= 2\n0.7 0.1 0.1 0.1\n0.1 0.7 0.1 0.1\n\n"
GATA = "0.02\t0.02\t0.94\t0.02\n0.91\t0.03\t0.03\t0.03\n0.03\t0.04\t0.02\t0.91\n0.90\t0.03\t0.03\t0.04\n"
GAT = "".join(GATA.splitlines(keepends=True)[:3])
DNA = """ALPHABET "DNA" DNA-LIKE
A "Adenine" CC0000 ~ T "Thymine" 008000
C "Cytosine" 0000CC ~ G "Guanine" FFB300
N "Any base" = ACGT
END ALPHABET
"""
STREME = """<STREME version="5.4.1"><model><alphabet name="DNA" like="dna">
<letter id="A" symbol="A"/><letter id="C" symbol="C"/><letter id="G" symbol="G"/><letter id="T" symbol="T"/>
</alphabet></model><motifs>
<motif id="1-GA" alt="STREME-1" width="2"><pos A="0.1" C="0.1" G="0.7" T="0.1"/><pos A="0.7" C="0.1" G="0.1" T="0.1"/>
</motif></motifs></STREME>"""
MEME_XML = """<?xml version='1.0' encoding='UTF-8' standalone='yes'?>
<!DOCTYPE MEME[
<!ELEMENT MEME (training_set)>
]>
<MEME version="5.4.1"><training_set><alphabet name="DNA" like="dna">
<letter id="A" symbol="A"/><letter id="C" symbol="C"/><letter id="G" symbol="G"/><letter id="T" symbol="T"/>
</alphabet></training_set><motifs><motif id="motif_1" name="CA" alt="MEME-1" width="2"><scores><alphabet_matrix>
<alphabet_array><value letter_id="A">-9</value></alphabet_array></alphabet_matrix></scores>
<probabilities><alphabet_matrix>
<alphabet_array><value letter_id="A">0.1</value><value letter_id="C">0.7</value><value letter_id="G">0.1</value>
<value letter_id="T">0.1</value></alphabet_array>
<alphabet_array><value letter_id="A">0.7</value><value letter_id="C">0.1</value><value letter_id="G">0.1</value>
<value letter_id="T">0.1</value></alphabet_array>
</alphabet_matrix></probabilities></motif></motifs></MEME>"""

# the file, and name, alternative name and consensus of its motifs
READ = {
    "minimal MEME": (HEAD + "MOTIF x\n" + MATRIX, [("x", "", "AC")]),
    "lower-case alphabet": (HEAD.replace("ACGT", "acgt") + "MOTIF x\n" + MATRIX, [("x", "", "AC")]),
    "MEME of an alphabet by name": (HEAD.replace("ALPHABET= ACGT\n", DNA) + "MOTIF x\n" + MATRIX, [("x", "", "AC")]),
    "MEME of two decimals, sum 1.02": (
        HEAD + "MOTIF x\nletter-probability matrix:\n0.98 0.01 0.01 0.02\n", [("x", "", "A")]
    ),
    "MEME of two decimals, sum 0.98": (
        HEAD + "MOTIF x\nletter-probability matrix:\n0.95 0.01 0.01 0.01\n", [("x", "", "A")]
    ),
    "MEME without version": ("MOTIF x\n" + MATRIX, [("x", "", "AC")]),
    "XML of STREME": (STREME, [("1-GA", "STREME-1", "GA")]),
    "XML of MEME": (MEME_XML, [("CA", "MEME-1", "CA")]),
    "XML of DREME": (
        '<dreme><motifs><motif id="m01" alt="DREME-1" seq="GA" length="2"><pos A="0" C="0" G="1" T="0"/>'
        '<pos A="1" C="0" G="0" T="0"/></motif></motifs></dreme>',
        [("GA", "DREME-1", "GA")],
    ),
    "JASPAR": (">MA1.1\tArnt\nA [ 9 0 1 ]\nC [ 0 9 1 ]\nG [ 1 1 9 ]\nT [ 0 0 0 ]\n", [("MA1.1", "Arnt", "ACG")]),
    "JASPAR without brackets": (">MA1.1 Arnt\n9 0 1\n0 9 1\n1 1 9\n0 0 0\n", [("MA1.1", "Arnt", "ACG")]),
    "JASPAR of four positions": (">x\n7 1 1 1\n1 7 2 1\n1 1 6 1\n1 1 1 7\n", [("x", "", "ACGT")]),
    "JASPAR of four positions, not symmetric": (">x\n0 7 1 1\n8 1 2 1\n1 1 6 1\n1 1 1 7\n", [("x", "", "CAGT")]),
    "HOMER of four positions": (">GATA\tGATA4\t5.2\t-20.1\t0\n" + GATA, [("GATA4", "", "GATA")]),
    "HOMER of three": (">GAT\tGATA(Zf)/Homer\t5.2\n" + GAT, [("GATA(Zf)/Homer", "", "GAT")]),
    "HOMER of all words": (
        ">GAT\t1-GAT,BestGuess:GATA4\t5.2\t-20.1\t0\tT:95.0(9.5%),B:12.3(0.1%),P:1e-8\n" + GAT,
        [("1-GAT,BestGuess:GATA4", "", "GAT")],
    ),
    "two of HOMER": (f">GATA\ta\t5\n{GATA}>GATA\tb\t5\n{GATA}", [("a", "", "GATA"), ("b", "", "GATA")]),
    "cluster-buster": (">M1\n10 0 0 0\n0 0 0 10\n0 0 10 0\n0 10 0 0\n", [("M1", "", "ATGC")]),
    "cluster-buster of six": (
        ">M1\n# comment\n0 0 9 1\n9 0 0 1\n0 0 0 10\n9 1 0 0\n9 1 0 0\n0 0 10 0\n", [("M1", "", "GATAAG")]
    ),
    "cluster-buster, 4 x 4 as the other": (
        ">a\n0 10 0 0\n0 0 10 0\n10 0 0 0\n0 0 0 10\n>b\n0 0 10 0\n10 0 0 0\n", [("a", "", "CGAT"), ("b", "", "GA")]
    ),
    "HOCOMOCO counts by position": (">X_HUMAN.H11\n1.5\t2\t90\t6.5\n91\t2\t3\t4\n", [("X_HUMAN.H11", "", "GA")]),
    "ENCODE": (
        ">X_known1 fam\nG 0.0 0.0 1.0 0.0\nA 0.97 0.01 0.01 0.01\nT 0.01 0.01 0.01 0.97\nC 0.01 0.97 0.01 0.01\n",
        [("X_known1", "fam", "GATC")],
    ),
    "ENCODE of exact letters": (">X\nG 0 0 1 0\nA 1 0 0 0\nT 0 0 0 1\nC 0 1 0 0\n", [("X", "", "GATC")]),
    "ENCODE of five": (">X\nR .5 0 .5 0\nG 0 0 1 0\nA 1 0 0 0\nT 0 0 0 1\nA 1 0 0 0\n", [("X", "", "RGATA")]),
    "TRANSFAC": ("AC  M1\nID  V$A\nP0  A C G T\n01  1 2 3 40 T\n02  40 2 3 1 A\nXX\n//\n", [("M1", "V$A", "TA")]),
    "TRANSFAC without end": ("ID x\nP0 A C G T\n01 1 2 3 40\nXX\n", [("x", "", "T")]),
    "TRANSFAC of SwissRegulon": ("NA\tGATA\nPO\tA\tC\tG\tT\tCONS INF\n01\t0 0 9 0 G 1.9\n//\n", [("GATA", "", "G")]),
    "TRANSFAC of lower case": ("ID x\nP0 a c g t\n01 1 2 3 40\nXX\n//\n", [("x", "", "T")]),
    "TRANSFAC of mCross": (
        "AC\tM1\nXX\nID\tM1\nXX\nNA\tM1\nXX\nP0\tA\tC\tG\tT\n01\t3\t2\t4\t45\tN\n02\t4\t41\t5\t4\tN\nXX\n"
        "IC\t1 1\nXX\nXL\n00\t36\n01\t2\nXX\n",
        [("M1", "M1", "TC")],
    ),
    "two of TRANSFAC, one end": (
        "ID a\nP0 A C G T\n01 1 2 3 40\nXX\nID b\nP0 A C G T\n01 40 2 3 1\nXX\n//\n", [("a", "", "T"), ("b", "", "A")]
    ),
    "CIS-BP": ("Pos\tA\tC\tG\tT\n1\t0.9\t0.1\t0\t0\n2\t0\t0\t0.1\t0.9\n", [("file", "", "AT")]),
    "CIS-BP of many": (
        "TF\tT1\nMotif\tM1_2.00\nPos\tA\tC\tG\tT\n1\t0.9\t0.1\t0\t0\n\n"
        "TF\tT2\nMotif\tM2_2.00\nPos\tA\tC\tG\tT\n1\t0\t0\t1\t0\n",
        [("M1_2.00", "", "A"), ("M2_2.00", "", "G")],
    ),
    "UniPROBE": ("Protein: X\tk-mer: ACGT\nA:\t0.9\t0.0\nC:\t0.1\t0\nG:\t0\t0.1\nT:\t0\t0.9\n", [("file", "", "AT")]),
    "plain rows of bases": ("9 0 1\n0 9 1\n1 1 9\n0 0 0\n", [("file", "", "ACG")]),
    "plain rows of positions": ("0 0 9 1\n9 0 0 1\n0 0 0 10\n", [("file", "", "GAT")]),
    "a table of pandas": ("\tA\tC\tG\tT\n0\t0\t0\t0.9\t0.1\n1\t0.9\t0\t0\t0.1\n", [("file", "", "GA")]),
    "a table with commas": (",A,C,G,T\n0,0,0,0.9,0.1\n1,0.9,0,0,0.1\n", [("file", "", "GA")]),
    "CRLF and a byte order mark": ("\ufeff" + (HEAD + "MOTIF x\n" + MATRIX).replace("\n", "\r\n"), [("x", "", "AC")]),
}  # fmt: skip

REFUSED = {
    "RNA": (HEAD.replace("ACGT", "ACGU") + "MOTIF x\n" + MATRIX, "ACGU.*only DNA"),
    "RNA by name": (DNA.replace('~ T', '~ U').replace("DNA", "RNA") + "MOTIF x\n" + MATRIX, "'A, C, G, U'.*only DNA"),
    "protein by name": ('ALPHABET "P" PROTEIN-LIKE\nA "a"\nE "e"\nEND ALPHABET\nMOTIF x\n' + MATRIX, "only DNA"),
    "scores": ("Pos\tA\tC\tG\tT\n1\t0.9\t-0.1\t0\t0\n", "not a matrix of scores.*CIS-BP"),
    "4 x 4 that may be either": (">M1\n0 10 0 0\n0 0 10 0\n10 0 0 0\n0 0 0 10\n", "bases or positions.*begin them"),
    "FASTA": (">chr1\nACGT\nACGT\n", "JASPAR"),
    "peaks": ("chr1\t100\t200\n", "begins no motif.*expected MEME"),
    "nothing": ("\n\n", "empty"),
    "HTML": ("<html>", "HTML"),
    "cut XML": (STREME[:300], "truncated"),
    "five columns": ("1 2 3 4 5\n1 2 3 4 5\n", "2 of 4 rows"),
    "bzip2": (bz2.compress(b"MOTIF"), "bzip2.*bunzip2"),
}  # fmt: skip


def written(tmp_path, content, name="file.txt"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def facts(motifs):
    return [(motif.name, motif.alternative_name, motif.consensus) for motif in motifs]


@pytest.mark.parametrize("case", READ)
def test_a_file_means_these_motifs(tmp_path, case):
    content, expected = READ[case]
    path = written(tmp_path, content)
    assert facts(rcviz.read_motifs(path)) == expected
    assert facts(rcviz.read_motifs(written(tmp_path, gzip.compress(path.read_bytes()), "file.txt.gz"))) == expected


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_motifs_is_refused(tmp_path, case):
    content, words = REFUSED[case]
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=words) as caught:
        rcviz.read_motifs(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "case", [case for case in READ if "cluster-buster" in case or "HOMER of" in case or case == "ENCODE"]
)
def test_the_reader_of_jaspar_does_not_transpose_others(tmp_path, case):
    content, expected = READ[case]
    assert facts(read_jaspar(written(tmp_path, content))) == expected


@pytest.mark.parametrize(("case", "kind"), [("JASPAR", "jaspar"), ("TRANSFAC", "transfac"), ("minimal MEME", "minimal"),
                                            ("cluster-buster of six", "clusterbuster")])  # fmt: skip
def test_biopython_reads_the_same_numbers(tmp_path, case, kind):
    path = written(tmp_path, READ[case][0].replace("# comment\n", ""))
    if kind == "minimal":  # Biopython wants the background and the number of sites
        text = path.read_text().replace("w= 2", "w= 2 nsites= 20 E= 0")
        path.write_text(text.replace("MOTIF", "Background letter frequencies\nA 0.25 C 0.25 G 0.25 T 0.25\n\nMOTIF"))
    with path.open() as file:
        others = biopython.parse(file, kind)
    for motif, other in zip(rcviz.read_motifs(path), others, strict=True):
        counts = np.array([other.counts[base] for base in "ACGT"], dtype=float)
        np.testing.assert_allclose(motif.probabilities, counts / counts.sum(axis=0), atol=1e-12)


def test_a_motif_without_matrix_is_left_out_with_a_warning(tmp_path):
    text = HEAD + "MOTIF 1 A-DREME-1\n" + MATRIX + "MOTIF 2 B-DREME-1\n\nMOTIF 3 C\n" + MATRIX
    with pytest.warns(UserWarning, match="line 12: motif '2' has no matrix"):
        assert facts(rcviz.read_motifs(written(tmp_path, text))) == [("1", "A-DREME-1", "AC"), ("3", "C", "AC")]


def test_homer_files_are_written_as_they_are_read(tmp_path):
    motifs = [rcviz.Motif(name, rcviz.load_motif(name).probabilities) for name in ("CTCF_known1", "GATA_known6")]
    rcviz.write_homer(motifs, tmp_path / "motifs.homer")
    assert rcviz.read_motifs(tmp_path / "motifs.homer") == motifs
    even = rcviz.Motif("even", rcviz.one_hot(["AC"])[0])
    rcviz.write_homer([even], tmp_path / "even.homer", threshold=0.5)
    # Two certain positions score 2 ln(1 / 0.25) = 4 ln 2; half of it is 2 ln 2.
    assert (tmp_path / "even.homer").read_text() == ">AC\teven\t1.386294\t0\n1.0\t0.0\t0.0\t0.0\n0.0\t1.0\t0.0\t0.0\n"
    with pytest.raises(ValueError, match="threshold must be a share"):
        rcviz.write_homer([even], tmp_path / "even.homer", threshold=2)
