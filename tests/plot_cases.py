"""Every plot with data, short or real and long names, and the settings that people draw with."""

from contextlib import contextmanager

import matplotlib
import numpy as np
import pandas as pd
import seaborn

import rcviz
from rcviz.plots.contributions import plot_contribution_distribution
from rcviz.plots.strands import plot_gap_by_filter

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(12, 4, 15))
TRACK = np.where(np.arange(4)[:, None] == RNG.integers(0, 4, 200), RNG.normal(size=200), 0.0)
FORWARD = RNG.uniform(size=400)
REVERSE = (FORWARD + RNG.normal(scale=0.1, size=400)).clip(0, 1)
LABELS = np.where(np.arange(400) % 9 == 0, np.nan, (FORWARD > 0.5).astype(float))


def names(count, long):
    """Real names are long."""
    if not long:
        return [f"arm {i}" for i in range(count)]
    return [f"CTCF_HUMAN.H11MO.{i}.A (filter {i}), trained on both strands" for i in range(count)]


def runs(long, **columns):
    rows = [(arm, seed, 0.8 + 0.03 * i + 0.01 * seed) for i, arm in enumerate(names(3, long)) for seed in range(4)]
    return pd.DataFrame(rows, columns=["arm", "seed", "valid_auroc"]).assign(**columns)


def epochs(long):
    rows = [
        (name, seed, epoch, split, 0.6 + 0.03 * epoch + 0.01 * seed)
        for name in names(2, long)
        for seed in range(2)
        for epoch in range(1, 9)
        for split in ("train", "valid")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "split", "auroc"])


def contributions(long, count=8):
    score = np.linspace(2, -0.2, count)
    table = pd.DataFrame({"filter": names(count, long), "score": score, "mean_positive": score / 2})
    return table.assign(mean_negative=table["mean_positive"] - score)


def ablation(long):
    table = contributions(long).rename(columns={"mean_positive": "gradient_x_activation"})
    return table.assign(gradient_x_activation=table["score"] * 0.7 + 0.1 * np.sin(np.arange(8)))


def gaps(long):
    return contributions(long).assign(difference=lambda t: t["score"], magnitude=lambda t: t["score"].abs())


def title(long):
    return names(1, long)[0]


PLOTS = {
    "logo": lambda ax, long: rcviz.plot_logo(WEIGHTS[0], ax, title=title(long), start=1_234_560 if long else 0),
    "logo with spans": lambda ax, long: rcviz.plot_logo(
        WEIGHTS[0], ax, title=title(long), highlight=[(1, 6, title(long)), (3, 9, "second"), (11, 15, "third")]
    ),
    "logo in rows": lambda ax, long: rcviz.plot_logo(TRACK, ax, wrap=60, start=1_234_560 if long else 0),
    "attributions": lambda ax, long: rcviz.plot_attributions(
        TRACK, ax, window=(20, 90), hits=[(30, 49, title(long)), (60, 79, "ELF1 -")]
    ),
    "filters": lambda ax, long: rcviz.plot_filters(WEIGHTS, ax, names=names(12, long)),
    "contributions": lambda ax, long: rcviz.plot_contributions(contributions(long), ax),
    "many contributions": lambda ax, long: rcviz.plot_contributions(contributions(long, 60), ax),
    "ablation": lambda ax, long: rcviz.plot_ablation(ablation(long), ax),
    "distribution": lambda ax, long: plot_contribution_distribution(
        RNG.normal(size=80), RNG.normal(size=900), ax, title=title(long)
    ),
    "histogram": lambda ax, long: plot_contribution_distribution(
        RNG.normal(size=80), RNG.normal(size=900), ax, title=title(long), kind="histogram"
    ),
    "palindrome": lambda ax, long: rcviz.plot_palindrome(WEIGHTS[1], ax, title=title(long)),
    "strands": lambda ax, long: rcviz.plot_strands(
        FORWARD, REVERSE, LABELS, ax, task_name=title(long), threshold=0.5, scale="probability"
    ),
    "strands of values": lambda ax, long: rcviz.plot_strands(
        9 * FORWARD - 4, 9 * REVERSE - 4, 1e3 * FORWARD, ax, task_name=title(long), label_kind="value"
    ),
    "gap": lambda ax, long: plot_gap_by_filter(gaps(long), ax, rest=0.1, title=title(long)),
    "history": lambda ax, long: rcviz.plot_history(epochs(long).rename(columns={"arm": "model"}), ax),
    "architectures": lambda ax, long: rcviz.plot_architectures(runs(long), ax),
    "grouped architectures": lambda ax, long: rcviz.plot_architectures(
        pd.concat([runs(long, dataset=name) for name in ("CTCF, GM12878" if long else "CTCF", "SPI1")]),
        ax,
        group="dataset",
    ),
    "training size": lambda ax, long: rcviz.plot_training_size(
        pd.concat([runs(long, fraction=fraction) for fraction in (0.05, 0.1, 0.3, 1.0)]), ax
    ),
    "learning curves": lambda ax, long: rcviz.plot_learning_curves(epochs(long), ax),
    "profile": lambda ax, long: rcviz.plot_profile(
        np.linspace(0, 1000, 11), {name: RNG.uniform(size=10) for name in ("positives", *names(2, long))}, ax
    ),
    "similarity": lambda ax, long: rcviz.plot_similarity(
        RNG.uniform(-0.2, 1, (8, 12)), ax, names=(title(long), "standard, 16 filters")
    ),
    "mutagenesis": lambda ax, long: rcviz.plot_mutagenesis(
        *RNG.normal(size=(2, 4, 60)), RNG.integers(0, 5, 60), ax, title=title(long), start=1_234_560 if long else 0
    ),
}
"""A function of Axes (or None) and whether names are long."""

CASES_WITH_LEGEND = {
    "contributions": lambda ax, legend: rcviz.plot_contributions(contributions(False), ax, legend=legend),
    "ablation": lambda ax, legend: rcviz.plot_ablation(ablation(False), ax, legend=legend),
    "strands": lambda ax, legend: rcviz.plot_strands(FORWARD, REVERSE, LABELS, ax, legend=legend),
    "history": lambda ax, legend: rcviz.plot_history(epochs(False).rename(columns={"arm": "model"}), ax, legend=legend),
    "profile": lambda ax, legend: rcviz.plot_profile([0, 1, 2], {"a": [1, 2], "b": [2, 1]}, ax, legend=legend),
    "architectures": lambda ax, legend: rcviz.plot_architectures(runs(False), ax, legend=legend),
}
"""Plots with a legend, as functions of Axes and of where it goes."""


@contextmanager
def settings(name):
    """The settings of a talk, a poster, a paper, a dark page, or larger type."""
    with matplotlib.rc_context():
        if name in ("talk", "poster", "paper"):
            seaborn.set_theme(context=name, style="darkgrid" if name == "talk" else "ticks")
        elif name == "dark":
            matplotlib.style.use("dark_background")
        elif name == "7 points":
            small = ("axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize", "axes.titlesize")
            matplotlib.rcParams.update({"font.size": 7, **dict.fromkeys(small, 7)})
        elif name == "16 points":
            matplotlib.rcParams["font.size"] = 16
        yield
