"""Gradient times activation against knock-outs: do they rank filters alike, and are sizes and signs the same?

    OMP_NUM_THREADS=1 python benchmarks/contributions_knockouts.py

A knock-out sets the activation of a filter, and under RC sharing that of its partner, to zero at every position; its
effect on a sequence is the logit with the filter minus the logit without. Scores of both are means over positives minus
means over negatives, of test sequences. Networks of the quickstart (bundled CTCF example) and of simulated motifs, with
one and three convolutions, shared and standard, three seeds each. Writes
benchmarks/results/contributions_knockouts.json, from which benchmarks/contributions_tables.py makes the tables of
docs/explanation/contributions.md.

Between the two stand rectifiers and max pooling behind the filter, which choose anew when it is gone. So knock-outs are
repeated with their choices held fixed: with those of the rectifiers, those of the pooling, and both. With both the rest
of the network is linear and the effect must be the contribution.
"""

import json
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

import rcviz

OUT = Path(__file__).parent / "results" / "contributions_knockouts.json"
SEEDS = range(3)
SIZES = {"RC": 8, "standard": 16}
"""Filters, as in the quickstart: as many channels."""


@lru_cache(maxsize=1)
def parts_of(data):
    if data == "CTCF":
        return rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
    return rcviz.split(rcviz.simulate_motifs(n_per_motif=1000, seed=0), train=0.7, valid=0.15, test=0.15, seed=0)


def trained(data, n_layers, kind, seed, epochs=30):
    """Train one network as the quickstart does: standard ones on both strands."""
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


def silence(channels, values=None):
    """Set channels to zero, or to ``values``, one for each channel."""

    def change(_, output):
        silenced = output.clone()
        silenced[:, channels] = 0 if values is None else values[None, channels, None].to(output)
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
def knock_outs(model, x, act, *, shared, fixed=(), values=None):
    """Logits with each filter minus logits without: (N, filters, tasks).

    ``fixed`` are modules that choose as they do with the filter; ``values`` replace zero, one for each channel.
    """
    inputs, outputs = {}, {}
    with ExitStack() as stack:
        for module in (act, *fixed):
            stack.enter_context(replaced(module, remembered(module, inputs, outputs)))
        whole = model(x)
    n_channels = outputs[act].shape[1]
    effects = []
    for index in range(n_channels // 2 if shared else n_channels):
        with ExitStack() as stack:
            stack.enter_context(replaced(act, silence(channels_of(index, n_channels, shared), values)))
            for module in fixed:
                stack.enter_context(replaced(module, as_before(module, inputs[module])))
            effects.append(whole - model(x))
    return torch.stack(effects, dim=1).numpy()


@torch.no_grad()
def mean_activation(model, x, act):
    """Mean of each channel over sequences and positions."""
    outputs = {}
    with replaced(act, remembered(act, {}, outputs)):
        model(x)
    return outputs[act].mean(dim=(0, 2))


def by_class(effects, labels):
    """Mean over positives and over negatives."""
    return effects[labels == 1].mean(axis=0), effects[labels == 0].mean(axis=0)


def measured(model, data, layer, task, *, shared, effects):
    """Compare contributions to one task with the effects of each kind of knock-out, (N, filters, tasks)."""
    act = getattr(model, f"relu{layer}")
    contributions = rcviz.filter_contributions(model, data, task=task, layer=act).per_sequence
    labels = data.labels[:, task]
    estimate = np.subtract(*by_class(contributions, labels))
    classes = {kind: by_class(values[:, :, task], labels) for kind, values in effects.items()}
    scores = {kind: positive - negative for kind, (positive, negative) in classes.items()}
    positive, negative = classes["zero"]
    true = scores["zero"]
    changed = np.sign(true) != np.sign(estimate)
    against = (true > 0) & (positive < 0) & (negative < 0)
    return {
        "spearman": float(spearmanr(estimate, true).statistic),
        "spearman by sequence": float(spearmanr(contributions.ravel(), effects["zero"][:, :, task].ravel()).statistic),
        "size": {kind: float(abs(score).sum() / abs(estimate).sum()) for kind, score in scores.items()},
        "effect minus contribution": {
            name: float((effects["zero"][labels == label, :, task] - contributions[labels == label]).sum(axis=1).mean())
            for name, label in (("positives", 1), ("negatives", 0))
        },
        "filters": len(true),
        "sign changes": int(changed.sum()),
        "largest that changes": float(abs(true[changed]).max(initial=0) / abs(true).max()),
        "positive": int((true > 0).sum()),
        "positive, against in both classes": int(against.sum()),
        "largest of these": float(true[against].max(initial=0) / abs(true).max()),
        "largest gap with both fixed": float(abs(effects["both fixed"][:, :, task] - contributions).max()),
        "largest contribution": float(abs(contributions).max()),
    }


def rows_of(data, n_layers, kind, seed):
    """One row for each layer and task of a network."""
    model, test, shared = trained(data, n_layers, kind, seed), parts_of(data).test, kind == "RC"
    x = torch.from_numpy(test.one_hot())
    auroc = rcviz.evaluate(model, test)["auroc"]
    rows = []
    for layer in range(1, n_layers + 1):
        act = getattr(model, f"relu{layer}")
        rectifiers, poolings = behind(model, act)
        kinds = {
            "zero": {},
            "rectifiers fixed": {"fixed": rectifiers},
            "pooling fixed": {"fixed": poolings},
            "both fixed": {"fixed": [*rectifiers, *poolings]},
            "mean": {"values": mean_activation(model, x, act)},
        }
        effects = {name: knock_outs(model, x, act, shared=shared, **options) for name, options in kinds.items()}
        for task, name in enumerate(test.task_names):
            about = {"data": data, "layers": n_layers, "kind": kind, "seed": seed, "layer": layer, "task": name}
            found = measured(model, test, layer, task, shared=shared, effects=effects)
            rows.append({**about, "auroc": float(auroc.iloc[task]), **found})
    return rows


def main():
    torch.set_num_threads(1)
    rows = []
    for data in ("CTCF", "simulated"):
        for n_layers in (1, 3):
            for kind in SIZES:
                for seed in SEEDS:
                    rows += rows_of(data, n_layers, kind, seed)
                    print(
                        *(rows[-1][key] for key in ("data", "layers", "kind", "seed", "spearman", "size")), flush=True
                    )
    OUT.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
