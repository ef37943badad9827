"""Files as tfmodisco-lite reads them; what it finds in them is in tests/ecosystem."""

import numpy as np
import pytest

import rcviz


def test_files_hold_sequences_and_what_every_base_would_add(make_model, toy, tmp_path):
    model = make_model("standard")
    rcviz.save_modisco(model, toy, tmp_path, task="starts with A", strands="both")
    assert {path.name for path in tmp_path.iterdir()} == {"sequences.npz", "attributions.npz"}
    sequences, attributions = (np.load(tmp_path / f"{name}.npz") for name in ("sequences", "attributions"))
    assert sequences.files == attributions.files == ["arr_0"]
    np.testing.assert_array_equal(sequences["arr_0"], toy.one_hot())
    wanted = rcviz.hypothetical_attributions(model, toy, task=1, strands="both")
    np.testing.assert_array_equal(attributions["arr_0"], wanted)
    assert attributions["arr_0"].dtype == np.float32


def test_observed_bases_have_their_attributions(make_model, toy, tmp_path):
    model = make_model("revcomp").double()
    rcviz.save_modisco(model, toy, tmp_path)
    sequences, attributions = (np.load(tmp_path / f"{name}.npz")["arr_0"] for name in ("sequences", "attributions"))
    observed = rcviz.strand_attributions(model, toy).forward
    np.testing.assert_allclose(sequences * attributions, observed, rtol=1e-6)


def test_a_missing_folder_is_said_before_anything_is_computed(make_model, toy, tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        rcviz.save_modisco(make_model(), toy, tmp_path / "none")
