"""Properties of every architecture, tried on random ones: ``python tests/reliability/properties.py --record``.

A property is a strategy and a function that returns the error of a case: zero or one where bits are compared, otherwise
the largest difference in float64, in units of the larger of one and the largest number compared. With ``--record``, the
results go into ``benchmarks/results/reliability/properties.json``. The same seed gives the same architectures.
"""

import argparse
import copy
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import hypothesis
import numpy as np
import oracles
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reliability.architectures import SEEDS, Composed, codes, composed, configs, counted
from reliability.processes import conclude
from stirred import stirred
from torch import nn

import rcviz

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "properties.json"
TOLERANCE = 1e-12


def gap(found, wanted):
    """Largest difference, in units of the larger of one and the largest number wanted."""
    found, wanted = (np.asarray(value.detach() if hasattr(value, "detach") else value) for value in (found, wanted))
    assert found.shape == wanted.shape
    assert np.isfinite(wanted).all()
    return float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))


def bases(length, seed):
    return torch.tensor(rcviz.one_hot(codes(length, seed), dtype="float64"))


def other_strand(x):
    """By index arithmetic, not by a flip of the library's."""
    return torch.tensor(oracles.opposite_strand(x.numpy()))


def apart(model, length, seed):
    """Compare the outputs for both strands, in evaluation mode and in training mode with the same dropout."""
    x, worst = bases(length, seed), 0.0
    for training in (False, True):
        outputs = []
        for strand in (x, other_strand(x)):
            with torch.random.fork_rng(), torch.no_grad():
                torch.manual_seed(seed % 2**31)
                outputs.append(copy.deepcopy(model).train(training)(strand))
        worst = max(worst, gap(*outputs))
    return worst


def strands_of_models(case):
    """An RC model gives both strands the same logits; so does a standard one that is conjoined."""
    config, seed = case
    model = stirred(rcviz.build_model(config), seed)
    if config.architecture == "revcomp":
        return apart(model, config.sequence_length, seed)
    x = bases(config.sequence_length, seed)
    both = rcviz.RevCompConjoined(model).eval()
    return gap(both(x), both(other_strand(x)))


def strands_of_layers(case):
    made, seed = case
    return apart(stirred(made.network(), seed), made.length, seed)


def oracle(case):
    """Logits of loops over the paper's equations (tests/oracles.py)."""
    config, seed = case
    model = stirred(rcviz.build_model(config), seed)
    stored = oracles.stored_parameters(model)
    for name in stored:
        if name.endswith("running_var"):
            stored[name] = stored[name] + config.batchnorm_eps - oracles.EPS  # the oracle has one epsilon
    if config.head == "weighted_sum" and config.symmetric:  # and does not fold a profile
        length, nearer = config.pooled_length, stored["weighted_sum.weight"]
        columns = [min(position, length - 1 - position) for position in range(length)]
        stored["weighted_sum.weight"] = nearer[:, columns]
    x = bases(config.sequence_length, seed)[:2]
    return gap(model(x), oracles.forward(config, stored, x.numpy()))


def parameters_of_models(case):
    config, seed = case
    model = rcviz.build_model(config, seed=seed)
    table = rcviz.parameter_table(model)
    learned = int(table.loc[table["trainable"], "parameters"].sum())
    return float(max(abs(count - counted(config)) for count in (rcviz.count_parameters(model), learned)))


def parameters_of_layers(case):
    made, _ = case
    return float(abs(rcviz.count_parameters(made.network()) - made.n_parameters))


