"""Networks that people bring as they are, handed to every function that takes a model: an answer, or one sentence."""

import copy

import numpy as np
import pytest
import torch
from foreign import seeded
from torch import nn

import rcviz


@pytest.fixture(scope="module")
def data():
    codes = np.random.default_rng(5).integers(0, 4, (12, 40), dtype=np.uint8)
    return rcviz.SequenceSet(codes, (np.arange(12) % 2)[:, None].astype(np.float32), task_names=["bound"])


class Network(nn.Module):
    """A convolution, its filters' maxima and a dense layer; ``body`` is what is peculiar."""

    def __init__(self, body, **more):
        super().__init__()
        self.spare, self.conv, self.relu, self.head = (
            more.pop("spare", nn.Identity()),
            nn.Conv1d(4, 6, 7),
            nn.ReLU(),
            nn.Linear(6, 1),
        )
        self.body = body

    def plainly(self, x):
        return self.head(self.relu(self.conv(x)).amax(dim=2))

    def forward(self, x):
        return self.body(self, x)


def twice():
    conv = nn.Conv1d(4, 4, 5)
    return nn.Sequential(conv, nn.ReLU(), conv, nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(4, 1))


def in_place(*, inplace=True):
    layers = nn.Conv1d(4, 6, 7), nn.ReLU(inplace=inplace), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 1)
    return nn.Sequential(*layers)


def over_its_input():
    return Network(lambda net, x: net.plainly(x.mul_(2)))


def over_what_is_needed():
    return Network(lambda net, x: net.head(net.conv(x).sigmoid().mul_(2).amax(dim=2)))


def in_two_types():
    model = Network(Network.plainly)
    model.head.double()
    return model


def partly_without_numbers():
    model = Network(Network.plainly)
    model.head.to("meta")
    return model


MODELS = {
    "used twice": twice,
    "in place": in_place,
    "over its input": over_its_input,
    "over what its gradient needs": over_what_is_needed,
    "a tuple": lambda: Network(lambda net, x: (net.plainly(x), x)),
    "a dict": lambda: Network(lambda net, x: {"logits": net.plainly(x), "input": x}),
    "nothing": lambda: Network(lambda net, x: (net.plainly(x), None)[1]),
    "two types": in_two_types,
    "meta": partly_without_numbers,
    "never reached": lambda: Network(Network.plainly, spare=nn.Conv1d(4, 2, 3)),
}
FUNCTIONS = {
    "predict": lambda model, data: rcviz.predict(model, data),
    "predict adapted": lambda model, data: rcviz.predict(rcviz.as_sequence_model(model), data),
    "predict conjoined": lambda model, data: rcviz.predict(rcviz.RevCompConjoined(model), data),
    "strand_agreement": lambda model, data: rcviz.strand_agreement(model, data).summary(),
    "filter_bank": lambda model, data: rcviz.filter_bank(model),
    "palindromes": lambda model, data: rcviz.palindromes(rcviz.filter_bank(model)),
    "filter_contributions": lambda model, data: rcviz.filter_contributions(model, data),
    "at the convolution": lambda model, data: rcviz.filter_contributions(model, data, at="convolution"),
    "activation_profiles": lambda model, data: rcviz.activation_profiles(model, data),
    "gap_by_filter": lambda model, data: rcviz.gap_by_filter(model, data),
    "strand_attributions": lambda model, data: rcviz.strand_attributions(model, data),
    "hypothetical_attributions": lambda model, data: rcviz.hypothetical_attributions(model, data),
    "mutagenesis": lambda model, data: rcviz.mutagenesis(model, data.subset([0, 1])),
    "FilterExplorer": lambda model, data: rcviz.FilterExplorer(model, data).close(),
    "StrandExplorer": lambda model, data: rcviz.StrandExplorer(model, data).close(),
    "equivariance_error": lambda model, data: rcviz.equivariance_error(model, data.one_hot()),
    "diagnose_equivariance": lambda model, data: rcviz.diagnose_equivariance(model, data.one_hot()),
    "assert_invariant": lambda model, data: rcviz.assert_invariant(model, data.one_hot()),
    "check_structure": lambda model, data: rcviz.check_structure(model, length=40),
    "to_standard": lambda model, data: rcviz.to_standard(model),
    "to_revcomp": lambda model, data: rcviz.to_revcomp(model, length=40),
}
RUNNING = {*FUNCTIONS} - {"filter_bank", "palindromes", "check_structure", "to_standard", "to_revcomp"}
CONTRIBUTIONS = {"filter_contributions", "at the convolution", "gap_by_filter", "FilterExplorer"}
NEURONS = CONTRIBUTIONS | {"activation_profiles"}
ATTRIBUTIONS = {"strand_attributions", "hypothetical_attributions"}
COMPARED = {"diagnose_equivariance", "assert_invariant"}
LOGITS = RUNNING - COMPARED - {"activation_profiles"}
CONVERTED = {"to_standard", "to_revcomp"}

