"""tangermeme on our networks, against our own predictions of the same sequences."""

import copy
import importlib
import warnings

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from drawn import other_strand
from torch import nn

import rcviz


def late(name):
    """A function of tangermeme, loaded when it is called: numba compiles code then, in every process that collects."""
    return lambda *args, **options: getattr(importlib.import_module(f"tangermeme.{name}"), name)(*args, **options)


deep_lift_shap, marginalize, predict = late("deep_lift_shap"), late("marginalize"), late("predict")
saturation_mutagenesis = late("saturation_mutagenesis")


def logits(model, codes):
    return rcviz.predict(model, codes, output="logit")


def test_predictions_are_ours(exact, gata):
    found = predict(exact, torch.from_numpy(gata.one_hot()), device="cpu")
    np.testing.assert_allclose(found, logits(exact, gata), rtol=1e-12)


def test_saturation_mutagenesis_is_a_prediction_of_every_mutant(exact, gata):
    codes = gata.codes[:2]
    x = torch.from_numpy(rcviz.one_hot(codes))
    before, after = saturation_mutagenesis(exact, x, raw_outputs=True, device="cpu")
    np.testing.assert_allclose(before, logits(exact, codes), rtol=1e-12)
    for base in range(4):
        mutants = np.repeat(codes[:, None], 80, axis=1)
        mutants[:, np.arange(80), np.arange(80)] = base
        wanted = logits(exact, mutants.reshape(-1, 80)).reshape(2, 80, 1)
        np.testing.assert_allclose(after[:, base], wanted, rtol=1e-12, atol=1e-12)
    effects = (after - before[:, None, None])[..., 0].numpy()
    centred = effects - effects.mean(axis=1, keepdims=True)
    found = saturation_mutagenesis(exact, x, target=0, device="cpu")
    np.testing.assert_allclose(found, centred * rcviz.one_hot(codes), atol=1e-12)
    assert np.abs(centred).max() > 0.1


