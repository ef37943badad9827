"""Every public function on every re-created architecture: the right number, or refused with the reason."""

import warnings

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, LENGTH, built, with_controls
from packaging.version import Version
from torch import nn

import rcviz
from rcviz.sequences.splits import Splits

NAMES = tuple(ARCHITECTURES)
WITH_FILTERS = tuple(name for name in NAMES if ARCHITECTURES[name].layer)
CLASSIFIERS = tuple(name for name in NAMES if ARCHITECTURES[name].scale != "value")
EXACT = {"rtol": 0, "atol": 1e-10}


def adapted(name, dtype=torch.float64):
    return rcviz.as_sequence_model(built(name, dtype), **ARCHITECTURES[name].declared)


def plain(name, x):
    """Logits or values in plain torch."""
    return ARCHITECTURES[name].plain(built(name), x)


@pytest.fixture(scope="module")
def codes():
    codes = np.random.default_rng(3).integers(0, 4, (8, LENGTH), dtype=np.uint8)
    codes[1, 5] = codes[6, 20:23] = 4
    return codes


@pytest.fixture(scope="module")
def data(codes):
    return rcviz.SequenceSet(codes, np.arange(8) % 2)


@pytest.fixture(scope="module")
def x(codes):
    return torch.from_numpy(rcviz.one_hot(codes, dtype="float64"))


def two_tasks(data, name):
    """Labels for every output of a network."""
    n_tasks = plain(name, torch.zeros(1, 4, LENGTH, dtype=torch.float64)).shape[1]
    return rcviz.SequenceSet(data.codes, np.tile(data.labels, n_tasks))


@pytest.mark.parametrize("name", NAMES)
def test_predictions(name, codes, x):
    model, raw = adapted(name), plain(name, x).detach()
    scale = ARCHITECTURES[name].scale
    assert rcviz.output_scale(model) == scale
    expected = raw if scale == "value" else raw.sigmoid()
    np.testing.assert_allclose(rcviz.predict(model, codes, batch_size=3), expected, **EXACT)
    if scale == "value":
        for output in ("logit", "probability"):
            with pytest.raises(ValueError, match="value"):
                rcviz.predict(model, codes, output=output)
    else:
        np.testing.assert_allclose(rcviz.predict(model, codes, output="logit"), raw, **EXACT)


@pytest.mark.parametrize("name", NAMES)
def test_strand_agreement(name, codes, x):
    agreement = rcviz.strand_agreement(adapted(name), codes, batch_size=3)
    raw = [plain(name, strand).detach() for strand in (x, x.flip(1, 2))]
    forward, reverse = raw if ARCHITECTURES[name].scale == "value" else [values.sigmoid() for values in raw]
    np.testing.assert_allclose(agreement.forward, forward, **EXACT)
    np.testing.assert_allclose(agreement.reverse, reverse, **EXACT)
    np.testing.assert_allclose(agreement.max_gap, (forward - reverse).abs().max(), **EXACT)
    assert (agreement.max_gap < 1e-10) == ARCHITECTURES[name].invariant


def test_profiles_of_an_adapted_network_are_averaged_over_strands(codes, x):
    network = built("bpnet")
    profile = rcviz.as_sequence_model(network, inputs=with_controls, output=0, output_is="value")
    both = rcviz.RevCompConjoined(profile, output_kind="profile", permutation=(1, 0))
    agreement = rcviz.strand_agreement(both, codes, batch_size=3)
    forward, reverse = network(*with_controls(x))[0], network(*with_controls(x.flip(1, 2)))[0]
    np.testing.assert_allclose(agreement.forward, ((forward + reverse.flip(1, 2)) / 2).detach(), **EXACT)
    assert agreement.max_gap < 1e-10
    rcviz.assert_equivariant(both, x)
    with pytest.raises(ValueError, match=r"lambda y: y\[0\]\.mean"):
        rcviz.predict(profile, codes)


@pytest.mark.parametrize("name", NAMES)
def test_symmetry(name, x):
    model = adapted(name)
    table = rcviz.diagnose_equivariance(model, x)
    if ARCHITECTURES[name].invariant:
        rcviz.assert_invariant(model, x)
        assert "breaks" not in set(table["verdict"])
    else:
        assert table.iloc[-1]["verdict"] in ("breaks", "propagated")
        assert "breaks" in set(table["verdict"])
        with pytest.raises(AssertionError, match="invariant"):
            rcviz.assert_invariant(model, x)
    both = rcviz.RevCompConjoined(model)
    rcviz.assert_invariant(both, x)
    assert rcviz.output_scale(both) == ARCHITECTURES[name].scale
    mean = (plain(name, x) + plain(name, x.flip(1, 2))) / 2
    np.testing.assert_allclose(both(x).detach(), mean.detach(), **EXACT)


