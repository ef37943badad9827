"""ONNX files, run by onnxruntime in float32 against the models."""

import builtins

import numpy as np
import pytest
import torch
from drawn import one_hot
from torch import nn

import rcviz

pytestmark = pytest.mark.usefixtures("as_users_run", "operators_once")  # torch.export follows the code as users run it


@pytest.fixture
def outputs():
    """Run a file on batches of several sizes."""
    onnxruntime = pytest.importorskip("onnxruntime")

    def run(path, batches, name="logits"):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (given,), (returned,) = session.get_inputs(), session.get_outputs()
        assert (given.name, returned.name) == ("sequences", name)
        assert isinstance(given.shape[0], str)
        return [session.run(None, {"sequences": x.numpy()})[0] for x in batches]

    return run


def batches(length):
    return [one_hot(n, length, seed=n).float() for n in (1, 2, 7)]


def attention():
    block = nn.Sequential(rcviz.RevCompBatchNorm1d(8), rcviz.RevCompSelfAttention1d(8, n_heads=2))
    return nn.Sequential(rcviz.RevCompConv1d(4, 4, 3), rcviz.RevCompResidual1d(block))


def conjoined():
    config = rcviz.ModelConfig.simulated("standard", sequence_length=60, pool_size=20, n_filters=3)
    return rcviz.RevCompConjoined(rcviz.build_model(config))


def kmers():
    return nn.Sequential(rcviz.RevCompKmers1d(2), rcviz.RevCompConv1d(20, 4, 3), rcviz.RevCompGlobalPool1d())


def pooled():
    return nn.Sequential(rcviz.RevCompConv1d(4, 4, 3), rcviz.RevCompGlobalPool1d("mean"), nn.Linear(4, 2))


def trimmed():
    """102 - 40 = 62 positions, windows of 40 every 20: two left over."""
    return rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=2, sequence_length=102))


@pytest.mark.parametrize("make", [attention, conjoined, kmers, pooled, trimmed])
def test_onnxruntime_gives_the_same(make, stirred, outputs, tmp_path):
    """Converted where that is possible, else as it is, in batches of any size."""
    model, path = stirred(make()), tmp_path / "model.onnx"
    length = 102 if make is trimmed else 60
    rcviz.export_onnx(model, path, length=None if make in (trimmed, conjoined) else length)
    with torch.no_grad():
        want = np.concatenate([model(x.double()).numpy() for x in batches(length)])
    assert want.std() > 1e-2
    np.testing.assert_allclose(np.concatenate(outputs(path, batches(length))), want, atol=1e-4)


