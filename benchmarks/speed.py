"""The work of a day against plain PyTorch and peers: training steps, prediction, contributions, logos.

Everything of a group runs in turn in one process, several times over; ratios of medians are what counts. Of the peers,
tangermeme is in the extra "ecosystem"; equirc is not a dependency and must be in its own folder:

    pip install --no-deps --target build/peers equirc==1.0.0
    python benchmarks/speed.py --peers build/peers

Writes benchmarks/results/speed.json, or speed_avx512.json on a processor with AVX-512. ``--only NAME`` measures one
group and writes nothing.
"""

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import logomaker
import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from machine import REPEATS, described, interleaved
from torch import nn

import rcviz
from rcviz.plots._axes import figure_png, new_figure

OUT = Path(__file__).parent / "results"


def conv_net(n_filters, widths, pool, stride, length, n_tasks, *, last):
    """The standard network as one writes it; only its shape is the paper's."""
    layers, channels = [], 4
    for width in widths:
        layers += [nn.Conv1d(channels, n_filters, width), nn.BatchNorm1d(n_filters), nn.ReLU()]
        channels, length = n_filters, length - width + 1
    layers += [nn.MaxPool1d(pool, stride), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(n_filters * ((length - pool) // stride + 1), n_tasks), *last)


def chipseq_net():
    return conv_net(32, (15, 14, 14), 40, 20, 1000, 1, last=())


def simulated_net(n_filters=40):
    return conv_net(n_filters, (21,), 20, 20, 200, 3, last=())


def random_sequences(n, length):
    return np.random.default_rng(0).integers(0, 4, (n, length)).astype(np.uint8)


def training_step(model, codes, n_tasks, *, bfloat16=False, deterministic=False):
    """One step from one-hot sequences to new weights, as the usual loop has it."""
    x = torch.from_numpy(rcviz.one_hot(codes, dtype=np.float32))
    y = (torch.arange(len(codes) * n_tasks).reshape(-1, n_tasks) % 2).float()
    optimizer = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad])
    model.train()

    def step():
        torch.use_deterministic_algorithms(deterministic)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(x)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.use_deterministic_algorithms(False)

    return step


def by_modules(model):
    """The same network without the way in one go: a hook wants to see its parts."""
    model.relu1.register_forward_hook(lambda *_: None)
    return model


def training():
    chipseq, simulated = random_sequences(100, 1000), random_sequences(500, 200)

    def tied():
        return rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=16))

    rows = {
        "ChIP-seq step, plain nn.Conv1d, 32 filters": training_step(chipseq_net(), chipseq, 1),
        "ChIP-seq step, RC, 16 filters": training_step(tied(), chipseq, 1),
        "ChIP-seq step, RC, 16 filters, module by module": training_step(by_modules(tied()), chipseq, 1),
        "ChIP-seq step, RC, 16 filters, deterministic": training_step(tied(), chipseq, 1, deterministic=True),
        "ChIP-seq step, RC, 16 filters, bfloat16": training_step(tied(), chipseq, 1, bfloat16=True),
        "ChIP-seq step, plain nn.Conv1d, bfloat16": training_step(chipseq_net(), chipseq, 1, bfloat16=True),
        "simulated step, plain nn.Conv1d, 40 filters": training_step(simulated_net(), simulated, 3),
        "simulated step, RC, 20 filters": training_step(
            rcviz.build_model(rcviz.ModelConfig.simulated("revcomp", n_filters=20)), simulated, 3
        ),
    }
    if find_spec("equirc"):
        from equirc.pytorch_rclayers import RegBatchNorm, RegConcatLayer, RegToRegConv

        layers, channels = [], 2
        for width in (15, 14, 14):
            layers += [RegToRegConv(channels, 16, width), RegBatchNorm(16), nn.ReLU()]
            channels = 16
        layers += [RegConcatLayer(16), nn.MaxPool1d(40, 20), nn.Flatten(), nn.Linear(47 * 16, 1)]
        rows["ChIP-seq step, equirc, 16 filters"] = training_step(nn.Sequential(*layers), chipseq, 1)
    return rows


def prediction():
    codes = random_sequences(10_000, 1000)
    plain, tied = chipseq_net().eval(), rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=16))

    @torch.inference_mode()
    def plainly():
        for strand in (codes, rcviz.reverse_complement(codes)):
            for start in range(0, len(strand), 500):
                plain(torch.from_numpy(rcviz.one_hot(strand[start : start + 500], dtype=np.float32))).sigmoid()

    return {
        "prediction of 10,000 x 1,000 bp on both strands, plain nn.Conv1d": plainly,
        "prediction of 10,000 x 1,000 bp on both strands, RC": lambda: rcviz.predict(tied, codes),
    }