@pytest.mark.parametrize("name", WITH_FILTERS)
def test_filters(name, codes):
    model, layer = adapted(name), ARCHITECTURES[name].layer
    convolution = built(name).get_submodule(layer)
    bank = rcviz.filter_bank(model)
    assert bank.layer == f"model.{layer}"
    weights = convolution.weight.detach().reshape(len(convolution.weight), 4, -1)
    order = ["ACGT".index(base) for base in ARCHITECTURES[name].declared.get("bases", "ACGT")]
    weights = weights[:, np.argsort(order)].numpy()
    np.testing.assert_allclose(bank.weights, weights - weights.mean(axis=1, keepdims=True), **EXACT)
    sites = bank.activating_sites(codes, strands="forward", top=3)
    for row in sites.filter_table(1).itertuples():
        window = rcviz.one_hot([row.site], dtype="float64")[0]
        assert row.activation == pytest.approx((window * bank.weights[1]).sum() + bank.bias[1])
    assert len(rcviz.palindromes(bank).table) == len(bank)
    assert len(rcviz.filter_similarity(bank, bank).table)


def test_a_model_without_convolutions_has_no_filters():
    with pytest.raises(ValueError, match="convolution"):
        rcviz.filter_bank(adapted("hyenadna"))


def recorded(name, x):
    """Network's result in plain torch, and the neurons of each use that counts."""
    network, neurons = built(name), []

    def record(module, args, result):
        result = result.clone()
        result.retain_grad()
        neurons.append(result)
        return result

    network.get_submodule(ARCHITECTURES[name].neurons).register_forward_hook(record)
    y = ARCHITECTURES[name].plain(network, x)
    return y, neurons[: len(ARCHITECTURES[name].uses)]


@pytest.mark.parametrize("name", WITH_FILTERS)
def test_contributions(name, data, x):
    y, neurons = recorded(name, x)
    y[:, 0].sum().backward()
    expected = sum((use.grad * use).detach().flatten(2).sum(dim=2) for use in neurons)
    found = rcviz.filter_contributions(adapted(name), data.codes, batch_size=3)
    np.testing.assert_allclose(found.per_sequence, expected, **EXACT)
    assert found.at.startswith(ARCHITECTURES[name].at)
    with_labels = rcviz.filter_contributions(adapted(name), two_tasks(data, name))
    scores = expected[1::2].mean(dim=0) - expected[0::2].mean(dim=0)
    np.testing.assert_allclose(with_labels.scores, scores, **EXACT)
    mask = np.arange(8) < 3
    chosen = rcviz.filter_contributions(adapted(name), data.codes, positives=mask)
    np.testing.assert_allclose(chosen.scores, expected[:3].mean(dim=0) - expected[3:].mean(dim=0), **EXACT)


