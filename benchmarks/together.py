"""The seeds of an arm trained together against one after the other, on a GPU.

Two arms of the paper, RC-20 on simulated sequences (section 3.4.1) and RC-16 on windows the size of the ChIP-seq ones
(section 3.4.2; random bases, which take the same time), a number of epochs each, validation and scores included. Then
the second convolution of RC-16 by itself, with both gradients: for one model after the other; for all as a convolution
in groups, which is what torch.func makes of it; and for all as matrix products over windows, which would be the next
thing to try. Everything runs in turn in one process, several times over; ratios of medians are what counts.

    python benchmarks/together.py

That it runs, without a GPU and without a meaning, is shown by

    python benchmarks/together.py --device cpu --seeds 2 --epochs 1 --repeats 1 --samples 200 --sequences 300

Writes benchmarks/results/together.json, from a GPU only.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from run import REPEATS, interleaved

import rcviz
from rcviz.experiments.machine import machine
from rcviz.models.runtime import exact_arithmetic

OUT = Path(__file__).parent / "results" / "together.json"
ALONE, TOGETHER = "one after the other", "together"


def simulated_arm(given):
    train, valid, _ = rcviz.split(rcviz.simulate_motifs(n_per_motif=given.sequences // 2))
    return (
        rcviz.ModelConfig.simulated("revcomp", n_filters=20),
        rcviz.TrainConfig.simulated(patience=None),
        train,
        valid,
    )


def chipseq_arm(given):
    """A validation set of about the size of the paper's chr1."""
    rng = np.random.default_rng(0)
    labels = (np.arange(given.sequences) % 6 == 0).astype(np.float32)
    train, valid = (
        rcviz.SequenceSet(rng.integers(0, 4, (given.sequences, 1000), dtype=np.uint8), labels) for _ in range(2)
    )
    return rcviz.ModelConfig.chipseq("revcomp", n_filters=16), rcviz.TrainConfig.chipseq(), train, valid


def both_ways(arm, given):
    network, training, train, valid = arm(given)
    changes = {"epochs": given.epochs, "samples_per_epoch": given.samples, "device": given.device}
    configs = [dataclasses.replace(training, **changes, seed=seed) for seed in range(given.seeds)]

    def built():
        return [rcviz.build_model(network, seed=seed) for seed in range(given.seeds)]

    def one_after_the_other():
        for model, config in zip(built(), configs, strict=True):
            rcviz.fit(model, train, valid, config, progress=False)

    def together():
        rcviz.fit_together(built(), train, valid, configs, progress=False)

    return {ALONE: one_after_the_other, TOGETHER: together}


def windows(x, width, phase):
    """Every ``width``-th window of (models, positions, channels), begun at ``phase``: rows of a matrix, not copied."""
    n_models, n_positions, channels = x.shape
    n_windows = (n_positions - phase) // width
    return x.as_strided(
        (n_models, n_windows, width * channels), (n_positions * channels, width * channels, 1), phase * channels
    )


def convolve_by_windows(x, weight):
    """Convolve (models, batch, length, channels) with (models, out, width, channels); ends of sequences are cut off."""
    n_models, batch, length, channels = x.shape
    out, width = weight.shape[1:3]
    flat, matrix = x.reshape(n_models, batch * length, channels), weight.reshape(n_models, out, width * channels).mT
    y = x.new_zeros(n_models, batch * length, out)
    for phase in range(width):
        rows = windows(flat, width, phase)
        y[:, phase : phase + rows.shape[1] * width : width] = torch.bmm(rows, matrix)
    return y.view(n_models, batch, length, out)[:, :, : length - width + 1]


def gradients_by_windows(x, weight, gradient):
    """Into the input and into the weights."""
    n_models, batch, length, channels = x.shape
    out, width = weight.shape[1:3]
    into_x = convolve_by_windows(F.pad(gradient, (0, 0, width - 1, width - 1)), weight.flip(2).transpose(1, 3))
    flat = x.reshape(n_models, batch * length, channels)
    rows = F.pad(gradient, (0, 0, 0, width - 1)).reshape(n_models, batch * length, out)  # none across two sequences
    into_weight = 0
    for phase in range(width):
        of_phase = windows(flat, width, phase)
        into_weight = into_weight + torch.bmm(rows[:, phase : phase + of_phase.shape[1] * width : width].mT, of_phase)
    return into_x, into_weight.view(n_models, out, width, channels)


def convolutions(given):
    """The second layer of RC-16 in a batch of 100: 32 channels to 32, 14 wide."""
    torch.manual_seed(0)
    x = torch.randn(given.seeds, 100, 32, 986, device=given.device, requires_grad=True)
    weight = torch.randn(given.seeds, 32, 32, 14, device=given.device, requires_grad=True)
    gradient = torch.randn(given.seeds, 100, 32, 973, device=given.device)
    by_position = [tensor.detach().transpose(2, 3).contiguous() for tensor in (x, weight, gradient)]
    mapped = torch.func.vmap(F.conv1d)

    def waited(work):
        def until_done():
            with exact_arithmetic():
                work()
            if x.is_cuda:
                torch.cuda.synchronize()

        return until_done

    def step(convolve, *inputs, upstream):
        y = convolve(*inputs)
        return y, *torch.autograd.grad(y, inputs, upstream)

    def in_groups():
        return step(mapped, x, weight, upstream=gradient)

    def by_windows():
        return convolve_by_windows(*by_position[:2]), *gradients_by_windows(*by_position)

    def one_by_one():
        for of_one in zip(x, weight, gradient, strict=True):
            step(F.conv1d, of_one[0], of_one[1], upstream=of_one[2])

    with exact_arithmetic():
        for found, expected in zip(by_windows(), in_groups(), strict=True):
            torch.testing.assert_close(found.transpose(2, 3), expected, rtol=1e-3, atol=1e-2)
    return {ALONE: waited(one_by_one), "in groups": waited(in_groups), "by windows": waited(by_windows)}


GROUPS = {
    "simulated RC-20": lambda given: both_ways(simulated_arm, given),
    "ChIP-seq RC-16": lambda given: both_ways(chipseq_arm, given),
    "second convolution of RC-16 with gradients": convolutions,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--samples", type=int, default=5000, help="of an epoch")
    parser.add_argument("--sequences", type=int, default=20_000, help="about as many to train with, and to validate")
    given = parser.parse_args()
    on_gpu = given.device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        sys.exit("torch finds no GPU on this machine, and a GPU is what this measures; see --help for --device cpu")
    medians = {}
    for name, group in GROUPS.items():
        medians[name] = interleaved(group(given), given.repeats)
        for row, seconds in medians[name].items():
            print(f"{seconds * 1000:10.1f} ms, ratio {medians[name][ALONE] / seconds:6.2f}  {name}, {row}", flush=True)
    if on_gpu:
        content = {"machine": machine(given.device), "settings": vars(given), "median_seconds": medians}
        OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
