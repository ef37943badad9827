"""Gradient times activation against knock-outs: do they rank filters alike, and are sizes and signs the same?

    OMP_NUM_THREADS=1 python benchmarks/contributions_knockouts.py

rcviz.filter_ablation measures both on test sequences: of networks of filters of 15 bp (bundled CTCF example) and of
simulated motifs, with one and three convolutions, shared and standard, three seeds each; and of the networks of others
in tests/architectures.py, trained on the middle of the CTCF sequences. A run that was stopped goes on where it was.
Writes benchmarks/results/contributions_knockouts.json, from which benchmarks/contributions_tables.py makes the tables
of docs/explanation/contributions.md.

Between the two stand rectifiers and max pooling behind the filter, which choose anew when it is gone. So knock-outs are
repeated with their choices held fixed: with those of the rectifiers, those of the pooling, and both. With both the rest
of the network is linear and the effect must be the contribution.
"""

import json
import sys
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata, spearmanr
from torch import nn

import rcviz

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from architectures import ARCHITECTURES, LENGTH  # noqa: E402 - of the tests

OUT = ROOT / "benchmarks" / "results" / "contributions_knockouts.json"
SEEDS = range(3)
SIZES = {"RC": 8, "standard": 16}
"""Filters: as many channels."""

KEYS = ("data", "layers", "kind", "seed")


@lru_cache(maxsize=1)
def parts_of(data):
    if data == "CTCF":
        return rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
    return rcviz.split(rcviz.simulate_motifs(n_per_motif=1000, seed=0), train=0.7, valid=0.15, test=0.15, seed=0)


def trained(data, n_layers, kind, seed, epochs=30):
    """Train one network, standard ones on both strands."""
    preset = {1: rcviz.ModelConfig.one_layer, 3: rcviz.ModelConfig.chipseq}[n_layers]
    pool = {1: {"pool_size": 31}, 3: {"pool_size": 40, "pool_stride": 20}}[n_layers]
    parts = parts_of(data)
    architecture = {"RC": "revcomp", "standard": "standard"}[kind]
    n_tasks = parts.train.labels.shape[1]
    config = preset(architecture, n_filters=SIZES[kind], sequence_length=200, n_tasks=n_tasks, **pool)
    model = rcviz.build_model(config, seed=seed)
    augmentation = "none" if kind == "RC" else "revcomp"
    training = rcviz.TrainConfig.chipseq(epochs=epochs, augmentation=augmentation, seed=seed, device="cpu")
    rcviz.fit(model, parts, config=training, progress=False)
    return model.eval()


@contextmanager
def replaced(module, change):
    """Have ``change(inputs, output)`` replace what a module returns."""
    handle = module.register_forward_hook(lambda _, inputs, output: change(inputs[0], output))
    try:
        yield
    finally:
        handle.remove()


def remembered(module, inputs, outputs):
    """Keep what a module gets and returns, and change nothing."""

    def keep(x, output):
        inputs[module], outputs[module] = x, output
        return output

    return keep


def silence(channels):
    """Set channels to zero."""

    def change(_, output):
        silenced = output.clone()
        silenced[:, channels] = 0
        return silenced

    return change


def behind(model, act):
    """Rectifiers and poolings that follow an activation, in order of the model's modules."""
    modules = list(model.modules())
    later = modules[modules.index(act) + 1 :]
    rectifiers = [module for module in later if isinstance(module, nn.ReLU)]
    return rectifiers, [module for module in later if isinstance(module, nn.MaxPool1d | rcviz.RevCompMaxPool1d)]


def as_before(module, x):
    """Make a change that lets a rectifier pass, or a pooling take, what it does for its input ``x``."""
    if isinstance(module, nn.ReLU):
        passed = x > 0
        return lambda new, _: new * passed
    trim = module.trim(x.shape[-1]) if isinstance(module, rcviz.RevCompMaxPool1d) else 0

    def inner(values):
        return values[..., trim : values.shape[-1] - trim]

    _, places = F.max_pool1d(inner(x), module.kernel_size, module.stride, return_indices=True)
    return lambda new, _: inner(new).gather(-1, places)


def channels_of(index, n_channels, shared):
    """The channels of a filter: under sharing also its RC partner's."""
    return [index, n_channels - 1 - index] if shared else [index]