def storage(case):
    """A saved model comes back bit for bit and gives the same bits; saved again, it is the same file."""
    config, seed, dtype = case
    model = stirred(rcviz.build_model(config), seed).to(dtype)
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder) / "one", Path(folder) / "other"
        rcviz.save_model(model, one)
        loaded = rcviz.load_model(one)
        rcviz.save_model(loaded, other)
        alike = one.read_bytes() == other.read_bytes()
    before, after = model.state_dict(keep_vars=True), loaded.state_dict(keep_vars=True)
    alike &= loaded.config == config and not loaded.training and list(before) == list(after)
    for name, value in before.items():
        alike &= value.dtype == after[name].dtype and torch.equal(value, after[name])
        alike &= value.requires_grad == after[name].requires_grad
    letters = codes(config.sequence_length, seed)
    alike &= np.array_equal(rcviz.predict(model, letters), rcviz.predict(loaded, letters), equal_nan=True)
    return 0.0 if alike else 1.0


def plain_models(case):
    config, seed = case
    model = stirred(rcviz.build_model(config), seed)
    return gap(rcviz.to_standard(model)(x := bases(config.sequence_length, seed)), model(x))


def plain_layers(case):
    """What plain modules behind each other can express they do; what they cannot is refused by name."""
    made, seed = case
    model = stirred(made.network(), seed)
    if not made.refused:
        return gap(rcviz.to_standard(model, length=made.length)(x := bases(made.length, seed)), model(x))
    message = ""
    try:
        rcviz.to_standard(model, length=made.length)
    except ValueError as error:
        message = str(error)
    return 0.0 if any(kind in message for kind in made.refused) else 1.0


def sums(case):
    """Contributions to a logit and those of all biases behind the neurons add up to it (Euler; section 3.5).

    From the neurons on a network is linear between kinks, so that it is homogeneous in neurons, biases and, where a
    shortcut leads around the neurons, the sequence. A batch norm's mean is a bias here, with which it is one.
    """
    made, layer, at, task, seed = case
    network, length = built(made, seed)
    letters = codes(length, seed)
    labels = np.arange(len(letters)) % 2
    found = rcviz.filter_contributions(
        network, rcviz.SequenceSet(letters, np.repeat(labels[:, None], task + 1, axis=1)), task=task, layer=layer, at=at
    )
    folded = without_means(network)
    biases = [value.requires_grad_() for name, value in folded.named_parameters() if name.endswith("bias")]
    neurons = folded.get_submodule(neurons_of(folded, layer, at))
    handle = neurons.register_forward_hook(lambda module, given, y: y.detach().requires_grad_())
    wanted = []
    for sequence in bases(length, seed):
        x = sequence[None].requires_grad_()
        logit = folded(x)[0, task]
        slopes = torch.autograd.grad(logit, [x, *biases], allow_unused=True)
        others = [float((s * v.detach()).sum()) for s, v in zip(slopes, [x, *biases], strict=True) if s is not None]
        wanted.append(float(logit.detach()) - sum(others))
    handle.remove()
    means = [found.per_sequence[labels == label].mean(axis=0) for label in (1, 0)]
    return max(gap(found.per_sequence.sum(axis=1), wanted), gap(found.scores, means[0] - means[1]))


def without_means(network):
    """A copy whose batch norms have no mean, and a bias that does what it did."""
    folded = copy.deepcopy(network)
    for part in folded.modules():
        if isinstance(part, nn.BatchNorm1d | rcviz.RevCompBatchNorm1d):
            weight = torch.ones_like(part.running_var) if part.weight is None else part.weight.detach()
            bias = torch.zeros_like(weight) if part.bias is None else part.bias.detach()
            moved = bias - part.running_mean * weight * (part.running_var + part.eps).rsqrt()
            part.weight, part.bias, part.affine = nn.Parameter(weight), nn.Parameter(moved), True
            part.running_mean.zero_()
    return folded


def neurons_of(model, layer, at):
    """The convolution, or the rectifier that follows it."""
    names = [name for name, _ in model.named_modules()]
    if at == "convolution":
        return layer
    return next(name for name in names[names.index(layer) :] if isinstance(model.get_submodule(name), nn.ReLU))