@pytest.mark.parametrize("name", WITH_FILTERS)
def test_profiles(name, codes, x):
    _, neurons = recorded(name, x)
    layer = built(name).get_submodule(ARCHITECTURES[name].layer)
    if ARCHITECTURES[name].neurons == ARCHITECTURES[name].layer and name == "danq":
        neurons = [use.relu() for use in neurons]
    uses = [use.detach().flatten(2) for use in neurons]
    expected = sum(use.flip(2) if reverse else use for use, reverse in zip(uses, ARCHITECTURES[name].uses, strict=True))
    profiles = rcviz.activation_profiles(adapted(name), codes, bins=1000, batch_size=3)
    assert len(layer.weight) == profiles.binned.shape[1]
    np.testing.assert_allclose(profiles.binned, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", WITH_FILTERS)
def test_the_gap_by_filter(name, codes, x):
    split = rcviz.gap_by_filter(adapted(name), codes, batch_size=3)
    raw = [plain(name, strand)[:, 0].detach() for strand in (x, x.flip(1, 2))]
    np.testing.assert_allclose(split.logit_difference, raw[0] - raw[1], **EXACT)
    for strand, values in ((x, split.forward), (x.flip(1, 2), split.reverse)):
        y, neurons = recorded(name, strand)
        y[:, 0].sum().backward()
        np.testing.assert_allclose(
            values, sum((use.grad * use).detach().flatten(2).sum(dim=2) for use in neurons), **EXACT
        )


@pytest.mark.parametrize("name", NAMES)
def test_attributions(name, codes, x):
    model = adapted(name)
    if name == "hyenadna":
        for function in (rcviz.strand_attributions, rcviz.hypothetical_attributions):
            with pytest.raises(ValueError, match="gradient"):
                function(model, codes)
        return
    strands = []
    for strand in (x, x.flip(1, 2)):
        leaf = strand.clone().requires_grad_()
        plain(name, leaf)[:, -1].sum().backward()
        strands.append(leaf.grad - leaf.grad.mean(dim=1, keepdim=True))
    task = plain(name, x).shape[1] - 1
    attributions = rcviz.strand_attributions(model, codes, task=task, batch_size=3)
    np.testing.assert_allclose(attributions.forward, strands[0] * x, **EXACT)
    np.testing.assert_allclose(attributions.reverse, (strands[1] * x.flip(1, 2)).flip(1, 2), **EXACT)
    known = (x.sum(dim=1, keepdim=True) > 0).expand_as(x)  # at an N there is no base to attribute to
    hypothetical = torch.from_numpy(rcviz.hypothetical_attributions(model, codes, task=task))
    np.testing.assert_allclose(hypothetical[known], strands[0][known], **EXACT)


@pytest.mark.parametrize("name", NAMES)
def test_training_and_evaluation(name, data):
    model = adapted(name, torch.float32)
    labelled = two_tasks(data, name)
    if ARCHITECTURES[name].scale == "value":
        config = rcviz.TrainConfig(
            epochs=1, batch_size=4, samples_per_epoch=8, loss="mse", monitor="loss", device="cpu"
        )
        labelled = rcviz.SequenceSet(labelled.codes, labelled.labels * 1.5 + 0.25, label_kind="value")
        columns = ["task", "n", "pearson", "spearman", "mse"]
        with pytest.raises(ValueError, match="label_kind"):
            rcviz.fit(model, two_tasks(data, name), two_tasks(data, name), config, progress=False)
    else:
        config = rcviz.TrainConfig(epochs=1, batch_size=4, samples_per_epoch=8, device="cpu")
        columns = ["task", "n_positive", "n_negative", "auroc", "auprc"]
    before = rcviz.predict(model, data.codes)
    history = rcviz.fit(model, labelled, labelled, config, progress=False)
    assert np.isfinite(history.table["loss"]).all()
    assert not np.allclose(rcviz.predict(model, data.codes), before, atol=1e-7)
    assert list(rcviz.evaluate(model, labelled).columns) == columns


@pytest.mark.parametrize("name", NAMES)
def test_conversions_work_or_say_why_not(name, tmp_path, as_users_run):
    model = adapted(name)
    for convert in (rcviz.to_standard, rcviz.to_revcomp):
        with pytest.raises(ValueError, match=r"as_sequence_model|AdaptedModel|\.model|chain|forward|Conv2d"):
            convert(model)
    with pytest.raises(ValueError, match=r"state_dict|build_model"):
        rcviz.save_model(model, tmp_path / "model.safetensors")
    assert rcviz.count_parameters(model) == sum(p.numel() for p in built(name).parameters())
    assert not rcviz.check_structure(model).empty


@pytest.mark.parametrize("name", NAMES)
def test_what_else_takes_a_model(name, data, x, tmp_path, as_users_run):
    model, labelled = adapted(name), two_tasks(data, name)
    whole = rcviz.diagnose_equivariance(model, x).iloc[-1]
    gap = (plain(name, x) - plain(name, x.flip(1, 2))).abs().max()
    assert rcviz.equivariance_error(model, x) == pytest.approx(float(gap), abs=1e-10)
    assert whole["error"] == pytest.approx(float(gap), abs=1e-10)
    if ARCHITECTURES[name].invariant:
        rcviz.assert_equivariant(model, x)
    else:
        with pytest.raises(AssertionError, match="equivariant"):
            rcviz.assert_equivariant(model, x)
    table = rcviz.parameter_table(model)
    assert table["parameters"].sum() == rcviz.count_parameters(model)
    if name == "hyenadna":
        with pytest.raises(ValueError, match="gradient"):
            rcviz.save_modisco(model, data.codes, tmp_path)
    else:
        rcviz.save_modisco(model, data.codes, tmp_path)
    if ARCHITECTURES[name].scale == "value":
        settings = {"loss": "mse"}
        labelled = rcviz.SequenceSet(data.codes, labelled.labels + 0.5, label_kind="value")
    else:
        settings = {}
    training = rcviz.TrainConfig(epochs=1, batch_size=4, samples_per_epoch=4, device="cpu", **settings)
    monitor = rcviz.TrainingMonitor(model, labelled, labelled, training)
    monitor.close()
    parts = Splits(labelled, labelled, labelled)
    arm = rcviz.Arm(model=lambda seed: adapted(name, torch.float32), training=training)
    runs = rcviz.sweep({name: arm}, parts, seeds=1, progress=False)
    assert len(runs.test) == labelled.labels.shape[1]


@pytest.mark.parametrize("name", WITH_FILTERS)
def test_explorers(name, data):
    model = adapted(name, torch.float32)
    filters = rcviz.FilterExplorer(model, data.codes, motifs=[rcviz.load_motif("CTCF_known1")], batch_size=4)
    filters.wait(120)
    filters.close()
    strands = rcviz.StrandExplorer({name: model}, data.codes, batch_size=4)
    strands.close()
    check_sequence_explorer(model, data)


def check_sequence_explorer(model, data):
    """A flip, or what comes nearest to one, is predicted as it is by ``predict``."""
    motifs = [rcviz.load_motif("CTCF_known1")]
    explorer = rcviz.SequenceExplorer(model, data.codes, motifs=motifs, region=(20, 28), batch_size=30)
    row = explorer.flips.iloc[0]
    explorer.edit(int(row["position"]), row["alternative"])
    explorer.wait(120)
    expected = rcviz.predict(model, [explorer.letters])[0, 0]
    assert row["forward_after"] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    explorer.close()


def test_strands_of_a_token_model_can_be_explored(data):
    strands = rcviz.StrandExplorer({"tokens": adapted("hyenadna", torch.float32)}, data.codes)
    strands.close()
    check_sequence_explorer(adapted("hyenadna", torch.float32), data)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.float32) for name in NAMES]
    + [(name, torch.bfloat16) for name in NAMES if name not in ("caduceus", "hyenadna")],  # torch has no such FFT
)
def test_other_types_agree_up_to_their_rounding(name, dtype, codes):
    model = adapted(name).to(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = rcviz.predict(model, codes)
    atol = 0.05 if dtype == torch.bfloat16 else 1e-5
    np.testing.assert_allclose(found, rcviz.predict(adapted(name), codes), rtol=0, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_not_modified(name, data):
    network = built(name)
    model = rcviz.as_sequence_model(network, **ARCHITECTURES[name].declared)
    model.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    rcviz.strand_agreement(model, data.codes)
    if ARCHITECTURES[name].layer:
        rcviz.filter_contributions(model, data.codes)
        rcviz.activation_profiles(model, data.codes)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(part.training and not part._forward_hooks and not part._forward_pre_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_convolution_that_is_not_over_the_bases_is_refused_as_a_filter_bank():
    with pytest.raises(ValueError, match="bases"):
        rcviz.filter_bank(adapted("enformer"), layer="model.conv_tower.0.0.2")
    assert isinstance(built("basset").conv2, nn.Conv2d)


@pytest.mark.usefixtures("as_users_run", "operators_once")
@pytest.mark.parametrize("name", ["enformer", "hyenadna"])
def test_exported_models_give_the_same_numbers(name, x, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if name == "hyenadna" and Version(onnxruntime.__version__) < Version("1.27"):
        pytest.skip("older versions of ONNX Runtime cannot compute the inverse FFT of real numbers")
    model, path = adapted(name, torch.float32), tmp_path / "model.onnx"
    rcviz.export_onnx(model, path, length=LENGTH)
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.float().numpy()})
    np.testing.assert_allclose(found, model(x.float()).detach(), atol=1e-5)


def test_a_layer_with_positions_before_channels_is_refused(codes):
    for layer in ("model.embed", "model.mixers.0.norm"):
        with pytest.raises(ValueError, match="channels, length"):
            rcviz.filter_contributions(adapted("hyenadna"), codes, layer=layer)