@torch.no_grad()
def knock_outs(model, x, act, fixed, *, shared):
    """Logits with each filter minus logits without, (N, filters, tasks); ``fixed`` modules choose as with it."""
    inputs, outputs = {}, {}
    with ExitStack() as stack:
        for module in (act, *fixed):
            stack.enter_context(replaced(module, remembered(module, inputs, outputs)))
        whole = model(x)
    n_channels = outputs[act].shape[1]
    effects = []
    for index in range(n_channels // 2 if shared else n_channels):
        with ExitStack() as stack:
            stack.enter_context(replaced(act, silence(channels_of(index, n_channels, shared))))
            for module in fixed:
                stack.enter_context(replaced(module, as_before(module, inputs[module])))
            effects.append(whole - model(x))
    return torch.stack(effects, dim=1).numpy()


def by_class(effects, labels):
    """Mean over positives and over negatives."""
    return effects[labels == 1].mean(axis=0), effects[labels == 0].mean(axis=0)


def measured(ablation, others=None):
    """Compare the knock-outs of an ablation with its contributions; ``others`` are effects (N, filters) by kind."""
    contributions, labels = ablation.contributions.per_sequence, ablation.labels
    estimate = ablation.contributions.scores
    effects = {"zero": ablation.effects, **(others or {})}
    scores = {kind: np.subtract(*by_class(values, labels)) for kind, values in effects.items()}
    positive, negative = by_class(ablation.effects, labels)
    true = scores["zero"]
    changed = np.sign(true) != np.sign(estimate)
    against = (true > 0) & (positive < 0) & (negative < 0)
    return {
        "spearman": ablation.rank_correlation,
        "spearman by sequence": float(spearmanr(contributions.ravel(), ablation.effects.ravel()).statistic),
        "size": {kind: float(abs(score).sum() / abs(estimate).sum()) for kind, score in scores.items()},
        "effect minus contribution": {
            name: float((ablation.effects - contributions)[labels == label].sum(axis=1).mean())
            for name, label in (("positives", 1), ("negatives", 0))
        },
        "filters": len(true),
        "sign changes": int(changed.sum()),
        "largest that changes": float(abs(true[changed]).max(initial=0) / abs(true).max()),
        "positive": int((true > 0).sum()),
        "positive, against in both classes": int(against.sum()),
        "largest of these": float(true[against].max(initial=0) / abs(true).max()),
        **{
            f"largest gap with {kind}": float(abs(values - contributions).max())
            for kind, values in effects.items()
            if kind == "both fixed"
        },
        "largest contribution": float(abs(contributions).max()),
    }


def rows_of(model, data, n_layers, kind, seed):
    """One row for each layer and task of a network."""
    test, shared = parts_of(data).test, kind == "RC"
    x = torch.from_numpy(test.one_hot())
    auroc = rcviz.evaluate(model, test)["auroc"]
    rows = []
    for layer in range(1, n_layers + 1):
        act = getattr(model, f"relu{layer}")
        rectifiers, poolings = behind(model, act)
        kinds = {"rectifiers fixed": rectifiers, "pooling fixed": poolings, "both fixed": [*rectifiers, *poolings]}
        fixed = {name: knock_outs(model, x, act, modules, shared=shared) for name, modules in kinds.items()}
        for task, name in enumerate(test.task_names):
            about = {"data": data, "layers": n_layers, "kind": kind, "seed": seed, "layer": layer, "task": name}
            options = {"task": task, "layer": f"conv{layer}"}
            others = {kind: values[:, :, task] for kind, values in fixed.items()}
            others["mean"] = rcviz.filter_ablation(model, test, replace="mean", **options).effects
            found = measured(rcviz.filter_ablation(model, test, **options), others)
            rows.append({**about, "auroc": float(auroc.iloc[task]), **found})
    return rows


def row_of_other(name, seed=0):
    """Train a network of others on the middle of the CTCF sequences, and compare its filters.

    Each of its outputs has the same labels; a regression fits them as values.
    """
    given = ARCHITECTURES[name]
    torch.manual_seed(seed)
    model = rcviz.as_sequence_model(given.make(), **given.declared)
    n_outputs = rcviz.predict(model, ["A" * LENGTH]).shape[1]
    kind = "value" if given.scale == "value" else "binary"

    def middle(data):
        first = (data.length - LENGTH) // 2
        labels = np.repeat(data.labels, n_outputs, axis=1)
        return rcviz.SequenceSet(data.codes[:, first : first + LENGTH], labels, label_kind=kind)

    parts = parts_of("CTCF")
    train, valid, test = (middle(data) for data in (parts.train, parts.valid, parts.test))
    loss = "mse" if kind == "value" else "bce"
    training = rcviz.TrainConfig(
        epochs=12, samples_per_epoch=1750, batch_size=100, augmentation="revcomp", learning_rate=0.01, loss=loss,
        device="cpu",
    )  # fmt: skip
    rcviz.fit(model, train, valid, training, progress=False)
    bound = test.labels[:, 0] == 1
    auroc = rank_auroc(rcviz.predict(model, test)[:, 0], bound)
    ablation = rcviz.filter_ablation(model, test, positives=bound)
    means = rcviz.filter_ablation(model, test, positives=bound, replace="mean").effects
    about = {"data": "middle of CTCF", "network": name, "at": ablation.at.split(":")[0], "auroc": auroc}
    return {**about, **measured(ablation, {"mean": means})}


def rank_auroc(predictions, positive):
    """The probability that a positive is ranked above a negative."""
    ranks, n = rankdata(predictions), positive.sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (~positive).sum()))


def main():
    """Measure what is not yet in the file."""
    torch.set_num_threads(1)
    content = json.loads(OUT.read_text()) if OUT.exists() else {"rows": []}
    content = {"torch": torch.__version__, "others": []} | content

    def add(part, rows):
        content[part] += rows
        OUT.write_text(json.dumps(content, indent=1) + "\n")
        print(*(rows[-1].get(key) for key in (*KEYS, "network", "spearman", "size")))

    for name, given in ARCHITECTURES.items():
        if given.layer and name not in {row["network"] for row in content["others"]}:
            add("others", [row_of_other(name)])
    done = {tuple(row[key] for key in KEYS) for row in content["rows"]}
    for network in product(("CTCF", "simulated"), (1, 3), SIZES, SEEDS):
        if network not in done:
            model = trained(*network)
            add("rows", rows_of(model, *network))


if __name__ == "__main__":
    main()
