"""Captum on our networks: an oracle for contributions, and attributions that add up."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import DeepLift, IntegratedGradients, LayerActivation, LayerGradientXActivation
from drawn import other_strand

import rcviz
from rcviz.analysis.contributions import Differentiated

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Setting forward, backward hooks"),
    pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients"),
]


@pytest.mark.parametrize(("at", "part"), [("activation", "relu1"), ("convolution", "conv1")])
def test_contributions_are_captums_neuron_by_neuron(exact, gata, at, part, monkeypatch):
    ours, contributions = [], Differentiated.contributions

    def recorded(self):
        ours.append(self.slopes[0] * self.activations[0])
        return contributions(self)

    monkeypatch.setattr(Differentiated, "contributions", recorded)
    found = rcviz.filter_contributions(exact, gata, at=at, batch_size=1000)
    x = torch.from_numpy(gata.one_hot()).double()
    theirs = LayerGradientXActivation(exact, exact.get_submodule(part)).attribute(x, target=0).detach()
    assert theirs.abs().max() > 0.1
    torch.testing.assert_close(ours[0], theirs, rtol=1e-12, atol=1e-12)

    summed = theirs.sum(dim=2).numpy()
    if exact.config.architecture == "revcomp":
        summed = np.stack([summed[:, index] + summed[:, 5 - index] for index in range(3)], axis=1)
    np.testing.assert_allclose(found.per_sequence, summed, rtol=1e-11, atol=1e-11)
    positive = gata.labels[:, 0] == 1
    np.testing.assert_allclose(found.scores, summed[positive].mean(axis=0) - summed[~positive].mean(axis=0), atol=1e-11)


def test_deep_lift_explains_the_whole_difference(exact, for_captum, inputs):
    x, baseline = inputs(20)
    attributions, delta = DeepLift(for_captum(exact)).attribute(x, baseline, target=0, return_convergence_delta=True)
    differences = rcviz.predict(exact, x.numpy(), output="logit") - rcviz.predict(
        exact, baseline.numpy(), output="logit"
    )
    assert np.abs(differences).max() > 1
    np.testing.assert_allclose(attributions.sum(dim=(1, 2)).detach(), differences[:, 0], atol=1e-9)
    assert delta.abs().max() < 1e-9


def test_deep_lift_without_a_rule_is_warned_of(exact, inputs):
    """Our networks as they are, either kind: Captum says nothing, and what it returns does not add up."""
    x, baseline = inputs(20)
    tool = DeepLift(exact)
    with pytest.warns(RuntimeWarning, match=r"do not add up.*deep_lift_shap\(rcviz.to_standard\(model\), \.\.\.\)"):
        _, delta = tool.attribute(x, baseline, target=0, return_convergence_delta=True)
    with torch.no_grad():
        differences = (exact(x) - exact(baseline))[:, 0]  # and of nothing else
    assert delta.abs().max() > 0.1 * differences.abs().max()


def test_integrated_gradients_explain_it_the_better_the_more_steps(exact, inputs):
    x, baseline = inputs(20)
    with torch.no_grad():
        differences = (exact(x) - exact(baseline))[:, 0]
    errors = []
    for n_steps in (10, 400):
        found = IntegratedGradients(exact).attribute(x, baseline, target=0, n_steps=n_steps)
        errors.append((found.sum(dim=(1, 2)) - differences).abs().mean())
    assert errors[1] < 0.01 * differences.abs().mean()
    assert errors[1] < errors[0] / 4


@pytest.mark.parametrize("method", [DeepLift, IntegratedGradients])
def test_shared_networks_have_the_same_attributions_on_both_strands(networks, for_captum, inputs, method):
    shared, ordinary = (method(for_captum(copy.deepcopy(networks[name]).double())) for name in ("revcomp", "standard"))
    x, baseline = inputs(10)
    for tool, alike in ((shared, True), (ordinary, False)):
        forward = tool.attribute(x, baseline, target=0)
        reverse = other_strand(tool.attribute(other_strand(x), other_strand(baseline), target=0))
        assert torch.allclose(forward, reverse, atol=1e-10) == alike


def test_what_a_layer_gave_is_what_its_modules_give(model, inputs):
    """Without gradients, a network in float32 takes the fused path; with a hook on a part, it runs module by module."""
    x, _ = inputs(5, torch.float32)
    found = LayerActivation(model, model.relu1).attribute(x)
    with torch.no_grad():
        wanted = model.relu1(model.norm1(model.conv1(x)))
    assert wanted.max() > 0
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


TOOLS = {
    "gradient x activation": lambda model, standard, x, y: LayerGradientXActivation(model, model.relu1).attribute(x),
    "DeepLIFT": lambda model, standard, x, y: DeepLift(standard(model)).attribute(x, y),
    "integrated gradients": lambda model, standard, x, y: IntegratedGradients(model).attribute(x, y, n_steps=9),
    "activation": lambda model, standard, x, y: LayerActivation(model, model.pool).attribute(x),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_numbers_are_those_of_the_modules_one_by_one(model, for_captum, inputs, slowly, tool):
    given = (model, for_captum, *inputs(8, torch.float32))
    found = TOOLS[tool](*given)
    torch.testing.assert_close(found, slowly(lambda: TOOLS[tool](*given)), rtol=1e-4, atol=1e-5)
    assert found.abs().max() > 0.01
