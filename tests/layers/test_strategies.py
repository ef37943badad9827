"""RevCompConjoined against its definition: one strand at a time through the model, averaged by hand."""

import itertools
from math import exp, log

import numpy as np
import oracles
import pytest
import torch
from drawn import filled, learned, numbers, one_hot, other_strand
from foreign import ProfileAndCounts, seeded
from torch import nn

import rcviz


class Squeeze(nn.Module):
    """Drop the last axis."""

    def forward(self, x):
        return x.squeeze(-1)


def plain(tail, channels=3):
    """A network that knows no strand, with a batch norm and statistics of its own."""
    model = nn.Sequential(nn.Conv1d(4, channels, 5), nn.BatchNorm1d(channels), nn.ReLU(), *tail)
    filled(model, seed=4)
    model.train()(one_hot(20, 16, seed=8))
    return model.eval()


def tasks(n=3):
    return plain([nn.Flatten(), nn.Linear(36, n)])


def profile(channels=2):
    return plain([nn.Conv1d(3, channels, 3)])


def one_strand(model, x):
    """Outputs as float64 numbers, every sequence by itself, through a model in evaluation mode."""
    with torch.no_grad():
        return np.concatenate([model(x[n : n + 1]).numpy() for n in range(len(x))])


def mean(a, b, average):
    if average == "logit":
        return (a + b) / 2
    p = (1 / (1 + exp(-a)) + 1 / (1 + exp(-b))) / 2
    return log(p / (1 - p))


def conjoined(model, x, average, partner_of):
    """Entry by entry; ``partner_of(index, shape)`` is where the other strand says the same."""
    forward, reverse = one_strand(model, x), one_strand(model, other_strand(x))
    y = np.empty_like(forward)
    for n in range(len(x)):
        for index in itertools.product(*(range(size) for size in forward.shape[1:])):
            y[(n, *index)] = mean(forward[(n, *index)], reverse[(n, *partner_of(index, forward.shape[1:]))], average)
    return y


CASES = {
    "invariant": (tasks, {}, lambda i, s: i),
    "one output": (lambda: plain([nn.Flatten(), nn.Linear(36, 1), Squeeze()]), {}, lambda i, s: i),
    "stranded": (lambda: tasks(4), {"output_kind": "stranded"}, lambda i, s: (3 - i[0],)),
    "two pairs": (
        lambda: tasks(4),
        {"output_kind": "stranded", "permutation": (1, 0, 3, 2)},
        lambda i, s: ((1, 0, 3, 2)[i[0]],),
    ),
    "one for both": (
        lambda: tasks(3),
        {"output_kind": "stranded", "permutation": [2, 1, 0]},
        lambda i, s: ((2, 1, 0)[i[0]],),
    ),
    "profile": (profile, {"output_kind": "profile"}, lambda i, s: (i[0], s[1] - 1 - i[1])),
    "stranded profile": (
        profile,
        {"output_kind": "profile", "permutation": "reversed"},
        lambda i, s: (s[0] - 1 - i[0], s[1] - 1 - i[1]),
    ),
    "three tracks": (
        lambda: profile(3),
        {"output_kind": "profile", "permutation": (0, 2, 1)},
        lambda i, s: ((0, 2, 1)[i[0]], s[1] - 1 - i[1]),
    ),
    "one track": (
        lambda: plain([nn.Conv1d(3, 1, 3), nn.Flatten()]),
        {"output_kind": "profile"},
        lambda i, s: (s[0] - 1 - i[0],),
    ),
}


@pytest.mark.parametrize("average", ["logit", "probability"])
@pytest.mark.parametrize("case", CASES)
def test_matches_the_definition(case, average):
    make, declared, partner_of = CASES[case]
    model = make()
    x = one_hot(5, 16, seed=1)
    with torch.no_grad():
        y = rcviz.RevCompConjoined(model, average=average, **declared)(x).numpy()
    want = conjoined(model, x, average, partner_of)
    assert np.abs(want - one_strand(model, x)).max() > 0.1, "the strands of this model must differ"
    np.testing.assert_allclose(y, want, atol=1e-12)