NO_CHAIN = dict.fromkeys(CONVERTED, "Network.forward")
SENTENCES = {
    "used twice": {
        **dict.fromkeys({"activation_profiles", "FilterExplorer"}, "0 is used several times .*positions"),
        **dict.fromkeys(CONVERTED, "0 and 2 are one module"),
    },
    "over its input": NO_CHAIN,
    "over what its gradient needs": {
        **dict.fromkeys(ATTRIBUTIONS | {"at the convolution"}, "in place"),
        **NO_CHAIN,
    },
    "a tuple": {
        **dict.fromkeys(LOGITS, r"a tuple of 2.*rcviz.as_sequence_model\(model, output=0\)"),
        "predict conjoined": r"returned a tuple; .*rcviz.as_sequence_model\(",
        **NO_CHAIN,
    },
    "a dict": {
        **dict.fromkeys(LOGITS, r"the keys 'logits', 'input'.*as_sequence_model\(model, output='logits'\)"),
        "predict conjoined": r"returned a dict; .*rcviz.as_sequence_model\(",
        **NO_CHAIN,
    },
    "nothing": {
        **dict.fromkeys(LOGITS, r"logits.*got a NoneType"),
        "assert_invariant": "Network.*floating-point tensor",
        "predict conjoined": "the model returned a NoneType",
        **NO_CHAIN,
    },
    "two types": dict.fromkeys((RUNNING - COMPARED) | {"to_revcomp"}, r"conv.weight.* float32 .*head.weight.* float64"),
    "meta": dict.fromkeys(RUNNING | {"to_revcomp"}, "head.weight.* meta device"),
    "never reached": dict.fromkeys(NEURONS - {"FilterExplorer"}, "layer spare .*conv"),
}
"""Pattern of the error, by model and function; all others give a result."""


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.usefixtures("as_users_run")
def test_an_answer_or_one_sentence(kind, data):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = MODELS[kind]()
    state = [tensor.clone() for tensor in model.state_dict().values() if not tensor.is_meta]
    for name, function in FUNCTIONS.items():
        given = rcviz.SequenceSet(data.codes, data.labels, task_names=data.task_names)
        sentence = SENTENCES.get(kind, {}).get(name)
        if sentence is not None:
            with pytest.raises(ValueError, match=sentence) as said:
                function(model, given)
            assert "\n" not in str(said.value), name
        elif name == "assert_invariant":
            with pytest.raises(AssertionError, match=r"float64: .*broken by"):
                function(model, given)
        else:
            function(model, given)
        assert np.array_equal(given.codes, data.codes), name
        assert all(part.training for part in model.modules()), name
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules()), name
    assert all(map(torch.equal, state, (tensor for tensor in model.state_dict().values() if not tensor.is_meta)))