def test_its_fast_way_through_an_exported_graph_gives_the_same(as_users_run, networks, inputs, monkeypatch):
    """For large jobs alone, so that its threshold is lowered; it falls back with a warning, which is an error here."""
    model = copy.deepcopy(networks["revcomp"])  # tracing takes long, and the tied network has all that may go wrong
    module = importlib.import_module("tangermeme.saturation_mutagenesis")
    x, _ = inputs(2, torch.float32)
    wanted = saturation_mutagenesis(model, x, fast=False, device="cpu")
    monkeypatch.setattr(module, "_FAST_MIN_SECONDS", 0.0)
    monkeypatch.setattr(module, "_FAST_MAX_RELATIVE_TIME", float("inf"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", module.TangermemeWarning)
        found = saturation_mutagenesis(model, x, device="cpu")
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("error::RuntimeWarning")  # how it says that something does not add up
@pytest.mark.parametrize("pool_stride", [18, 9])
def test_deep_lift_shap_explains_the_whole_difference(exact, plain, for_captum, inputs, pool_stride):
    """Also where pooling windows overlap, as in the paper's networks, and as Captum does where they do not."""
    if pool_stride == 9:
        exact = untrained(exact, pool_stride)
    x, references = inputs(10)
    network = plain(exact)
    multipliers = deep_lift_shap(network, x, references=references[:, None], raw_outputs=True, device="cpu")[:, 0]
    with torch.no_grad():
        differences = (exact(x) - exact(references))[:, 0]
    assert differences.abs().max() > 0.1
    torch.testing.assert_close(((x - references) * multipliers).sum(dim=(1, 2)), differences, rtol=1e-9, atol=1e-9)
    if pool_stride == 18:
        found = deep_lift_shap(network, x, references=references[:, None], device="cpu")
        captums = DeepLift(for_captum(exact)).attribute(x, references, target=0)
        torch.testing.assert_close(found.sum(dim=1), captums.sum(dim=1).detach(), rtol=1e-8, atol=1e-9)


def test_a_class_without_a_rule_is_not_passed_over_in_silence(networks, inputs):
    """The statements of the page about ``RevCompMaxPool1d``, and its alternative."""
    model = copy.deepcopy(networks["revcomp"]).double()
    x, references = inputs(10)
    given = {"references": references[:, None], "raw_outputs": True, "device": "cpu"}
    with pytest.warns(RuntimeWarning, match="no DeepLIFT rule"):
        wrong = deep_lift_shap(model, x, **given)
    wanted = deep_lift_shap(rcviz.to_standard(model), x, **given)
    assert (wrong - wanted).abs().max() > 0.1 * wanted.abs().max()
    pooled = [nn.MaxPool1d(part.kernel_size, part.stride) if name == "pool" else part for name, part in parts(model)]
    torch.testing.assert_close(deep_lift_shap(nn.Sequential(*pooled), x, **given), wanted)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_conjoined_network_has_the_mean_of_what_both_strands_have(networks, for_captum, inputs):
    network = copy.deepcopy(networks["standard"]).double()
    x, references = inputs(10)

    def multipliers(model, x, references):
        given = {"references": references[:, None], "raw_outputs": True, "device": "cpu"}
        return deep_lift_shap(model, x, **given)[:, 0]

    reverse = other_strand(multipliers(network, other_strand(x), other_strand(references)))
    found = multipliers(rcviz.RevCompConjoined(network), x, references)
    torch.testing.assert_close(found, (multipliers(network, x, references) + reverse) / 2)
    captums = DeepLift(rcviz.RevCompConjoined(for_captum(network))).attribute(x, references, target=0).detach()
    torch.testing.assert_close((found * (x - references)).sum(dim=1), captums.sum(dim=1), rtol=1e-8, atol=1e-9)


def parts(model):
    return list(model.named_children())


def untrained(model, pool_stride):
    config = rcviz.ModelConfig(
        architecture=model.config.architecture,
        n_filters=4,
        sequence_length=80,
        kernel_sizes=(9,),
        pool_size=18,
        pool_stride=pool_stride,
    )
    return rcviz.build_model(config, seed=2).double().eval()


def test_marginalizing_a_motif_is_a_prediction_with_and_without_it(exact, gata, motif):
    background = gata.negatives().subset(slice(0, 40))
    x = torch.from_numpy(background.one_hot())
    before, after = marginalize(exact, x, motif, start=30, device="cpu")
    texts = [text[:30] + motif + text[38:] for text in rcviz.decode(background.codes)]
    np.testing.assert_allclose(before, logits(exact, background), rtol=1e-12)
    np.testing.assert_allclose(after, logits(exact, texts), rtol=1e-12)
    effect = (after - before)[:, 0]
    assert effect.mean() > 4 * effect.std() / len(effect) ** 0.5  # it was learned


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_only_shared_networks_say_the_same_of_both_strands(networks, gata, motif, architecture):
    model = networks[architecture]
    x = torch.from_numpy(gata.subset(slice(0, 3)).one_hot())
    forward = saturation_mutagenesis(model, x, device="cpu", hypothetical=True)
    reverse = other_strand(saturation_mutagenesis(model, other_strand(x), device="cpu", hypothetical=True))
    gaps = [float((forward - reverse).abs().max())]
    both = marginalize(model, x, motif, start=20, device="cpu")
    other = marginalize(model, other_strand(x), rcviz.reverse_complement(motif), start=52, device="cpu")
    gaps.append(float((both.y_after - other.y_after).abs().max()))
    assert all(gap < 1e-5 if architecture == "revcomp" else gap > 1e-3 for gap in gaps)


TOOLS = {
    "predict": lambda model, plain, x, references: predict(model, x, device="cpu"),
    "saturation_mutagenesis": lambda model, plain, x, references: saturation_mutagenesis(model, x, device="cpu"),
    "marginalize": lambda model, plain, x, references: marginalize(model, references, "GATAAG", device="cpu").y_after,
    "deep_lift_shap": lambda model, plain, x, references: deep_lift_shap(
        plain(model), x, references=references[:, None], device="cpu"
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_numbers_are_those_of_the_modules_one_by_one(model, plain, inputs, slowly, tool):
    given = (model, plain, *inputs(4, torch.float32))
    found = TOOLS[tool](*given)
    torch.testing.assert_close(found, slowly(lambda: TOOLS[tool](*given)), rtol=1e-4, atol=1e-5)
    assert found.abs().max() > 0.01
