"""The scale of a model's outputs, and logits of models that return probabilities."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign import seeded
from torch import nn

import rcviz
from rcviz import as_sequence_model, predict

SHIFT = 25.0  # float32 rounds sigmoids of such logits to 1, half precision those above 8


class Body(nn.Module):
    """Logits of two tasks, all far above zero."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv1d(4, 3, 5), nn.Linear(3, 2)

    def forward(self, x):
        return 3 * self.out(F.relu(self.conv(x)).amax(2)) + SHIFT


class Ending(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.body, self.end = Body(), end

    def forward(self, x):
        return self.end(self.body(x))


ENDINGS = {
    "module": nn.Sigmoid(),
    "function": torch.sigmoid,
    "method": lambda z: z.sigmoid(),
    "in place": lambda z: z.sigmoid_(),
    "expit": torch.special.expit,
    "two heads": lambda z: torch.cat([z[:, :1].sigmoid(), torch.sigmoid(z[:, 1:])], dim=1),
    "moved": lambda z: z[:, :, None].sigmoid().transpose(1, 2).flatten(1).float(),
    "split": lambda z: torch.stack(z.sigmoid().unbind(1), 1),
}


@pytest.fixture
def x(toy):
    return torch.from_numpy(rcviz.one_hot(toy.codes, dtype="float64"))


@pytest.fixture
def want(x):
    """Logits without the sigmoid, in float64."""
    with torch.no_grad():
        return seeded(Body)(x).numpy()


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_logits_are_those_before_the_sigmoid(end, dtype, toy, want):
    model = seeded(lambda: Ending(ENDINGS[end]), dtype=dtype)
    without = seeded(Body, dtype=dtype)
    adapted = as_sequence_model(model, output_is="probability")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = predict(adapted, toy.codes, output="logit")
    np.testing.assert_array_equal(logits, predict(without, toy.codes, output="logit"))
    np.testing.assert_allclose(logits, want, rtol=0.02 if dtype == torch.bfloat16 else 1e-6)