@pytest.mark.parametrize("average", ["logit", "probability"])
@pytest.mark.parametrize("case", CASES)
def test_strands_agree_before_and_after_training(case, average):
    make, declared, partner_of = CASES[case]
    both = rcviz.RevCompConjoined(make(), average=average, **declared)
    x = one_hot(5, 16, seed=2)

    def gap():
        with torch.no_grad():
            here, there = both(x).numpy(), both(other_strand(x)).numpy()
        spread = here.std(axis=0)
        assert spread.min() > 1e-3, "a constant output agrees without merit"
        shape = here.shape[1:]
        return max(
            np.abs(here[(slice(None), *index)] - there[(slice(None), *partner_of(index, shape))]).max()
            for index in itertools.product(*(range(size) for size in shape))
        )

    for mode in (True, False):
        both.train(mode)
        assert gap() <= 1e-12
    learned(both, lambda seed: one_hot(12, 16, seed))
    for mode in (False, True):
        both.train(mode)
        assert gap() <= 1e-11


def test_the_librarys_own_checks_agree():
    x = one_hot(5, 16)
    model = tasks(2)
    with pytest.raises(AssertionError):
        rcviz.assert_invariant(model, x)
    rcviz.assert_invariant(rcviz.RevCompConjoined(model, average="probability"), x)
    rcviz.assert_equivariant(rcviz.RevCompConjoined(model, output_kind="stranded"), x)
    stranded = rcviz.RevCompConjoined(profile(), output_kind="profile", permutation="reversed")
    rcviz.assert_equivariant(stranded, x)
    assert rcviz.equivariance_error(stranded, x) < 1e-12


def test_batch_norm_learns_from_both_strands_at_once():
    """One step: normalised with the pooled statistics of both strands, and the running ones moved once."""
    conv, norm = filled(nn.Conv1d(4, 3, 5)), nn.BatchNorm1d(3, momentum=0.25).double()
    both = rcviz.RevCompConjoined(nn.Sequential(conv, norm, nn.Flatten()), output_kind="invariant").train()
    x = one_hot(6, 12)
    y = both(x).detach().numpy()
    w, b = (parameter.detach().numpy() for parameter in conv.parameters())
    strands = [oracles.conv_standard(strand, w, b) for strand in (x.numpy(), oracles.opposite_strand(x.numpy()))]
    for c in range(3):
        seen = np.concatenate([strand[:, c].ravel() for strand in strands])
        middle, spread = seen.mean(), np.sqrt(seen.var() + norm.eps)
        want = sum((strand[:, c] - middle) / spread for strand in strands) / 2
        np.testing.assert_allclose(y.reshape(6, 3, 8)[:, c], want, atol=1e-12)
        assert float(norm.running_mean[c]) == pytest.approx(0.25 * middle, abs=1e-12)
        assert float(norm.running_var[c]) == pytest.approx(0.75 + 0.25 * seen.var(ddof=1), abs=1e-12)
    assert int(norm.num_batches_tracked) == 1


def test_is_the_model_and_nothing_more():
    model = tasks()
    both = rcviz.RevCompConjoined(model)
    assert both.model is model
    assert [name.removeprefix("model.") for name in both.state_dict()] == list(model.state_dict())
    assert rcviz.count_parameters(both) == rcviz.count_parameters(model)
    calls = []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    both(one_hot(2, 16))
    assert len(calls) == 1, "hooks and attribution tools want every module once a pass"


