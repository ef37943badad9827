"""The other strand of models that declare what the reverse complement does to their outputs."""

import numpy as np
import pytest
import torch
from foreign import ProfileAndCounts, seeded
from oracles import opposite_strand
from strand_checks import one_hot
from torch import nn

import rcviz
from rcviz import RevCompConjoined, as_sequence_model
from rcviz.symmetry.strands import OtherStrand, reverse_labels

L = 30


def tasks(n=4):
    return nn.Sequential(nn.Conv1d(4, 5, 7), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(5, n))


def profile(n=2):
    return nn.Sequential(nn.Conv1d(4, 5, 7, padding=3), nn.Tanh(), nn.Conv1d(5, n, 1))


class Declared(nn.Module):
    """A profile of two strands that is not what it declares: its layers break the symmetry."""

    symmetry = rcviz.Symmetry(input="paired", output="paired")

    def __init__(self):
        super().__init__()
        self.body = profile()

    def forward(self, x):
        return self.body(x)


def tied():
    """Layers of rcviz in a chain, whose profile of two strands is equivariant."""
    return nn.Sequential(
        rcviz.RevCompConv1d(4, 3, 7, padding="same"), nn.ReLU(), rcviz.RevCompConv1d(6, 1, 5, padding="same")
    )


EQUIVARIANT = {
    "stranded": lambda: RevCompConjoined(tasks(), output_kind="stranded"),
    "own partners": lambda: RevCompConjoined(tasks(), output_kind="stranded", permutation=(1, 0, 3, 2)),
    "mean of probabilities": lambda: RevCompConjoined(tasks(), output_kind="stranded", average="probability"),
    "adapted": lambda: as_sequence_model(RevCompConjoined(tasks(), output_kind="stranded")),
    "values": lambda: as_sequence_model(RevCompConjoined(tasks(), output_kind="stranded"), output_is="value"),
    "probabilities": lambda: as_sequence_model(
        RevCompConjoined(nn.Sequential(tasks(), nn.Sigmoid()), output_kind="stranded"), output_is="probability"
    ),
    "one selected": lambda: as_sequence_model(
        RevCompConjoined(tasks(), output_kind="stranded"), output=lambda y: y[:, :1]
    ),
    "counts of a profile": lambda: as_sequence_model(
        RevCompConjoined(profile(), output_kind="profile", permutation=(1, 0)), output=lambda y: y.logsumexp(2)
    ),
    "data parallel": lambda: nn.DataParallel(RevCompConjoined(tasks(), output_kind="stranded")),
    "compiled": lambda: torch.compile(RevCompConjoined(tasks(), output_kind="stranded"), backend="eager"),
    "selected from compiled": lambda: as_sequence_model(
        torch.compile(RevCompConjoined(tasks(), output_kind="stranded"), backend="eager"), output=lambda y: y[:, 1:2]
    ),
    "chain": lambda: nn.Sequential(RevCompConjoined(tasks(), output_kind="stranded"), nn.Identity()),
    "profile": lambda: RevCompConjoined(profile(), output_kind="profile", permutation=(1, 0)),
    "positions": lambda: RevCompConjoined(profile(), output_kind="profile"),
    "tied layers": tied,
    "weighted sum": lambda: nn.Sequential(rcviz.RevCompConv1d(4, 3, 7), nn.ReLU(), rcviz.WeightedSum1d(6, L - 6)),
    "invariant": lambda: RevCompConjoined(tasks()),
}


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_an_equivariant_model_gives_the_same_for_both(name, as_users_run):
    model, x = seeded(EQUIVARIANT[name]), one_hot(3, L)
    with torch.no_grad():
        y, other = model(x), OtherStrand(model)(x)
        plain = model(torch.from_numpy(opposite_strand(x.numpy())))
    np.testing.assert_allclose(other, y, atol=1e-12)
    assert name == "invariant" or (plain - y).abs().max() > 1e-3  # the outputs themselves are exchanged
    assert not any(part._forward_hooks for part in model.modules())


@pytest.mark.parametrize("make", [tasks, ProfileAndCounts, lambda: RevCompConjoined(tasks()), Declared])
def test_the_other_strand_by_hand(make):
    model, x = seeded(make), one_hot(3, L)
    with torch.no_grad():
        want, found = model(torch.from_numpy(opposite_strand(x.numpy()))), OtherStrand(model)(x)
    if make is Declared:
        want = torch.from_numpy(opposite_strand(want.numpy()))
    for one, other in zip(*((y if isinstance(y, tuple) else (y,)) for y in (found, want)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_labels_follow_the_partners():
    labels = np.array([[1, 0, np.nan, 0], [0, 0, 1, 1]], dtype=np.float32)
    for name, order in {
        "stranded": [3, 2, 1, 0],
        "own partners": [1, 0, 3, 2],
        "adapted": [3, 2, 1, 0],
        "data parallel": [3, 2, 1, 0],
        "invariant": [0, 1, 2, 3],
    }.items():
        np.testing.assert_array_equal(reverse_labels(EQUIVARIANT[name](), labels), labels[:, order])
    np.testing.assert_array_equal(reverse_labels(tasks(), labels), labels)
    for name in ("one selected", "profile"):
        with pytest.raises(ValueError, match="augmentation='none'"):
            reverse_labels(EQUIVARIANT[name](), labels)


def test_a_declaration_without_a_reversal_is_refused():
    class Vague(nn.Identity):
        symmetry = rcviz.Symmetry(input="paired", output="own")

    with pytest.raises(ValueError, match="reverse_output"):
        OtherStrand(Vague())(one_hot(1, 5))
