"""NaN in weights, in outputs and in what is given is said for what it is, by every function that takes a model."""

import warnings

import numpy as np
import pytest
import torch

import rcviz

CODES = np.random.default_rng(0).integers(0, 4, (24, 60), dtype=np.uint8)
DATA = rcviz.SequenceSet(CODES, np.arange(24) % 2)
X = DATA.one_hot(slice(0, 4))
TRAINING = rcviz.TrainConfig(epochs=1, batch_size=8, samples_per_epoch=16)


def network():
    size = {"n_filters": 3, "sequence_length": 60, "pool_size": 10, "kernel_sizes": (11,)}
    return rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", **size))


def spoilt():
    model = network()
    with torch.no_grad():
        model.conv1.weight[0, 0, 0] = float("nan")
    return model


class Dividing(torch.nn.Module):
    """Outputs are NaN where a sequence begins with A; the gradient of the network inside stays finite."""

    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, x):
        return self.network(x) + torch.where(x[:, 0, :1] > 0, float("nan"), 0.0)


def opened(explorer):
    if hasattr(explorer, "wait"):
        explorer.wait(100)
    explorer.close()


ON_MODELS = {
    "predict": lambda model: rcviz.predict(model, DATA),
    "evaluate": lambda model: rcviz.evaluate(model, DATA),
    "filter_contributions": lambda model: rcviz.filter_contributions(model, DATA),
    "activation_profiles": lambda model: rcviz.activation_profiles(model, DATA),
    "strand_agreement": lambda model: rcviz.strand_agreement(model, DATA),
    "gap_by_filter": lambda model: rcviz.gap_by_filter(model, DATA),
    "strand_attributions": lambda model: rcviz.strand_attributions(model, DATA),
    "hypothetical_attributions": lambda model: rcviz.hypothetical_attributions(model, DATA),
    "mutagenesis": lambda model: rcviz.mutagenesis(model, DATA),
    "equivariance_error": lambda model: rcviz.equivariance_error(model, X),
    "assert_equivariant": lambda model: rcviz.assert_equivariant(model, X),
    "assert_invariant": lambda model: rcviz.assert_invariant(model, X),
    "diagnose_equivariance": lambda model: rcviz.diagnose_equivariance(model, X),
    "fit": lambda model: rcviz.fit(model, DATA, DATA, TRAINING, progress=False),
    "FilterExplorer": lambda model: opened(rcviz.FilterExplorer(model, DATA, motifs=[rcviz.load_motif("GATA_known6")])),
    "StrandExplorer": lambda model: opened(rcviz.StrandExplorer(model, DATA)),
}
ON_WEIGHTS = {
    "filter_bank": rcviz.filter_bank,
    "palindromes": lambda model: rcviz.palindromes(model, DATA),
    "filter_similarity": lambda model: rcviz.filter_similarity(model, network()),
}


@pytest.mark.parametrize("name", [*ON_MODELS, *ON_WEIGHTS])
def test_weights_are_named(name):
    with pytest.raises(ValueError, match=r"weights are NaN \(conv1\.weight\)"):
        {**ON_MODELS, **ON_WEIGHTS}[name](spoilt())


@pytest.mark.parametrize("name", [name for name in ON_MODELS if name != "activation_profiles"])
def test_outputs_are_said(name):
    """As an error where they cannot be compared, scored or minimised, and as a warning with the other numbers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ON_MODELS[name](Dividing())
        except (ValueError, FloatingPointError) as error:
            said = [str(error)]
        else:
            said = [str(warning.message) for warning in caught]
    assert any("NaN" in text or "nan" in text or "not finite" in text or "be finite" in text for text in said), said


def test_contributions_without_finite_logits_are_counted():
    """They are finite themselves."""
    n = int((CODES[:, 0] == 0).sum())
    with pytest.warns(UserWarning, match=f"contributions of {n} of 24 sequences are NaN"):
        contributions = rcviz.filter_contributions(Dividing(), DATA)
    assert 0 < n < 24
    assert np.isfinite(contributions.per_sequence).all()
    starting_otherwise = DATA.subset(CODES[:, 0] != 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rcviz.filter_contributions(Dividing(), starting_otherwise)


def test_the_diagnosis_names_the_module_that_makes_them():
    class Logarithm(torch.nn.Module):
        def forward(self, x):
            return (x - 1e3).log()

    model = torch.nn.Sequential(rcviz.RevCompConv1d(4, n_filters=2, kernel_size=5), Logarithm(), torch.nn.ReLU())
    with pytest.raises(ValueError, match=r"outputs of 1 \(Logarithm\) are NaN"):
        rcviz.diagnose_equivariance(model, X)
    for function in (rcviz.assert_equivariant, rcviz.equivariance_error):
        with pytest.raises(ValueError, match="NaN"):
            function(model, X)


def test_a_batch_with_nan_is_refused():
    with pytest.raises(ValueError, match=r"x .*NaN"):
        rcviz.assert_invariant(network(), np.where(X == 1, np.nan, X))


@pytest.mark.parametrize("function", [rcviz.predict, rcviz.filter_contributions])
def test_a_batch_norm_that_needs_several_sequences(function):
    norm = torch.nn.BatchNorm1d(3, track_running_stats=False)
    layers = torch.nn.Conv1d(4, 3, 5), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten(), norm, torch.nn.Linear(3, 1)
    model = torch.nn.Sequential(*layers)
    with pytest.raises(ValueError, match=r"batch norm .*track_running_stats=True.* batch_size"):
        function(model, DATA.subset([0]) if function is rcviz.predict else DATA, batch_size=23)


def test_weights_without_gradients():
    """Made in inference mode, by other code than rcviz's, whose own models always have gradients."""
    with torch.inference_mode():
        layers = torch.nn.Conv1d(4, 3, 5), torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten(), torch.nn.Linear(3, 1)
        own = network()
    model = torch.nn.Sequential(*layers)
    assert rcviz.predict(model, DATA).shape == (24, 1)
    assert rcviz.filter_contributions(own, DATA).scores.shape == (3,)
    with pytest.raises(ValueError, match="inference_mode"):
        rcviz.filter_contributions(model, DATA)
    with pytest.raises(ValueError, match="inference_mode"):
        rcviz.fit(model, DATA, DATA, TRAINING, progress=False)


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (3, "layer must be a module of the model,? or its name, got 3"),
        (["conv1"], r"layer must be a module .*got \['conv1'\]"),
        ("", "no layer named ''"),
        (torch.nn.Conv1d(4, 2, 3), "layer must be a part of the model, and this Conv1d is not"),
    ],
)
def test_what_is_no_layer(layer, match):
    for function in (rcviz.filter_contributions, rcviz.activation_profiles):
        with pytest.raises(ValueError, match=match):
            function(network(), DATA, layer=layer)
    with pytest.raises(ValueError, match=match):
        rcviz.filter_bank(network(), layer=layer)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_saved_model_with_lost_weights_is_said(value, tmp_path):
    model = network()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rcviz.save_model(model, tmp_path / "good.safetensors")
    with torch.no_grad():
        model.conv1.weight[0, 0, 0] = value
    with pytest.warns(UserWarning, match=r"NaN or infinite \(conv1\.weight\)"):
        rcviz.save_model(model, tmp_path / "lost.safetensors")
    again = rcviz.load_model(tmp_path / "lost.safetensors")
    torch.testing.assert_close(again.conv1.weight, model.conv1.weight, equal_nan=True)