class Images(nn.Module):
    """Reads (batch, 4, length, 1) and returns a dict with probabilities."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(4, 5, (7, 1)), nn.BatchNorm2d(5), nn.Linear(5, 2)

    def forward(self, x):
        return {"features": x, "bound": self.head(self.norm(self.conv(x)).relu().amax(dim=(2, 3))).sigmoid()}


class Tracks(nn.Module):
    """Reads (batch, length, 4) with control tracks and returns a profile and counts."""

    def __init__(self):
        super().__init__()
        self.conv, self.profile, self.counts = nn.Conv1d(4, 5, 7), nn.Conv1d(7, 1, 5), nn.Linear(7, 1)

    def forward(self, x, controls):
        h = torch.cat([self.conv(x.transpose(1, 2)).relu(), controls[..., :-6]], dim=1)
        return self.profile(h), self.counts(h.mean(dim=2))


ADAPTED = {
    "image": (
        Images,
        {"layout": "NCL1", "bases": "AGCT", "unknown": 0.25, "output": "bound", "output_is": "probability"},
    ),
    "tracks": (
        Tracks,
        {
            "layout": "NLC",
            "inputs": lambda x: (x, torch.stack([x[..., 0], 1 - x[..., 3]], dim=1)),
            "output": 1,
            "output_is": "value",
        },
    ),
}


@pytest.mark.parametrize("kind", ADAPTED)
def test_adapted_models_are_exported_and_compiled(kind, outputs, tmp_path):
    """By ``export_onnx``, ``torch.export`` and ``torch.compile``: the same logits or values, N included.

    Over 10 s, because the first use of each exporter in a process takes seconds.
    """
    make, settings = ADAPTED[kind]
    model = rcviz.as_sequence_model(make(), **settings).eval()
    given = batches(40)
    for x in given:
        x[0, :, 5:9] = 0  # unknown bases
    with torch.no_grad():
        want = [model(x) for x in given]
    assert torch.cat(want).std() > 1e-3
    rcviz.export_onnx(model, tmp_path / "model.onnx", length=40)
    batch = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(model, (given[1],), dynamic_shapes=batch).module()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for run in (
        lambda x: torch.from_numpy(
            outputs(tmp_path / "model.onnx", [x], "values" if kind == "tracks" else "logits")[0]
        ),
        exported,
        compiled,
    ):
        for x, expected in zip(given, want, strict=True):
            torch.testing.assert_close(run(x), expected, atol=1e-5, rtol=0)


class Confident(nn.Module):
    """Probabilities whose logits, up to 25, float32 cannot hold beside 1; ``after`` is done to them."""

    def __init__(self, after):
        super().__init__()
        self.conv, self.head, self.after = nn.Conv1d(4, 5, 7), nn.Linear(5, 2), after

    def forward(self, x):
        return self.after(torch.sigmoid(60 * self.head(self.conv(x).relu().amax(dim=2)).abs()))


@pytest.mark.parametrize(
    ("after", "exact"),
    [(lambda p: p.flip(1), True), (lambda p: p.mul_(0.5), False), (lambda p: p.clone().clamp_(0.1, 0.9), False)],
)
def test_an_export_has_the_logits_before_the_last_sigmoid(after, exact):
    """Where the probabilities are changed after it, also in place, they are those of the changed ones."""
    model = rcviz.as_sequence_model(Confident(after), output_is="probability").double().eval()
    x = torch.cat(batches(40)).double()
    with torch.no_grad():
        want, probabilities = model(x), model.model(x)
        assert not exact or want.max() > 18
        torch.testing.assert_close(want.sigmoid(), probabilities)
        exported = torch.export.export(model.float(), (x[:2].float(),)).module()
        assert torch.allclose(exported(x[:2].float()).double(), want[:2], atol=1e-4 if exact else 1e-3)


def test_one_file_with_nothing_of_this_machine(outputs, tmp_path):
    """Plain operations only, the same file every time, and the model as it was."""
    onnx = pytest.importorskip("onnx")
    model = rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", sequence_length=60, pool_size=20)).double()
    for name in ("one.onnx", "two.onnx"):
        rcviz.export_onnx(model, tmp_path / name)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one.onnx", "two.onnx"]
    written = (tmp_path / "one.onnx").read_bytes()
    assert written == (tmp_path / "two.onnx").read_bytes()
    assert b".py" not in written
    kinds = {node.op_type for node in onnx.load(tmp_path / "one.onnx").graph.node}
    assert kinds <= {"Conv", "Relu", "MaxPool", "Reshape", "Flatten", "Gemm", "BatchNormalization", "Shape", "Concat"}
    assert model.training
    assert model.conv1.weight.dtype == torch.float64


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(40, 1)

    def forward(self, x):
        return self.dense(x.flatten(1)) * len(x)


class Several(Fixed):
    def forward(self, x):
        return {"logits": self.dense(x.flatten(1)), "length": x.shape[2]}


class Undecided(Fixed):
    def forward(self, x):
        return self.dense(x.flatten(1)) if x.sum() > 3 else self.dense(x.flatten(1)) + 1


@pytest.mark.parametrize(
    ("model", "length", "words"),
    [
        (Fixed, 10, ("Fixed", "batch size", r"x\.shape\[0\]")),
        (Several, 10, ("dict", "logits")),
        (Undecided, 10, ("cannot export Undecided",)),
        (Fixed, None, ("Fixed", "length=")),
        (Fixed, 11, (r"\(batch, 4, 11\)", "built for")),
        (lambda: nn.Sequential(rcviz.RevCompConv1d(4, 2, 12)), 10, ("12", "10")),
        (lambda: rcviz.build_model(rcviz.ModelConfig.simulated("revcomp")), 150, ("200", "150")),
    ],
)
def test_refusals(model, length, words, tmp_path):
    (tmp_path / "old.onnx").write_text("old")
    with pytest.raises(ValueError, match="(?s)" + "".join(f"(?=.*{word})" for word in words)):
        rcviz.export_onnx(model(), tmp_path / "old.onnx", length=length)
    assert (tmp_path / "old.onnx").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_to_install_is_said(monkeypatch, tmp_path):
    imported = builtins.__import__

    def without_onnx(name, *others):
        if name.startswith("onnx"):
            raise ModuleNotFoundError(name)
        return imported(name, *others)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(ImportError, match=r"rcviz\[onnx\]"):
        rcviz.export_onnx(nn.Linear(4, 4), tmp_path / "model.onnx", length=4)
