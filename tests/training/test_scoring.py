"""Scores of many models at once are those that scikit-learn gives one at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rcviz.metrics import auprc, auroc, score_tasks
from rcviz.training.epoch import mean_loss
from rcviz.training.scoring import areas_under_curves, score_models


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, float("nan")]), st.sampled_from([-2.0, -0.5, 0.0, 1e-9, 3.0])), min_size=1
    )
)
def test_areas_with_ties_and_unknown_labels(rows):
    labels, scores = torch.tensor(rows, dtype=torch.float64).T
    found = [float(area) for area in areas_under_curves(labels, scores)]
    np.testing.assert_allclose(found, [auroc(labels, scores), auprc(labels, scores)], rtol=1e-12)


def test_a_case_by_hand():
    """Descending: 1, then a tie of 1 and 0, then 0: the tied pair counts half, and its precision is that of both."""
    roc, prc = areas_under_curves(torch.tensor([0.0, 1.0, 1.0, 0.0]), torch.tensor([0.2, 0.9, 0.5, 0.5]))
    assert float(roc) == (4 - 0.5) / 4
    assert float(prc) == pytest.approx((1 + 2 / 3) / 2)


def test_models_are_scored_as_one_alone_is():
    """A task of one class alone counts for nothing, as in :class:`rcviz.History`."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (3, 50, 2)).astype(np.float32)
    labels[rng.random(labels.shape) < 0.2] = np.nan
    labels[1, :, 1] = np.where(np.isnan(labels[1, :, 1]), np.nan, 1)
    logits = rng.normal(size=labels.shape).round(1).astype(np.float32)
    scores = score_models(torch.from_numpy(labels), torch.from_numpy(logits), 5.0)
    for row, of_model in enumerate(scores):
        tasks = score_tasks(labels[row], logits[row], ("a", "b"))
        loss = mean_loss(torch.from_numpy(logits[row]), torch.from_numpy(labels[row]), 5.0)
        expected = [float(loss), tasks["auroc"].mean(), tasks["auprc"].mean()]
        np.testing.assert_allclose([of_model.loss, of_model.auroc, of_model.auprc], expected, rtol=1e-6)