def contributions():
    labels = np.arange(10_000) % 2
    data = rcviz.SequenceSet(random_sequences(10_000, 1000), labels)
    model = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8)).eval()

    def forward_and_backward():
        for start in range(0, len(data), 100):
            model.zero_grad()
            model(torch.from_numpy(rcviz.one_hot(data.codes[start : start + 100], dtype=np.float32))).sum().backward()

    return {
        "forward and backward, 10,000 x 1,000 bp": forward_and_backward,
        "contributions, 10,000 x 1,000 bp": lambda: rcviz.filter_contributions(model, data),
    }


def logos():
    matrices = np.random.default_rng(0).normal(size=(64, 4, 21))
    frames = [pd.DataFrame(matrix.T, columns=list("ACGT")) for matrix in matrices]

    def each(draw):
        def all_of_them():
            figure = new_figure(16, 12)
            for place, axes in enumerate(figure.subplots(16, 4).flat):
                draw(place, axes)
            figure_png(figure)

        return all_of_them

    def gallery():
        figure = new_figure(16, 12)
        rcviz.plot_filters(matrices, figure.add_subplot())
        figure_png(figure)

    rows = {
        "64 logos of 4 x 21 to PNG, logomaker": each(lambda i, axes: logomaker.Logo(frames[i], ax=axes)),
        "64 logos of 4 x 21 to PNG, rcviz": gallery,
        "64 logos of 4 x 21 as SVG text, rcviz": lambda: [rcviz.logo_svg(matrix) for matrix in matrices],
    }
    if find_spec("tangermeme"):
        from tangermeme.plot import plot_logo

        rows["64 logos of 4 x 21 to PNG, tangermeme"] = each(lambda i, axes: plot_logo(matrices[i], ax=axes))
    return rows


def strand_gaps():
    """What float32 leaves open: the largest gap between the strands' logits of 500 sequences, after one step."""
    codes = random_sequences(500, 1000)
    gaps = {}
    for way in ("in one go", "module by module"):
        model = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=16))
        training_step(model, codes[:100], 1)()
        model = by_modules(model) if way == "module by module" else model
        gaps[way] = rcviz.strand_agreement(model.eval(), codes, output="logit").max_gap
    exact = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp", n_filters=16)).double()
    return gaps | {"float64": rcviz.strand_agreement(exact, codes, output="logit").max_gap}


def limits():
    """What the machine itself gives: a large matrix product, and a copy."""
    a, b = torch.randn(2, 2048, 2048).unbind()
    block = torch.randn(32, 2**20)
    taken = interleaved({"product": lambda: a @ b, "copy": block.clone})
    return {
        "matrix product, GFLOP/s": 2 * 2048**3 / taken["product"] / 1e9,
        "copy, GB/s read and written": 2 * block.nbytes / taken["copy"] / 1e9,
    }


REPEATS_OF = {"prediction": 3, "logos": 3}  # of long rows, others REPEATS
GROUPS = {"training": training, "prediction": prediction, "contributions": contributions, "logos": logos}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="folder that holds equirc")
    parser.add_argument("--before", type=Path, help="what an earlier version's benchmarks/speed.py wrote")
    parser.add_argument("--only", choices=GROUPS)
    given = parser.parse_args()
    mpl.use("agg")
    if given.peers:
        sys.path.append(str(given.peers.resolve()))
    medians = {}
    for name, group in GROUPS.items():
        if given.only in (None, name):
            medians[name] = interleaved(group(), REPEATS_OF.get(name, REPEATS))
            first = next(iter(medians[name].values()))
            for row, seconds in medians[name].items():
                print(f"{seconds * 1000:10.1f} ms {seconds / first:6.2f}  {row}", flush=True)
    if given.only is None:
        n_threads = torch.get_num_threads()
        has_avx512 = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        path = OUT / ("speed_avx512.json" if has_avx512 else "speed.json")
        content = {
            "machine": described(n_threads) | {"repeats": REPEATS} | limits(),
            "command": "python benchmarks/speed.py",
            "strand_gap_of_logits": strand_gaps(),
        }
        content["median_seconds"] = medians
        if given.before:
            content["median_seconds before"] = json.loads(given.before.read_text())["median_seconds"]
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