def test_work_in_place_gives_the_same_numbers(data):
    one, other = (seeded(lambda inplace=inplace: in_place(inplace=inplace)) for inplace in (True, False))
    for function in (
        lambda model: rcviz.predict(model, data),
        lambda model: rcviz.filter_contributions(model, data).per_sequence,
        lambda model: rcviz.filter_contributions(model, data, at="convolution").per_sequence,
        lambda model: rcviz.activation_profiles(model, data).binned,
        lambda model: rcviz.hypothetical_attributions(model, data),
        lambda model: rcviz.diagnose_equivariance(model, data.one_hot())["error"].to_numpy(),
    ):
        np.testing.assert_array_equal(function(one), function(other))
        assert np.ptp(function(one)) > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_models_of_another_type_are_read_in_it(dtype, data):
    """Beside the same in float32, within rounding; the tables are in a type that NumPy has."""
    model = seeded(in_place, dtype=torch.float32)
    other = copy.deepcopy(model).to(dtype)
    limit = 8 * torch.finfo(dtype).eps + 1e-5
    for function in (
        lambda model: rcviz.predict(model, data),
        lambda model: rcviz.strand_agreement(model, data).reverse,
        lambda model: rcviz.filter_contributions(model, data).per_sequence,
        lambda model: rcviz.hypothetical_attributions(model, data),
    ):
        np.testing.assert_allclose(function(other), function(model), atol=limit)
    assert next(other.parameters()).dtype == dtype
    for name in ("FilterExplorer", "StrandExplorer", "diagnose_equivariance", *CONVERTED):
        FUNCTIONS[name](other, data)


def test_nothing_is_read_off_tensors_without_numbers(tmp_path):
    model = in_place().to("meta")
    for function in (rcviz.filter_bank, lambda model: rcviz.export_onnx(model, tmp_path / "model.onnx", length=40)):
        with pytest.raises(ValueError, match=r"weight.* meta device"):
            function(model)
    assert not list(tmp_path.iterdir())


OF_THE_LENGTH = r"does not accept one-hot sequences \(batch, 4, 40\)"
TOO_LITTLE = {
    "of another length": (lambda: nn.Sequential(nn.Conv1d(4, 6, 7), nn.Flatten(), nn.Linear(180, 1)), OF_THE_LENGTH),
    "a function": (lambda: torch.sum, "model .*nn.Module.*builtin_function"),
    "complex": (
        lambda: Network(lambda net, x: net.plainly(x) + 0j),
        "logits.*got complex64",
    ),
    "decisions": (lambda: Network(lambda net, x: (net.plainly(x) > 0).long()), "logits.*got int64"),
    "one row": (lambda: Network(lambda net, x: net.plainly(x).mean(0, keepdim=True)), r"logits \(batch, tasks\)"),
}


@pytest.mark.parametrize("kind", TOO_LITTLE)
@pytest.mark.usefixtures("as_users_run")
def test_what_gives_no_logits_is_one_sentence_everywhere(kind, data):
    make, sentence = TOO_LITTLE[kind]
    for name in LOGITS - {"predict conjoined", "StrandExplorer", "equivariance_error"}:
        with pytest.raises(ValueError, match=sentence) as said:
            FUNCTIONS[name](make(), data)
        assert "\n" not in str(said.value), name


CANNOT_LEARN = {
    "detached": (lambda: Network(lambda net, x: net.plainly(x).detach()), "no gradient"),
    "frozen": (lambda: Network(Network.plainly).requires_grad_(False), "requires_grad"),
    "over what its gradient needs": (over_what_is_needed, "in place"),
    **TOO_LITTLE,
}


@pytest.mark.parametrize("kind", CANNOT_LEARN)
@pytest.mark.usefixtures("as_users_run")
def test_what_cannot_learn_is_refused_before_training(kind, data, tmp_path):
    make, sentence = CANNOT_LEARN[kind]
    config = rcviz.TrainConfig(epochs=1, batch_size=5)
    with pytest.raises(ValueError, match=sentence):
        rcviz.fit(make(), data, data, config, progress=False, checkpoint=tmp_path / "run.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("as_users_run")
def test_more_outputs_in_training_than_else_are_said(data):
    model = Network(lambda net, x: (net.plainly(x), x) if net.training else net.plainly(x))
    with pytest.raises(ValueError, match=r"logits.*got a tuple of 2"):
        rcviz.fit(model, data, data, rcviz.TrainConfig(epochs=1, batch_size=5), progress=False)
