"""The type checks that every other test runs with are on."""

import numpy as np
import pytest
import torch

from rcviz.layers.pairing import pair_up
from rcviz.motifs.palindromicity import palindromicity


def test_wrong_types_and_sizes_that_differ_are_refused():
    assert pair_up(torch.zeros(3), torch.zeros(3)).shape == (6,)
    with pytest.raises(TypeError):
        palindromicity(np.zeros((4, 5), int))
    with pytest.raises(TypeError):
        pair_up(torch.zeros(3), torch.zeros(4))


def test_some_tests_run_as_users_do(as_users_run):
    assert pair_up(torch.zeros(3), torch.zeros(4)).shape == (7,)
