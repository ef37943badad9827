"""Figure 3 as a whole: its trainings with early stopping, by rcviz and as one writes them in PyTorch.

Both simulate the data, train RC-20, standard-20 and standard-40 by the same protocol (section 3.4.1), from starting
weights of the same distribution and with the same batch norm, score the validation set every epoch and keep the best
weights. The straightforward way trains one after the other with all threads; rcviz's is ``paper`` with its one
process a core. Half of the seeds of the one come before the other, half behind it.

    python benchmarks/whole_job.py --seeds 10

Writes benchmarks/results/whole_job.json; ratios are what counts, scores show that it is the same job.
"""

import argparse
import copy
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from machine import seconds
from sklearn.metrics import average_precision_score, roc_auc_score
from speed import limits, simulated_net
from torch import nn

import rcviz
from paper.run import run_figures

OUT = Path(__file__).parent / "results" / "whole_job.json"
ARMS = ("RC-20", "standard-20", "standard-40")


class PlainRevCompNet(nn.Module):
    """The RC network of section 3.4.1, as the paper describes it and nothing more."""

    def __init__(self, n_filters=20):
        super().__init__()
        self.filters = nn.Conv1d(4, n_filters, 21)
        self.norm = nn.BatchNorm1d(n_filters)
        self.profile = nn.Parameter((torch.rand(n_filters, 9) * 2 - 1) * (6 / (2 * n_filters * 9)) ** 0.5)
        self.dense = nn.Linear(n_filters, 3)

    def forward(self, x):
        w, b = self.filters.weight, self.filters.bias
        y = nn.functional.conv1d(x, torch.cat([w, w.flip(0, 1, 2)]), torch.cat([b, b.flip(0)]))
        forward, reverse = y.chunk(2, dim=1)
        y = self.norm(torch.cat([forward, reverse.flip(1)], dim=2))
        forward, reverse = y.chunk(2, dim=2)
        y = nn.functional.max_pool1d(torch.cat([forward, reverse.flip(1)], dim=1).relu(), 20)
        y = (y * torch.cat([self.profile, self.profile.flip(0, 1)])).sum(2)
        w = self.dense.weight
        return nn.functional.linear(y, torch.cat([w, w.flip(1)], dim=1), self.dense.bias)


def plain_net(arm):
    """A network that starts and normalises as the original did: what torch has by default trains another job."""
    model = PlainRevCompNet() if arm == "RC-20" else simulated_net(int(arm[-2:]))
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm1d):
            module.eps, module.momentum = 1e-3, 0.01
    return model


def trained(model, train, valid, seed):
    """Best mean validation auROC, and the number of epochs."""
    x, y = (torch.from_numpy(part) for part in (train.one_hot(), train.labels))
    x_valid, y_valid = torch.from_numpy(valid.one_hot()), valid.labels
    order = np.random.default_rng(seed).permutation(len(x))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    best, best_epoch, epoch, best_weights = 0.0, 0, 0, None
    while epoch - best_epoch < 10 and epoch < 300:
        model.train()
        seen = []
        for step in range(10):
            batch = order[np.arange(epoch * 5000 + step * 500, epoch * 5000 + step * 500 + 500) % len(order)]
            logits = model(x[batch])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append((y[batch], logits.detach()))
        labels, logits = (torch.cat(part).numpy() for part in zip(*seen, strict=True))
        roc_auc_score(labels, logits), average_precision_score(labels, logits)
        model.eval()
        with torch.no_grad():
            logits = torch.cat([model(x_valid[start : start + 500]) for start in range(0, len(x_valid), 500)]).numpy()
        score = roc_auc_score(y_valid, logits)
        average_precision_score(y_valid, logits)
        epoch += 1
        if score > best:
            best, best_epoch, best_weights = score, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return best, epoch


def straightforward(seeds):
    rows = []
    for seed in seeds:
        parts = rcviz.split(rcviz.simulate_motifs())
        for arm in ARMS:
            torch.manual_seed(seed)
            model = plain_net(arm)
            started = time.perf_counter()
            score, n_epochs = trained(model, parts.train, parts.valid, seed)
            row = {"arm": arm, "seed": seed, "valid_auroc": score, "n_epochs": n_epochs}
            rows.append(row | {"seconds": time.perf_counter() - started})
            print("plain", rows[-1], flush=True)
    return rows


def ours(seeds):
    with tempfile.TemporaryDirectory() as store:
        table = run_figures("fig3", arms="paper", seeds=seeds, store=store, progress=False)["runs"]
    table = table[~table["strategy"].str.startswith("posthoc")].rename(columns={"wall_seconds": "seconds"})
    return table[["arm", "seed", "valid_auroc", "n_epochs", "seconds"]].to_dict("records")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    n_seeds = parser.parse_args().seeds
    seeds, results, taken = list(range(n_seeds)), {"plain": [], "rcviz": []}, {}
    half = n_seeds // 2
    before = seconds(lambda: results["plain"].extend(straightforward(seeds[:half])))
    taken["rcviz"] = seconds(lambda: results["rcviz"].extend(ours(seeds)))
    taken["plain"] = before + seconds(lambda: results["plain"].extend(straightforward(seeds[half:])))
    machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__} | limits()
    content = {"machine": machine, "n_trainings": 3 * n_seeds, "seconds": taken, "runs": results}
    OUT.write_text(json.dumps(content, indent=1) + "\n")
    print(taken, "ratio", taken["rcviz"] / taken["plain"])


if __name__ == "__main__":
    main()
