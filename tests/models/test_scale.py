"""The scale of a model's outputs, and the logits of models that return probabilities."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign import seeded
from torch import nn

import rcviz
from rcviz import RevCompConjoined, as_sequence_model, output_scale, predict, strand_agreement

SHIFT = 25.0  # float32 rounds sigmoids of such logits to 1, half precision those above 8


class Body(nn.Module):
    """Logits of two tasks, around a shift."""

    def __init__(self, shift=SHIFT):
        super().__init__()
        self.conv, self.out, self.shift = nn.Conv1d(4, 3, 5), nn.Linear(3, 2), shift

    def forward(self, x):
        return 3 * self.out(F.relu(self.conv(x)).amax(2)) + self.shift


class Ending(nn.Module):
    def __init__(self, end, shift=SHIFT):
        super().__init__()
        self.body, self.end = Body(shift), end

    def forward(self, x):
        return self.end(self.body(x))


ENDINGS = {
    "module": nn.Sigmoid(),
    "function": torch.sigmoid,
    "method": lambda z: z.sigmoid(),
    "in place": lambda z: z.sigmoid_(),
    "expit": torch.special.expit,
    "two heads": lambda z: torch.cat([z[:, :1].sigmoid(), torch.sigmoid(z[:, 1:])], dim=1),
    "moved": lambda z: z[:, :, None].sigmoid().transpose(1, 2).flatten(1)[:, :2].contiguous(),
    "taken apart": lambda z: torch.stack(z.sigmoid().unbind(1), 1),
    "transposed": lambda z: z.T.sigmoid().repeat(2, 1)[:2].mT,
    "converted": lambda z: z.sigmoid().float(),
    "one minus": lambda z: 1 - torch.sigmoid(-z),
    "two classes": lambda z: torch.stack([torch.zeros_like(z), z], dim=2).softmax(dim=2)[..., 1],
    "two classes of a module": lambda z: nn.Softmax(1)(torch.stack([torch.zeros_like(z), z], dim=1))[:, 1],
    "clamped to what it is": lambda z: z.sigmoid().clamp(0, 1),
}


def by_formula(z):
    """A sigmoid that is not torch's."""
    return 1 / (1 + torch.exp(-z))


@pytest.fixture
def x(toy):
    return torch.from_numpy(rcviz.one_hot(toy.codes[:20], dtype="float64"))


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_logits_are_those_before_the_sigmoid(end, dtype, x):
    adapted = as_sequence_model(seeded(Ending, ENDINGS[end], dtype=dtype), output_is="probability")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = predict(adapted, x, output="logit")
    np.testing.assert_array_equal(logits, predict(seeded(Body, dtype=dtype), x, output="logit"))
    with torch.no_grad():
        want = seeded(Body)(x)
    np.testing.assert_allclose(logits, want, rtol=0.02 if dtype == torch.bfloat16 else 1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_sigmoid_of_predictions_is_taken_in_single_precision(dtype, x):
    model = seeded(Body, 8.0, dtype=dtype)
    logits = predict(model, x, output="logit").astype(float)
    probabilities = predict(model, x)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=2e-7)
    assert probabilities.max() < 1
    assert len(np.unique(probabilities)) > 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_logits_of_other_probabilities(dtype):
    """Against log p - log(1 - p) in float64 of the very numbers, up to the ends of the type's range."""
    own = torch.finfo(dtype)
    given = torch.tensor([own.smallest_normal, 1e-3, 0.25, 0.5, 0.75, 1 - own.eps / 2], dtype=dtype)
    adapted = as_sequence_model(Constant(given), output_is="probability").eval()
    exact = given.double()
    logits = adapted(torch.zeros(3, 4, 5, dtype=dtype))
    assert logits.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    np.testing.assert_allclose(logits[0], torch.log(exact) - torch.log1p(-exact), rtol=1e-6, atol=1e-7)


