"""The paper's models (3.4-3.6): shape, count, value, seed, file and refusals."""

import dataclasses
import json

import numpy as np
import oracles
import pytest
import safetensors
import safetensors.torch
import torch
from stirred import stirred
from torch import nn

import rcviz

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-11}


def tiny(architecture="revcomp", **changes):
    """Two layers on 24 bp: 24 - 2 - 1 = 21 positions, pooled 6/5 into exactly four."""
    settings = {
        "sequence_length": 24,
        "n_filters": 3,
        "kernel_sizes": (3, 2),
        "pool_size": 6,
        "pool_stride": 5,
        "n_tasks": 2,
        "head": "weighted_sum" if architecture == "revcomp" else "flatten",
    }
    return rcviz.ModelConfig(architecture=architecture, **(settings | changes))


def one_hot(n, length, seed=0, *, unknown=0.0):
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, size=(n, length))
    x = np.zeros((n, 4, length))
    for i in range(n):
        for p in range(length):
            if generator.random() >= unknown:
                x[i, codes[i, p], p] = 1.0
    return x


# ---------------------------------------------------------------- the outputs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_simulated_matches_oracle(dtype):
    model = stirred(rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=3)), dtype=dtype)
    x = one_hot(2, 200, unknown=0.05)
    params = oracles.stored_parameters(model)
    want = oracles.forward_simulated(params, x)
    assert want.shape == (2, 3)
    np.testing.assert_allclose(oracles.forward(model.config, params, x), want, atol=1e-12)
    y = model(torch.tensor(x, dtype=dtype)).detach().numpy()
    np.testing.assert_allclose(y, want, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chipseq_matches_oracle(dtype):
    config = rcviz.ModelConfig.chipseq("revcomp", n_filters=2, sequence_length=120)
    assert (config.pool_size, config.pool_stride) == (40, 20)
    model = stirred(rcviz.build_model(config), dtype=dtype)
    x = one_hot(2, 120)
    params = oracles.stored_parameters(model)
    want = oracles.forward_chipseq(params, x)
    assert want.shape == (2, 1)
    np.testing.assert_allclose(oracles.forward(config, params, x), want, atol=1e-12)
    y = model(torch.tensor(x, dtype=dtype)).detach().numpy()
    np.testing.assert_allclose(y, want, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("head", ["weighted_sum", "flatten"])
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize(
    ("kernels", "length"), [((4,), 19), ((3, 2), 24), ((3, 2, 4), 27)], ids=["one", "two", "three"]
)
def test_any_architecture_matches_oracle(kernels, length, architecture, head):
    config = tiny(architecture, kernel_sizes=kernels, sequence_length=length, head=head)
    model = stirred(rcviz.build_model(config))
    x = one_hot(3, length)
    want = oracles.forward(config, oracles.stored_parameters(model), x)
    y = model(torch.tensor(x)).detach().numpy()
    assert y.shape == (3, 2)
    np.testing.assert_allclose(y, want, atol=1e-11)


def test_one_layer_at_1000_bp_matches_oracle():
    """986 - 40 leaves a remainder of 6 at stride 20: trimmed evenly under RC, dropped at the right otherwise."""
    for architecture in ("revcomp", "standard"):
        config = rcviz.ModelConfig.one_layer(architecture, n_filters=1)
        model = stirred(rcviz.build_model(config))
        x = one_hot(1, 1000)
        want = oracles.forward(config, oracles.stored_parameters(model), x)
        np.testing.assert_allclose(model(torch.tensor(x)).detach().numpy(), want, atol=1e-11)


# ---------------------------------------------------------------- structure


def test_children_are_flat_and_named():
    revcomp = rcviz.build_model(tiny())
    assert isinstance(revcomp, nn.Sequential)
    blocks = ["conv1", "norm1", "relu1", "conv2", "norm2", "relu2", "pool"]
    assert [name for name, _ in revcomp.named_children()] == [*blocks, "weighted_sum", "dense"]
    standard = rcviz.build_model(tiny("standard"))
    assert [name for name, _ in standard.named_children()] == [*blocks, "flatten", "dense"]
    for model in (revcomp, standard):
        modules = [module for module in model.modules() if module is not model]
        assert len(modules) == len(set(map(id, modules))) == 9, "a module is used twice, or hidden"


def test_every_module_runs_exactly_once():
    model = rcviz.build_model(tiny())
    calls = []
    for name, module in model.named_children():
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    model(torch.tensor(one_hot(2, 24), dtype=torch.float32))
    assert calls == [name for name, _ in model.named_children()]


def pooled(model, length):
    shapes = []
    handle = model.pool.register_forward_hook(lambda _m, _i, output: shapes.append(output.shape[2]))
    model.eval()(torch.zeros(1, 4, length))
    handle.remove()
    return shapes[0]


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_pooled_lengths_of_the_presets(architecture):
    """Sections 3.4 and 3.6.3: 200 bp -> 9; 1,000 bp -> 960 -> 47; one layer 986 -> 48; (200-14)/31 = 6."""
    config = rcviz.ModelConfig
    for preset, length, want in (
        (config.simulated(architecture), 200, 9),
        (config.chipseq(architecture, n_filters=2), 1000, 47),
        (config.one_layer(architecture, n_filters=2), 1000, 48),
        (config.one_layer(architecture, n_filters=2, sequence_length=200, pool_size=31), 200, 6),
    ):
        assert preset.sequence_length == length
        assert pooled(rcviz.build_model(preset), length) == want


def test_presets_follow_the_paper():
    config = rcviz.ModelConfig
    simulated = config.simulated("revcomp")
    assert (simulated.n_filters, tuple(simulated.kernel_sizes), simulated.n_tasks) == (20, (21,), 3)
    assert (simulated.pool_size, simulated.pool_stride, simulated.head) == (20, 20, "weighted_sum")
    assert not simulated.freeze_output
    chipseq = config.chipseq("revcomp")
    assert (chipseq.n_filters, tuple(chipseq.kernel_sizes), chipseq.n_tasks) == (16, (15, 14, 14), 1)
    assert (chipseq.pool_size, chipseq.pool_stride, chipseq.head) == (40, 20, "weighted_sum")
    assert chipseq.freeze_output
    one = config.one_layer("revcomp", n_filters=8)
    assert (one.n_filters, tuple(one.kernel_sizes), one.n_tasks) == (8, (15,), 1)
    assert (one.pool_size, one.pool_stride, one.freeze_output) == (40, 20, True)
    for preset in (
        config.simulated("standard"),
        config.chipseq("standard"),
        config.one_layer("standard", n_filters=16),
    ):
        assert preset.head == "flatten"
        assert not preset.freeze_output


def test_changes_reach_the_preset():
    config = rcviz.ModelConfig.chipseq("revcomp", n_filters=4, sequence_length=240, n_tasks=2)
    assert (config.sequence_length, config.n_filters, config.n_tasks) == (240, 4, 2)
    assert rcviz.ModelConfig.one_layer("revcomp", n_filters=4, pool_size=34).pool_stride == 34
    both = rcviz.ModelConfig.one_layer("revcomp", n_filters=4, pool_size=46, pool_stride=10)
    assert (both.pool_size, both.pool_stride) == (46, 10)
    with pytest.raises(ValueError, match=r"(?s)(?=.*colour)(?=.*kernel_sizes)"):
        rcviz.ModelConfig.simulated("revcomp", colour="red")


def test_config_is_frozen_and_keyword_only():
    config = tiny()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.n_filters = 5
    with pytest.raises(TypeError):
        rcviz.ModelConfig("revcomp", 24, 3, (3,), 6, 5)
    assert tiny() == config
    assert rcviz.build_model(config).config == config


@pytest.mark.parametrize("preset", ["chipseq", "one_layer"])
def test_output_of_the_tied_chipseq_models_is_frozen(preset):
    config = getattr(rcviz.ModelConfig, preset)("revcomp", n_filters=2, sequence_length=200, pool_size=2)
    model = rcviz.build_model(config)
    assert model.dense.weight.tolist() == [[1.0, 1.0]]
    assert model.dense.bias.tolist() == [0.0]
    assert not any(parameter.requires_grad for parameter in model.dense.parameters())
    assert all(p.requires_grad for name, p in model.named_parameters() if not name.startswith("dense"))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.tensor(one_hot(4, 200), dtype=torch.float32)).sum().backward()
    optimiser.step()
    assert model.dense.weight.tolist() == [[1.0, 1.0]]


def test_state_holds_stored_halves_only():
    model = rcviz.build_model(tiny())
    model.train()(torch.tensor(one_hot(2, 24), dtype=torch.float32))
    shapes = {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    norms = ("weight", "bias", "running_mean", "running_var")
    assert shapes == {
        "conv1.weight": (3, 4, 3),
        "conv1.bias": (3,),
        "conv2.weight": (3, 6, 2),
        "conv2.bias": (3,),
        **{f"norm{index}.{name}": (3,) for index in (1, 2) for name in norms},
        "weighted_sum.weight": (3, 4),
        "dense.weight": (2, 3),
        "dense.bias": (2,),
    }


# ---------------------------------------------------------------- counts (3.6)


def test_counts_of_the_paper():
    """Section 3.4.1 prints both numbers."""
    config = rcviz.ModelConfig
    assert rcviz.count_parameters(rcviz.build_model(config.simulated("standard"))) == 2_283
    assert rcviz.count_parameters(rcviz.build_model(config.simulated("revcomp"))) == 1_983
    assert oracles.parameter_count(config.simulated("standard")) == 2_283
    assert oracles.parameter_count(config.simulated("revcomp")) == 1_983
    # 40 filters: 40 * 85 + 80 + (9 * 40 + 1) * 3
    assert rcviz.count_parameters(rcviz.build_model(config.simulated("standard", n_filters=40))) == 4_563


def test_counts_by_hand_for_chipseq():
    """RC: 16*61 + 32 + 2*(16*(32*14+1) + 32) + 47*16, nothing in the frozen output."""
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp"))
    assert rcviz.count_parameters(model) == 976 + 32 + 2 * (7_184 + 32) + 752
    model = rcviz.build_model(rcviz.ModelConfig.chipseq("standard"))
    assert rcviz.count_parameters(model) == 976 + 32 + 2 * (3_600 + 32) + 753


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
@pytest.mark.parametrize(("head", "freeze"), [("weighted_sum", True), ("weighted_sum", False), ("flatten", False)])
def test_counts_by_arithmetic(architecture, head, freeze):
    for changes in ({"n_tasks": 1}, {"kernel_sizes": (4,), "sequence_length": 19}, {"n_filters": 7}):
        if freeze:
            changes |= {"n_tasks": 1}
        config = tiny(architecture, head=head, freeze_output=freeze, **changes)
        model = rcviz.build_model(config)
        want = oracles.parameter_count(config, frozen_output=freeze)
        assert rcviz.count_parameters(model) == want
        table = rcviz.parameter_table(model)
        assert {"layer", "kind", "shape", "parameters", "trainable"} <= set(table.columns)
        assert int(table.loc[table["trainable"].astype(bool), "parameters"].sum()) == want
        assert int(table["parameters"].sum()) == sum(p.numel() for p in model.parameters())


def test_parameter_table_by_layer():
    """Section 3.4.1's own break-down: 20*(4*21+1), 40*2/2, (180/20)*40/2, ((40/2)+1)*3."""
    table = rcviz.parameter_table(rcviz.build_model(rcviz.ModelConfig.simulated("revcomp")))
    assert table["layer"].is_unique
    counts = table.set_index("layer")["parameters"]
    assert [counts[name] for name in ("conv1", "norm1", "weighted_sum", "dense")] == [1_700, 40, 180, 63]
    kinds = table.set_index("layer")["kind"]
    assert kinds["conv1"] == "RevCompConv1d"
    assert kinds["dense"] == "RevCompLinear"


# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_a_seed_is_a_model(architecture):
    config = tiny(architecture)
    torch.manual_seed(1)
    first = rcviz.build_model(config, seed=5).state_dict()
    torch.manual_seed(2)
    again = rcviz.build_model(config, seed=5).state_dict()
    other = rcviz.build_model(config, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    for name in first:
        if name.endswith("weight") and not name.startswith("norm"):
            assert not torch.equal(first[name], other[name]), name
    default = rcviz.build_model(config).state_dict()
    zero = rcviz.build_model(config, seed=0).state_dict()
    assert all(torch.equal(default[name], zero[name]) for name in zero)


def test_global_state_is_untouched(tmp_path):
    torch.manual_seed(987_654)  # a state that no model leaves behind by chance
    torch.rand(7)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    precision, deterministic = torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()
    for architecture in ("revcomp", "standard"):
        model = rcviz.build_model(tiny(architecture), seed=3)
        rcviz.predict(model, one_hot(2, 24))
        rcviz.save_model(model, tmp_path / "model.safetensors")
        rcviz.load_model(tmp_path / "model.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpys).all()  # noqa: NPY002
    assert torch.get_default_dtype() == precision
    assert torch.are_deterministic_algorithms_enabled() == deterministic


# ---------------------------------------------------------------- prediction


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_predict(architecture):
    model = stirred(rcviz.build_model(tiny(architecture)), dtype=torch.float32)
    x = one_hot(7, 24)
    want = oracles.forward(model.config, oracles.stored_parameters(model), x)
    logits = rcviz.predict(model, x, output="logit")
    assert isinstance(logits, np.ndarray)
    np.testing.assert_allclose(logits, want, atol=1e-4)
    np.testing.assert_allclose(rcviz.predict(model, x), 1 / (1 + np.exp(-want)), atol=1e-5)
    np.testing.assert_allclose(rcviz.predict(model, x, batch_size=3, output="logit"), logits, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*are not A, C, G or T")
def test_predict_takes_every_kind_of_data():
    model = stirred(rcviz.build_model(tiny()), dtype=torch.float32)
    strings = ["ACGTTGCAACGTNNACGTTGCAAC", "tttttttttttttttttttttttt"]
    codes = np.array([["ACGT".find(base) % 5 for base in text.upper()] for text in strings], dtype=np.uint8)
    x = np.array([[[float(code == base) for code in row] for base in range(4)] for row in codes])
    want = oracles.forward(model.config, oracles.stored_parameters(model), x)
    for data in (strings, codes, x.astype(np.float32), rcviz.SequenceSet(codes)):
        np.testing.assert_allclose(rcviz.predict(model, data, output="logit"), want, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_predict_leaves_the_model_as_found(training):
    model = stirred(rcviz.build_model(tiny()), dtype=torch.float32).train(training)
    model.norm1.eval()  # a mode of its own, which must survive
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = one_hot(4, 24)
    first = rcviz.predict(model, x)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    np.testing.assert_array_equal(first, rcviz.predict(model.eval(), x))


@pytest.mark.usefixtures("as_users_run")
def test_predict_refusals():
    model = rcviz.build_model(tiny())
    with pytest.raises(ValueError, match=r"(?s)(?=.*24)(?=.*23)"):
        rcviz.predict(model, one_hot(2, 23))
    with pytest.raises(ValueError, match=r"(?s)(?=.*probability)(?=.*logit)"):
        rcviz.predict(model, one_hot(2, 24), output="odds")
    with pytest.raises(ValueError, match="channels are last"):
        rcviz.predict(model, one_hot(2, 24).transpose(0, 2, 1))
    with pytest.raises(ValueError, match="0"):
        rcviz.predict(model, one_hot(2, 24), batch_size=0)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "config",
    [
        tiny,
        lambda: tiny("standard"),
        lambda: tiny(freeze_output=True, n_tasks=1, initializer="keras1"),
    ],
    ids=["revcomp", "standard", "frozen"],
)
def test_save_and_load(tmp_path, config):
    model = stirred(rcviz.build_model(config()), seed=4, dtype=torch.float32)
    path = tmp_path / "model.safetensors"
    rcviz.save_model(model, path)
    loaded = rcviz.load_model(path)
    assert loaded.config == model.config
    assert type(loaded) is type(model)
    x = torch.tensor(one_hot(5, 24), dtype=torch.float32)
    assert torch.equal(loaded.eval()(x), model(x))
    assert rcviz.count_parameters(loaded) == rcviz.count_parameters(model)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert torch.equal(rcviz.load_model(str(path)).eval()(x), model(x))


def test_file_is_safetensors_with_the_configuration(tmp_path):
    model = rcviz.build_model(tiny())
    path = tmp_path / "model.safetensors"
    rcviz.save_model(model, path)
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
        stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert {name: shape for name, shape in stored.items() if name == "conv2.weight"} == {"conv2.weight": (3, 6, 2)}
    configurations = []
    for text in metadata.values():
        try:
            configurations.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    assert any(
        isinstance(found, dict)
        and found.get("architecture") == "revcomp"
        and found.get("kernel_sizes") == [3, 2]
        and found.get("sequence_length") == 24
        for found in configurations
    ), metadata


def test_saving_over_an_older_file(tmp_path):
    path = tmp_path / "model.safetensors"
    rcviz.save_model(rcviz.build_model(tiny("standard")), path)
    model = rcviz.build_model(tiny(), seed=8)
    rcviz.save_model(model, path)
    assert torch.equal(rcviz.load_model(path).conv1.weight, model.conv1.weight)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "left-overs beside the model"


def foreign(path, model):
    safetensors.torch.save_file({"conv1.weight": torch.zeros(2, 2)}, path)


def text(path, model):
    path.write_text("these are not the weights you are looking for\n" * 10)


def empty(path, model):
    path.write_bytes(b"")


def truncated(path, model):
    path.write_bytes(path.read_bytes()[:-40])


def cut_in_the_header(path, model):
    path.write_bytes(path.read_bytes()[:60])


def rewritten(path, tensors=None, **metadata):
    with safetensors.safe_open(path, "pt") as file:
        old = file.metadata()
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    safetensors.torch.save_file(kept if tensors is None else tensors, path, old | metadata)


def wrong_shape(path, model):
    rewritten(path, {n: v.clone() for n, v in model.state_dict().items()} | {"conv1.weight": torch.zeros(3, 4, 5)})


def missing_tensor(path, model):
    rewritten(path, {n: v.clone() for n, v in model.state_dict().items() if n != "norm2.running_var"})


def extra_tensor(path, model):
    rewritten(path, {n: v.clone() for n, v in model.state_dict().items()} | {"conv9.weight": torch.zeros(3)})


def change_configuration(path, change):
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    for key, value in metadata.items():
        if '"architecture"' in value:
            rewritten(path, **{key: change(value)})
            return
    raise AssertionError("no configuration found")


def broken_json(path, model):
    change_configuration(path, lambda value: value[:-3])


def impossible_configuration(path, model):
    change_configuration(path, lambda value: json.dumps(json.loads(value) | {"n_filters": -1}))


def unknown_field(path, model):
    change_configuration(path, lambda value: json.dumps(json.loads(value) | {"colour": "red"}))


def other_configuration(path, model):
    change_configuration(path, lambda value: json.dumps(json.loads(value) | {"n_filters": 4}))


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    "spoil",
    [
        foreign,
        text,
        empty,
        truncated,
        cut_in_the_header,
        wrong_shape,
        missing_tensor,
        extra_tensor,
        broken_json,
        impossible_configuration,
        unknown_field,
        other_configuration,
    ],
)
def test_spoilt_files_are_refused_by_name(tmp_path, spoil):
    model = rcviz.build_model(tiny())
    path = tmp_path / "kept_model.safetensors"
    rcviz.save_model(model, path)
    spoil(path, model)
    with pytest.raises(ValueError, match=r"kept_model\.safetensors"):
        rcviz.load_model(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        rcviz.load_model(tmp_path / "nowhere.safetensors")


# ---------------------------------------------------------------- refusals, before any work


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("architecture", ["RC", "rc", ""])
def test_unknown_architecture_quotes_the_choices(architecture):
    for make in (
        lambda: tiny(architecture, head="weighted_sum"),
        lambda: rcviz.ModelConfig.simulated(architecture),
        lambda: rcviz.ModelConfig.chipseq(architecture),
        lambda: rcviz.ModelConfig.one_layer(architecture, n_filters=8),
    ):
        with pytest.raises(ValueError, match=r"(?s)(?=.*revcomp)(?=.*standard)"):
            make()


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head": "mean"}, ("weighted_sum", "flatten")),
        ({"initializer": "he"}, ("glorot", "keras1")),
        ({"sequence_length": 0}, ("sequence_length", "0")),
        ({"n_filters": 0}, ("n_filters", "0")),
        ({"n_filters": -3}, ("n_filters", "-3")),
        ({"kernel_sizes": ()}, ("kernel_sizes",)),
        ({"kernel_sizes": (3, 0)}, ("kernel.size", "0")),
        ({"pool_size": 0}, ("pool_size", "0")),
        ({"pool_stride": 0}, ("pool_stride", "0")),
        ({"n_tasks": 0}, ("n_tasks", "0")),
        ({"kernel_sizes": (25,)}, ("25", "24")),
        ({"kernel_sizes": (20, 6)}, ("24", "20, 6")),
        ({"pool_size": 22}, ("22", "21")),
    ],
)
@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_impossible_configurations(architecture, changes, words):
    with pytest.raises(ValueError, match="(?s)" + "".join(f"(?=.*{word})" for word in words)):
        tiny(architecture, **changes)


def test_only_one_task_after_a_weighted_sum_can_be_frozen():
    """Section 3.4.2 freezes because "there is a single output neuron": two frozen outputs would be one."""
    for changes in ({"n_tasks": 2}, {"n_tasks": 1, "head": "flatten"}):
        with pytest.raises(ValueError, match="freeze_output"):
            tiny(freeze_output=True, **changes)
    assert not rcviz.ModelConfig.chipseq("revcomp", n_tasks=2).freeze_output


def test_a_ragged_pool_is_refused_by_the_configuration():
    """21 positions, windows of 6 every 4: a remainder of 3 cannot lie evenly; a plain model drops it."""
    with pytest.raises(ValueError, match=r"(?i)pool"):
        tiny(pool_stride=4)
    assert pooled(rcviz.build_model(tiny("standard", pool_stride=4)), 24) == 4
    with pytest.raises(ValueError, match=r"(?i)pool"):
        rcviz.ModelConfig.simulated("revcomp", sequence_length=201)


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_wrong_inputs_are_refused(architecture):
    model = rcviz.build_model(tiny(architecture))
    with pytest.raises(ValueError, match="channels are last"):
        model(torch.zeros(2, 24, 4))
    with pytest.raises(ValueError, match=r"(?s)(?=.*24)(?=.*25)"):
        model(torch.zeros(2, 4, 25))
    with pytest.raises(ValueError, match=r"(?s)(?=.*4)(?=.*5)"):
        model(torch.zeros(2, 5, 24))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n_filters": 8.5}, "n_filters must be a whole number, got 8.5"),
        ({"n_tasks": True}, "n_tasks must be a whole number"),
        ({"kernel_sizes": 15}, r"one width per convolution, such as \(15, 14, 14\), got 15"),
    ],
)
def test_settings_of_another_kind_are_refused(as_users_run, change, match):
    settings = {"architecture": "revcomp", "sequence_length": 60, "n_filters": 2, "kernel_sizes": (7,)}
    with pytest.raises(ValueError, match=match):
        rcviz.ModelConfig(**{**settings, "pool_size": 9, "pool_stride": 9, **change})


def test_saving_twice_gives_the_same_file(tmp_path):
    model = rcviz.build_model(tiny())
    for name in ("one", "two"):
        rcviz.save_model(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
