"""Outputs of any model are read as logits, or refused with the remedy."""

import numpy as np
import pytest
import torch
from torch import nn

from rcviz.models.outputs import logits_of


def sequences(n=3, length=30):
    return torch.nn.functional.one_hot(torch.arange(n * length).reshape(n, length) % 4, 4).transpose(1, 2).float()


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x.sum(dim=(1, 2)))


@pytest.mark.parametrize(
    ("make", "n", "shape"),
    [
        (lambda y: y, 3, (3, 1)),
        (lambda y: torch.stack([y, y], 1), 3, (3, 2)),
        (lambda y: torch.stack([y, y], 1).squeeze(), 1, (1, 2)),  # a batch of one lost its axis
        (lambda y: y[:, None].squeeze(), 1, (1, 1)),
    ],
)
def test_logits_get_an_axis_of_tasks(make, n, shape):
    assert logits_of(Returns(make), sequences(n)).shape == shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda y: (y, y), r"got a tuple of 2.*output=0\)"),
        (
            lambda y: {"profile": y, "counts": y},
            r"got a dict with the keys 'profile', 'counts'.*output='profile'\)",
        ),
        (lambda y: None, r"got a NoneType.*output=lambda"),
        (lambda y: y.expand(2, 5, 3).permute(2, 0, 1), r"got \(3, 2, 5\) .*output=lambda y: y.mean\(dim=2\)\)"),
        (lambda y: y.expand(2, 5, 4, 3).permute(3, 0, 1, 2), r"got \(3, 2, 5, 4\) .*y.mean\(dim=\(2, 3\)\)"),
        (lambda y: y.sum(), r"got \(\) for a batch of 3"),
        (lambda y: y[:2], r"got \(2,\) for a batch of 3"),
    ],
)
def test_other_outputs_are_refused_with_the_remedy(make, message):
    with pytest.raises(ValueError, match=message):
        logits_of(Returns(make), sequences())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.double(), r"0.weight is float32 on cpu and 3.weight is float64 on cpu"),
        (
            lambda part: part.to("meta"),
            r"3.weight is on the meta device",
        ),
    ],
)
def test_several_dtypes_or_the_meta_device_are_refused_by_name(change, message):
    model = nn.Sequential(nn.Conv1d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(56, 1))
    model[3] = change(model[3])
    with pytest.raises(ValueError, match=message):
        logits_of(model, sequences())


def test_the_layout_that_a_model_reads_is_determined_by_a_trial():
    last = nn.Sequential(nn.Linear(4, 2), nn.Flatten(), nn.Linear(60, 1))
    with pytest.raises(ValueError, match="layout='NLC'"):
        logits_of(last, sequences())
    with pytest.raises(
        ValueError, match=r"does not accept one-hot sequences \(batch, 4, [0-9]+\): \w+"
    ):  # neither layout
        logits_of(nn.Sequential(nn.Flatten(), nn.Linear(7, 1)), sequences())


def test_gradients_that_torch_refuses_have_an_error_with_the_remedy():
    """Contributions and attributions of models that write over what they need, or stop the gradient."""
    from rcviz import filter_contributions, strand_attributions

    class Own(nn.Module):
        def __init__(self, after):
            super().__init__()
            self.conv, self.after = nn.Conv1d(4, 2, 3), after

        def forward(self, x):
            return self.after(torch.sigmoid(self.conv(x))).mean(2)

    def over(y):
        z = torch.tanh(y)
        z *= 2
        return z

    codes = np.arange(60, dtype=np.uint8).reshape(2, 30) % 4
    for after, message in (
        (over, r"writes in place over a tensor that its gradient needs; .*y = y \* 2 instead of y \*= 2"),
        (lambda y: y.detach(), r"no gradient with respect to (the sequence|sigmoid after conv): .*\.detach\(\)"),
        (torch.no_grad()(lambda y: y * 1), r"no gradient with respect to"),
    ):
        for analysis in (filter_contributions, strand_attributions):
            with pytest.raises(ValueError, match=message):
                analysis(Own(after), codes)

    class Aside(Own):
        def forward(self, x):
            self.conv(x)
            return x.mean(2)

    with pytest.raises(ValueError, match=r"gradient.* conv"):
        filter_contributions(Aside(None), codes, at="convolution")


@pytest.mark.parametrize("name", ["conv.weight", "norm.running_var"])
def test_weights_that_are_nan_are_named(name):
    import rcviz

    model = nn.Sequential()
    model.conv, model.norm, model.relu = nn.Conv1d(4, 3, 5), nn.BatchNorm1d(3), nn.ReLU()
    model.pool, model.flat, model.head = nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(3, 2)
    adapted, codes = rcviz.as_sequence_model(model), np.arange(60, dtype=np.uint8).reshape(2, 30) % 4
    model.state_dict()[name].view(-1)[1] = float("nan")
    for function in (
        rcviz.predict,
        rcviz.strand_agreement,
        rcviz.filter_contributions,
        rcviz.gap_by_filter,
        rcviz.strand_attributions,
        rcviz.hypothetical_attributions,
    ):
        with pytest.raises(ValueError, match=rf"outputs are NaN .*\(model\.{name}\)"):
            function(adapted, codes)


def test_outputs_that_are_nan_without_such_weights_are_counted():
    import rcviz

    model = Returns(lambda y: torch.where(y > 29, y, torch.nan))
    codes = np.zeros((5, 30), dtype=np.uint8)
    codes[[1, 3, 4], 2] = 4
    with pytest.warns(UserWarning, match="3 of 5 sequences are NaN"):
        found = rcviz.predict(model, codes, batch_size=2)
    assert np.isnan(found[:, 0]).tolist() == [False, True, False, True, True]