class Constant(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.register_buffer("outputs", outputs)

    def forward(self, x):
        return self.outputs.expand(len(x), -1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rounded_probabilities_are_beyond_all_others_and_named_once(dtype):
    own = torch.finfo(dtype)
    given = torch.tensor([0, own.smallest_normal, 0.5, 1 - own.eps / 2, 1], dtype=dtype)
    adapted = as_sequence_model(Constant(given), output_is="probability")
    with pytest.warns(UserWarning, match="output_is='logit'") as caught:
        logits = predict(adapted, ["ACGT"] * 7, batch_size=2, output="logit")[0]
    assert [str(each.message).split()[:3] for each in caught] == [["14", "of", "35"]]
    assert np.isfinite(logits).all()
    assert logits[0] < logits[1] < logits[2] == 0 < logits[3] <= logits[4]
    with pytest.warns(UserWarning, match="28 of 70"):
        strand_agreement(adapted, ["ACGT"] * 7, batch_size=2)


def test_an_output_that_was_changed_after_the_sigmoid_is_taken_as_it_is(x):
    def clamped_in_place(z):
        y = z.sigmoid()
        y[:, 0].clamp_(0.2, 0.8)
        return y

    for end, shift in ((clamped_in_place, 3.0), (lambda z: 0.9 * z.sigmoid(), 0.0), (by_formula, 2.0)):
        model = seeded(Ending, end, shift)
        adapted = as_sequence_model(model, output_is="probability")
        with torch.no_grad():
            want = model(x)
        np.testing.assert_allclose(predict(adapted, x), want, rtol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_clamp_of_the_model_is_followed_and_named(dtype, x):
    """Logits are cut at those of the bounds, and differ below them, where their probabilities are rounded to 1."""
    model = seeded(Ending, lambda z: z.sigmoid().clamp(max=1 - 2e-11), 23.5, dtype=dtype)
    with pytest.warns(UserWarning, match="of 40 probabilities .* clamped"):
        logits = predict(as_sequence_model(model, output_is="probability"), x, output="logit")
    with torch.no_grad():
        before = seeded(Body, 23.5)(x).numpy()
    bound = np.log((1 - 2e-11) / 2e-11)
    assert 0 < (before > bound).sum() < 40
    np.testing.assert_allclose(logits, np.minimum(before, bound), rtol=0.01 if dtype == torch.bfloat16 else 1e-6)


def test_a_gate_inside_the_network_is_not_the_end(x):
    class Gated(Body):
        def forward(self, x):
            z = super().forward(x)
            return torch.sigmoid(z * torch.sigmoid(z))

    without = seeded(Body)(x)
    logits = predict(as_sequence_model(seeded(Gated), output_is="probability"), x, output="logit")
    np.testing.assert_allclose(logits, (without * without.sigmoid()).detach(), rtol=1e-12)


@pytest.mark.parametrize("how", ["compiled inside", "compiled", "traced", "scripted"])
def test_compiled_models_fall_back_to_the_probabilities(how, x, as_users_run):
    body = nn.Sequential(nn.Conv1d(4, 3, 5), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(3, 2), nn.Sigmoid())
    model = body.double().eval()
    if how == "compiled":
        adapted = torch.compile(as_sequence_model(model, output_is="probability"), backend="eager", fullgraph=True)
    else:
        make = {
            "compiled inside": lambda: torch.compile(model, backend="eager", fullgraph=True),
            "traced": lambda: torch.jit.trace(model, x),
            "scripted": lambda: torch.jit.script(model),
        }
        adapted = as_sequence_model(make[how](), output_is="probability")
    assert output_scale(adapted) == "probability"
    np.testing.assert_allclose(predict(adapted, x, output="logit"), body[:-1](x).detach(), rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_analyses_of_saturated_probabilities_are_those_of_the_logits(dtype, toy):
    """auROC, contributions, attributions and gaps, all of which vanish behind a sigmoid of 1."""
    data = toy.subset(range(40))
    adapted = as_sequence_model(seeded(Ending, torch.sigmoid, dtype=dtype), output_is="probability")
    plain, exact = seeded(Body, dtype=dtype), seeded(Body)
    for analysis in (
        lambda model: rcviz.evaluate(model, data)["auroc"],
        lambda model: rcviz.filter_contributions(model, data).scores,
        lambda model: rcviz.strand_attributions(model, data).reverse,
        lambda model: rcviz.gap_by_filter(model, data).difference,
        lambda model: strand_agreement(model, data, output="logit").gap,
    ):
        found, want = analysis(adapted), analysis(exact)
        np.testing.assert_array_equal(found, analysis(plain))
        assert np.std(want) > 1e-3
        assert np.abs(found - want).mean() < (0.05 if dtype == torch.bfloat16 else 1e-5)


def test_training_through_the_sigmoid_is_training_on_the_logits(toy):
    config = rcviz.TrainConfig(epochs=2, batch_size=20, samples_per_epoch=40)
    histories = [
        rcviz.fit(model, toy, toy, config, progress=False).table["loss"]
        for model in (
            as_sequence_model(seeded(Ending, torch.sigmoid, dtype=torch.float32), output_is="probability"),
            seeded(Body, dtype=torch.float32),
        )
    ]
    np.testing.assert_array_equal(*histories)
    assert histories[0].nunique() == 4  # it does not stand still


def wrapped(model):
    return {
        "itself": model,
        "conjoined": RevCompConjoined(model),
        "data parallel": nn.DataParallel(model),
        "averaged": torch.optim.swa_utils.AveragedModel(model),
        "compiled": torch.compile(model, backend="eager"),
        "chain": nn.Sequential(model, nn.Identity()),
    }


@pytest.mark.parametrize("scale", ["logit", "probability", "value"])
def test_wrappers_have_the_scale_of_the_model_inside(scale, x):
    end = torch.sigmoid if scale == "probability" else nn.Identity()
    for model in wrapped(as_sequence_model(seeded(Ending, end, 0.3), output_is=scale)).values():
        assert output_scale(model) == scale
    assert output_scale(nn.Conv1d(4, 3, 5)) == "logit"
    with torch.no_grad():
        both = seeded(Body, 0.3)(x), seeded(Body, 0.3)(x.flip(1, 2))
    want = (both[0] + both[1]) / 2
    conjoined = RevCompConjoined(as_sequence_model(seeded(Ending, end, 0.3), output_is=scale))
    np.testing.assert_allclose(predict(conjoined, x), want if scale == "value" else want.sigmoid(), rtol=1e-12)


def test_predictions_are_on_the_scale_of_the_model(x):
    model = seeded(Body, 1.0)
    values = as_sequence_model(model, output_is="value")
    with torch.no_grad():
        want = model(x)
    for output in (None, "value"):
        np.testing.assert_array_equal(predict(values, x, output=output), want)
    np.testing.assert_array_equal(predict(model, x, output="logit"), want)
    np.testing.assert_allclose(predict(model, x), want.sigmoid(), rtol=1e-12)
    for function in (predict, strand_agreement):
        for asked in ("logit", "probability"):
            with pytest.raises(ValueError, match=rf"output must be .*got '{asked}' and a model of values"):
                function(values, x, output=asked)
        with pytest.raises(ValueError, match=r"output must be .*got 'value' and a model of logits"):
            function(model, x, output="value")


@pytest.mark.usefixtures("as_users_run")
def test_scales_that_cannot_be_meant():
    values, logits = (as_sequence_model(seeded(Body), output_is=scale) for scale in ("value", "logit"))
    with pytest.raises(ValueError, match=r"average='probability'.*output_is='value'"):
        RevCompConjoined(values, average="probability")
    with pytest.raises(ValueError, match=r"output_is='value'.*average='probability'"):
        as_sequence_model(RevCompConjoined(logits, average="probability"), output_is="value")
    with pytest.raises(ValueError, match="'logit' and 'value'"):
        output_scale(nn.ModuleList([values, logits]))
    with pytest.raises(ValueError, match="output must be one of logit, probability, value, got 'odds'"):
        predict(seeded(Body), ["ACGT" * 15], output="odds")
    with pytest.raises(ValueError, match="between 0 and 1"):
        predict(as_sequence_model(seeded(Body), output_is="probability"), ["ACGT" * 15])


def test_a_module_declares_its_own_scale(x):
    class Counts(Body):
        output_is = "value"

    assert output_scale(nn.DataParallel(seeded(Counts))) == "value"
    np.testing.assert_array_equal(predict(seeded(Counts), x), seeded(Body)(x).detach())


def test_modules_declare_logits_or_values_themselves():
    class Own(Body):
        output_is = "value"

    own = Own()
    assert output_scale(own) == output_scale(nn.DataParallel(own)) == "value"
    own.output_is = "probability"
    with pytest.raises(ValueError, match=r"as_sequence_model\(model, output_is='probability'\)"):
        predict(own, ["ACGTACGT"])
    own.output_is = "counts"
    with pytest.raises(ValueError, match="output_is must be one of logit, probability, value"):
        output_scale(own)


def test_a_traced_program_must_be_declared_again(x, as_users_run):
    adapted = as_sequence_model(seeded(Body), output_is="value")
    traced = torch.jit.trace(adapted, x[:2])
    with pytest.raises(ValueError, match="output_is"):
        predict(traced, x)
    again = as_sequence_model(traced, output_is="value")
    np.testing.assert_allclose(predict(again, x), predict(adapted, x), rtol=1e-12)
    agreement = strand_agreement(again, x)
    np.testing.assert_allclose(agreement.reverse, predict(adapted, x.flip(1, 2)), rtol=1e-12)