def test_mean_probability_stays_finite_and_has_a_gradient():
    """At logits of 200 a sigmoid is 1.0 in float64; the logit of the mean of 200 and -200 is 0."""
    reader = nn.Sequential(nn.Flatten(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        reader[1].weight.copy_(torch.tensor([[200.0, 0.0, 0.0, -200.0]]))
        reader[1].bias.zero_()
    both = rcviz.RevCompConjoined(reader, average="probability")
    x = torch.tensor([[[1.0], [0], [0], [0]]], dtype=torch.float64, requires_grad=True)  # A, and T
    y = both(x)
    assert y.item() == pytest.approx(0.0, abs=1e-12)
    with torch.no_grad():
        reader[1].weight.copy_(torch.tensor([[200.0, 0.0, 0.0, 198.0]]))
    want = 198 + log(2) - log(1 + exp(-2))  # complements e^-200 and e^-198: their mean, and a sum that is 1
    y = both(x)
    assert y.item() == pytest.approx(want, abs=1e-9)
    y.backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().max() > 1.0


def test_gradcheck():
    for average in ("logit", "probability"):
        both = rcviz.RevCompConjoined(tasks(2), average=average, output_kind="stranded")
        assert torch.autograd.gradcheck(both, (torch.tensor(numbers(2, 4, 16), requires_grad=True),))


def test_predict_and_fit_take_it(toy):
    """Post hoc and siamese, through the ordinary calls."""
    config = rcviz.ModelConfig.simulated("standard", n_filters=3, n_tasks=2, sequence_length=60)
    model = rcviz.build_model(config)
    for average in ("logit", "probability"):
        post_hoc = rcviz.RevCompConjoined(model, average=average)
        here, there = (rcviz.predict(post_hoc, data) for data in (toy, toy.reverse_complement()))
        np.testing.assert_allclose(here, there, atol=1e-6)
    probabilities = [rcviz.predict(model, data) for data in (toy, toy.reverse_complement())]
    np.testing.assert_allclose(here, sum(probabilities) / 2, atol=1e-6)
    siamese = rcviz.RevCompConjoined(rcviz.build_model(config))
    training = rcviz.TrainConfig(epochs=2, batch_size=20, samples_per_epoch=60)
    history = rcviz.fit(siamese, toy, toy, training, progress=False)
    assert len(history.table) == 4
    rcviz.assert_invariant(siamese, toy.one_hot())


class Tuple(nn.Module):
    """Return two things."""

    def forward(self, x):
        return x.sum(2), x


@pytest.mark.usefixtures("as_users_run")
def test_refusals():
    x = one_hot(2, 16)
    with pytest.raises(ValueError, match=r"(?s)(?=.*logit)(?=.*probability)(?=.*mean)"):
        rcviz.RevCompConjoined(tasks(), average="mean")
    with pytest.raises(ValueError, match=r"(?s)(?=.*invariant)(?=.*stranded)(?=.*profile)"):
        rcviz.RevCompConjoined(tasks(), output_kind="tasks")
    with pytest.raises(ValueError, match="stranded"):
        rcviz.RevCompConjoined(tasks(), permutation="reversed")
    with pytest.raises(ValueError, match="swapped"):
        rcviz.RevCompConjoined(tasks(), output_kind="stranded", permutation="swapped")
    for wrong in ((1, 2, 0), (0, 0, 1), (0, 1, 3), (-1, 1, 0)):
        with pytest.raises(ValueError, match="twice"):
            rcviz.RevCompConjoined(tasks(), output_kind="stranded", permutation=wrong)
    with pytest.raises(ValueError, match=r"(?s)(?=.*2 partners)(?=.*3 outputs)"):
        rcviz.RevCompConjoined(tasks(), output_kind="stranded", permutation=(1, 0))(x)
    with pytest.raises(ValueError, match="tuple"):
        rcviz.RevCompConjoined(Tuple())(x)
    with pytest.raises(ValueError, match=r"(?s)(?=.*profile)(?=.*\(4, 2, 10\))"):
        rcviz.RevCompConjoined(profile())(x)
    with pytest.raises(ValueError, match="stranded"):
        rcviz.RevCompConjoined(nn.Sequential(tasks(1), Squeeze()), output_kind="stranded")(x)
    with pytest.raises(ValueError, match="channels"):
        rcviz.RevCompConjoined(tasks(), output_kind="profile", permutation="reversed")(x)
    with pytest.raises(ValueError, match="batch of 4"):
        rcviz.RevCompConjoined(nn.Sequential(nn.Flatten(), nn.Unflatten(1, (16, 4)), nn.Flatten(0, 1)))(x)
    with pytest.raises(ValueError, match="channels are last"):
        rcviz.RevCompConjoined(tasks())(x.transpose(1, 2))


class TestSeveralOutputs:
    """Profile and counts, as BPNet returns them: each output has its own kind."""

    KINDS = (
        ("profile", "invariant"),
        {"profile": "profile", "counts": "invariant"},
    )

    @staticmethod
    def model(as_dict, n_channels=2):
        class Both(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.profile, self.counts = nn.Conv1d(4, 5, 7), nn.Conv1d(5, n_channels, 3), nn.Linear(5, 2)

            def forward(self, x):
                y = self.conv(x).relu()
                both = {"profile": self.profile(y), "counts": self.counts(y.mean(2))}
                return both if as_dict else tuple(both.values())

        return seeded(Both)

    @pytest.mark.parametrize("as_dict", [False, True])
    @pytest.mark.parametrize("partners", [None, "reversed", (1, 0)])
    @pytest.mark.parametrize("average", ["logit", "probability"])
    def test_each_is_averaged_in_its_own_way(self, as_dict, partners, average):
        model, x = self.model(as_dict), one_hot(3, 30)
        permutation = {"profile": partners} if as_dict else (partners, None)
        both = rcviz.RevCompConjoined(
            model, output_kind=self.KINDS[as_dict], permutation=partners and permutation, average=average
        )

        def mean(one, other):
            if average == "logit":
                return (one + other) / 2
            return torch.logit((one.sigmoid() + other.sigmoid()) / 2)

        with torch.no_grad():
            result, one, other = (f(batch) for f, batch in ((both, x), (model, x), (model, x.flip(1, 2))))
            assert type(result) is (dict if as_dict else tuple)
            result, one, other = (tuple(y.values()) if as_dict else y for y in (result, one, other))
            mirrored = other[0].flip(2) if partners is None else other[0].flip(1, 2)
            torch.testing.assert_close(result[0], mean(one[0], mirrored), atol=1e-12, rtol=0)
            torch.testing.assert_close(result[1], mean(one[1], other[1]), atol=1e-12, rtol=0)
        assert rcviz.equivariance_error(both, x) < 1e-12
        rcviz.assert_equivariant(both, x)
        table = rcviz.diagnose_equivariance(nn.Sequential(both), x)
        assert table["verdict"].tolist() == ["equivariant", "equivariant"]
        assert table["error"].max() < 1e-12
        with pytest.raises(AssertionError):
            rcviz.assert_equivariant(model, x)
        selected = rcviz.as_sequence_model(both, output="counts" if as_dict else 1)
        rcviz.assert_invariant(selected, x)

    def test_profiles_and_counts_of_another_library(self):
        x = one_hot(3, 30)
        both = rcviz.RevCompConjoined(seeded(ProfileAndCounts), output_kind=("profile", "invariant"))
        assert rcviz.equivariance_error(both, x) < 1e-12
        rcviz.assert_equivariant(both, x)

    @pytest.mark.usefixtures("as_users_run")
    def test_refusals(self):
        x, model = one_hot(3, 30), self.model(as_dict=False)
        for kinds, permutation, argument in (
            (("profile", "counts"), None, "output_kind"),
            ((), None, "output_kind"),
            (("profile", "invariant"), "reversed", "permutation"),
            (("profile", "invariant"), (1, 0), "permutation"),
            (("profile", "invariant"), {"profile": (1, 0)}, "permutation"),
            (("profile", "invariant"), (None, "reversed"), "invariant outputs"),
        ):
            with pytest.raises(ValueError, match=argument):
                rcviz.RevCompConjoined(model, output_kind=kinds, permutation=permutation)
        for kinds in ("invariant", ("profile",), ("profile", "invariant", "invariant"), self.KINDS[1]):
            with pytest.raises(ValueError, match="output_kind"):
                rcviz.RevCompConjoined(model, output_kind=kinds)(x)
        with pytest.raises(ValueError, match="batch"):
            rcviz.RevCompConjoined(model, output_kind=("invariant", "invariant"))(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mean_probability_in_half_precision_is_rounded_once(dtype):
    """Small logits as well: the two logarithms between are of the size of log 2."""
    given = torch.tensor([[0.01, -0.003, 2.0], [0.02, 0.001, -9.0]], dtype=dtype)

    class Given(nn.Module):
        def forward(self, x):
            return given

    p = given.double().sigmoid().mean(dim=0)
    both = rcviz.RevCompConjoined(Given(), average="probability")(torch.zeros(1, 4, 5))
    assert both.dtype == dtype
    np.testing.assert_allclose(both[0].double(), torch.logit(p), rtol=torch.finfo(dtype).eps)
