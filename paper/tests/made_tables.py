"""Tables of experiments that never ran, whose truth is known because they are made of it."""

import numpy as np
import pandas as pd

ABOVE = np.linspace(0.90, 0.91, 10)
BELOW = np.linspace(0.80, 0.81, 10)
"""Ten seeds each, every one of the first above every one of the second."""


def strategy_of(arm):
    for word, strategy in {"both strands": "posthoc", "augmented": "augmented", "siamese": "siamese"}.items():
        if word in arm:
            return strategy
    return "shared" if arm.startswith("RC") else "none"


def runs(values, *, figure="fig3", rivals=(), **columns):
    """A row of the table of trained networks for each arm and seed, from the validation auROC of each arm's seeds.

    What is not given follows from it: auPRC and test scores are the same number.
    """
    rows = []
    for arm, seeds in values.items():
        for seed, value in enumerate(seeds):
            begin = {"figure": figure, "arm": arm, "paper": arm not in rivals, "strategy": strategy_of(arm)}
            scores = dict.fromkeys(("valid_auroc", "valid_auprc", "test_auroc", "test_auprc"), value)
            rows.append({**begin, "seed": seed, **scores})
    usual = {
        "architecture": "standard",
        "n_filters": 16,
        "n_parameters": 100,
        "dataset": "simulated",
        "fraction": 1.0,
        "chromosomes": "at random, 40% train, 30% valid, 30% test",
        "n_train": 1000,
        "best_epoch": 2,
        "n_epochs": 80,
        "gap_max": 0.6,
        "gap_mean": 0.2,
        "wall_seconds": 60.0,
        "cpu_seconds": 30.0,
        "cpu": "a processor",
        "threads": 1,
        "scale": "paper",
        "code": "0.1.0 abc",
    }
    return pd.DataFrame(rows).assign(**{**usual, **columns})


LEVELS = {
    ("standard-20", "flattened"): 0.86,
    ("standard-20", "weighted sum"): 0.87,
    ("standard-40", "flattened"): 0.85,
    ("standard-40", "weighted sum"): 0.88,
    ("RC-20", "flattened"): 0.865,
    ("RC-20", "weighted sum"): 0.89,
    ("standard-20, siamese", "flattened"): 0.87,
    ("standard-20, siamese", "weighted sum"): 0.89,
    ("standard-40, siamese", "flattened"): 0.87,
    ("standard-40, siamese", "weighted sum"): 0.885,
}
"""Test auROC of the matched arms; both strands averaged have 0.01 more."""


def matched(n=6, levels=LEVELS, noise=0.0):
    """The tables of the matched arms: replicates differ by what they share, and by noise of each arm.

    Validation auROC is 0.002 lower; averages of both strands have 0.01 more, also on training data.
    """
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.02, n)
    values = {
        f"{network}, {head}{words}": level + more + shared + noise * rng.normal(size=n)
        for (network, head), level in levels.items()
        for words, more in {"": 0.0, ", both strands averaged": 0.01}.items()
        if network in ("standard-20", "standard-40") or not words
    }
    table = runs(values, figure="matched", dataset="simulated, a data set per seed", best_epoch=70)
    table = table.assign(paper=False, valid_auroc=table["valid_auroc"] - 0.002)
    scores = []
    for row in table.to_dict("records"):
        arm = row["arm"].removesuffix(", both strands averaged")
        strands = "logits averaged" if row["strategy"] == "posthoc" else "given"
        for part in ("train", "valid", "test"):
            own = {"arm": arm, "seed": row["seed"], "part": part, "strands": strands, "task": "a"}
            numbers = {"auroc": row["test_auroc"], "auprc": 0.7, "clean_auroc": row["test_auroc"] + 0.05}
            numbers |= {
                "clean_auprc": 0.8,
                "log_loss": 0.3,
                "brier": 1 - row["test_auroc"],
                "miscalibration": 0.001,
                "slope": 0.9,
            }
            numbers |= {"discrimination": 0.12, "uncertainty": 0.22, "ece": 0.01, "intercept": 0.0}
            scores.append(own | numbers)
    perfect = [
        {"seed": seed, "part": part, "task": "a", "auroc": 0.9 + shared[seed], "auprc": 0.8, "brier": 0.08}
        for seed in range(n)
        for part in ("train", "valid", "test")
    ]
    tables = {"runs": table, "scores": pd.DataFrame(scores), "perfect": pd.DataFrame(perfect)}
    return {f"matched_{name}": content for name, content in tables.items()}


def history(curves, *, figure="fig2", seconds=1.0, dataset="simulated", rivals=()):
    """The table of epochs, from each arm's list of (training, validation) curves, one pair a seed."""
    rows = [
        {"figure": figure, "arm": arm, "paper": arm not in rivals, "strategy": strategy_of(arm), "dataset": dataset}
        | {"fraction": 1.0, "seed": seed, "epoch": epoch, "split": split, "auroc": value, "auprc": value}
        | {"loss": 1 - value, "seconds": seconds[arm] if isinstance(seconds, dict) else seconds}
        for arm, seeds in curves.items()
        for seed, pair in enumerate(seeds)
        for split, curve in zip(("train", "valid"), pair, strict=True)
        for epoch, value in enumerate(curve, 1)
    ]
    return pd.DataFrame(rows)


def filters(networks, *, similar=0.9, p_value=1e-6):
    """The table of filters, from each arm's list of networks: their filters' (verdict, score), best first."""
    rng = np.random.default_rng(0)
    rows = []
    for arm, seeds in networks.items():
        for seed, found in enumerate(seeds):
            for rank, (verdict, score) in enumerate(found, 1):
                weights = {f"{base}{position}": rng.normal() for base in "ACGT" for position in range(5)}
                rows.append(
                    {"figure": "fig5", "arm": arm, "paper": True, "dataset": "CTCF", "fraction": 1.0, "seed": seed}
                    | {"filter": rank - 1, "rank": rank, "score": score, "verdict": verdict}
                    | {"palindromicity": 0.9 if verdict == "hybrid" else 0.1}
                    | {"ctcf_similarity": similar[arm] if isinstance(similar, dict) else similar}
                    | {"ctcf_p_value": p_value[arm] if isinstance(p_value, dict) else p_value}
                    | weights
                )
    return pd.DataFrame(rows)


def table_1(shift=0):
    factors = {"CTCF": 44982, "SPI1": 42938, "MAX": 12542}
    rows = [(name, n, n + shift, 200_000) for name, n in factors.items()]
    return pd.DataFrame(rows, columns=["factor", "n_positive_paper", "n_positive_counted", "n_negative_paper"])