def strands_of_contributions(case):
    """Filters add the same to both strands' logits."""
    made, layer, at, task, seed = case
    network, length = built(made, seed)
    letters = codes(length, seed)
    mirrored = np.where(letters < 4, 3 - letters, 4)[:, ::-1].astype(np.uint8)
    one, other = (
        rcviz.filter_contributions(network, strand, task=task, layer=layer, at=at).per_sequence
        for strand in (letters, mirrored)
    )
    return gap(one, other)


AT = st.sampled_from(["activation", "convolution"])


@st.composite
def explained(draw, architectures=("revcomp", "standard")):
    """A network, and whose contributions are asked for: one of section 3.4, or layers put together by hand."""
    if draw(st.booleans()):
        made = draw(configs(architectures))
        n_tasks, layer = made.n_tasks, f"conv{draw(st.integers(1, len(made.kernel_sizes)))}"
    else:
        made = draw(composed(("block", "pool", "dropout", "residual"), kmers=False))
        convolutions = [str(place) for place, part in enumerate(made.layers) if isinstance(part, rcviz.RevCompConv1d)]
        n_tasks, layer = made.layers[-1].out_features, draw(st.sampled_from(convolutions))
    return made, layer, draw(AT), draw(st.integers(0, n_tasks - 1)), draw(SEEDS)


def built(made, seed):
    """The network, and the length of its sequences."""
    if isinstance(made, Composed):
        return stirred(made.network(), seed), made.length
    return stirred(rcviz.build_model(made), seed), made.sequence_length


@dataclass(frozen=True)
class Property:
    """A strategy for cases, and the error of a case."""

    cases: Any
    error: Any


_MODELS, _LAYERS = st.tuples(configs(), SEEDS), st.tuples(composed(), SEEDS)
_SAVED = st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16])
PROPERTIES = {
    "both strands of a model": Property(_MODELS, strands_of_models),
    "both strands of layers composed by hand": Property(_LAYERS, strands_of_layers),
    "a model against loops over the paper's equations": Property(_MODELS, oracle),
    "parameters of a model": Property(_MODELS, parameters_of_models),
    "parameters of layers composed by hand": Property(_LAYERS, parameters_of_layers),
    "a model saved and loaded": Property(st.tuples(configs(), SEEDS, _SAVED), storage),
    "a model in plain modules": Property(_MODELS, plain_models),
    "layers composed by hand in plain modules": Property(
        st.tuples(composed(("block", "bare", "pool", "dropout", "irreps"), kmers=False) | composed(), SEEDS),
        plain_layers,
    ),
    "contributions add up to the logit": Property(explained(), sums),
    "contributions on both strands": Property(explained(("revcomp",)), strands_of_contributions),
}


def errors_of(name, examples, seed=None):
    """Return the errors of so many random cases; without a seed the cases are the same in every process."""
    errors = []
    held = PROPERTIES[name]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )
    @given(held.cases)
    def holds(case):
        error = held.error(case)
        assert error <= TOLERANCE, f"{name}: {error:.3g}"
        errors.append(error)

    (holds if seed is None else hypothesis.seed(seed)(holds))()
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=int, default=500, help="of every property")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PROPERTIES)
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results, faults = {}, []
    for name in [options.only] if options.only else PROPERTIES:
        started = time.perf_counter()
        try:
            errors = errors_of(name, options.examples, options.seed)
        except Exception as error:
            faults.append(f"{name}: {error!r}")
            continue
        results[name] = {
            "examples": len(errors),
            "largest_error": max(errors),
            "seconds": round(time.perf_counter() - started, 1),
        }
        print(name, results[name], file=sys.stderr, flush=True)
    result = {
        "seed": options.seed,
        "tolerance": TOLERANCE,
        "hypothesis": version("hypothesis"),
        "numpy": version("numpy"),
        "properties": results,
        "faults": faults,
    }
    conclude(result, RESULTS if options.record else None)


if __name__ == "__main__":
    main()
