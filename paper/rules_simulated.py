"""Claims about simulated data (Figures 2 and 3), about parameters, and about Table 1."""

import pandas as pd

from paper.findings import Finding, agreement_elsewhere, interval_text, p_text, spread
from paper.verdicts import (
    METRICS,
    PAPER_SEEDS,
    TEST_METRICS,
    Verdict,
    both_or_one,
    by_seed,
    compare_metrics,
    compare_seeds,
    judge,
)
from rcviz.plots.comparisons import common_epochs
from rcviz.sweeps.compare import ALPHA

RC, SAME, DOUBLE = "RC-20", "standard-20", "standard-40"
"""The RC network; the standard one with as many filters; the one with twice as many, which holds as many channels."""

SIMILAR = 0.5
"""Two training metrics are similar when they differ by less than this share of the difference in validation."""

FIRST_EPOCHS = 5
"""Epochs at the beginning of a learning curve."""

PARAMETERS = {SAME: 2283, RC: 1983}
"""Section 3.4.1."""


def best_of_all(runs: pd.DataFrame) -> Finding:
    """Judge whether sharing is above both standard networks on every seed."""
    pairs = [compare_metrics(runs, RC, other, metric) for metric in METRICS for other in (SAME, DOUBLE)]
    comparisons = [pair for pair in pairs if pair is not None]
    n_apart = sum(pair.separated for pair in comparisons)
    enough = all(min(len(pair.values_a), len(pair.values_b)) >= PAPER_SEEDS for pair in comparisons)
    verdict = judge(pairs)
    if verdict is Verdict.HOLDS and not (enough and n_apart == len(comparisons)):
        verdict = Verdict.IN_PART
    elsewhere = [compare_metrics(runs, RC, other, metric) for metric in TEST_METRICS for other in (SAME, DOUBLE)]
    values = [f"{arm} {spread(by_seed(runs, arm, 'valid_auroc'))}" for arm in (RC, SAME, DOUBLE)]
    return Finding(
        f"auROC {', '.join(values)}",
        f"rank-sum, largest {p_text(max(pair.p_value for pair in comparisons))} of auROC and auPRC",
        verdict,
        f"Every RC seed is above every standard one in {n_apart} of {len(comparisons)} comparisons. "
        + agreement_elsewhere("Test set", elsewhere),
        tuple(comparisons),
    )


def similar_in_training(history: pd.DataFrame, runs: pd.DataFrame) -> Finding:
    """Judge whether training auROC is similar, compared with the difference in validation."""
    gain = by_seed(runs, RC, "valid_auroc").mean() - by_seed(runs, SAME, "valid_auroc").mean()
    readings = _training_readings(history, runs)
    apart = {name: float(values[RC].mean() - values[SAME].mean()) for name, values in readings.items()}
    within = {name: bool(abs(difference) < SIMILAR * gain) for name, difference in apart.items()}
    unlike = [name for name, similar in within.items() if not similar]
    text = "; ".join(f"{difference:+.4f} {name}" for name, difference in apart.items())
    return Finding(
        f"training auROC, {RC} minus {SAME}: {text}; in validation {gain:+.4f}",
        f"similar: less than {SIMILAR:g} of the difference in validation, by both readings",
        both_or_one(*within.values()),
        f"Not similar {' and '.join(unlike)}." if unlike else "Similar by both readings.",
    )


def no_better_with_forty(history: pd.DataFrame, runs: pd.DataFrame) -> Finding:
    """Judge whether 40 standard filters are no better than 20 in validation, while better in training."""
    valid = compare_metrics(runs, DOUBLE, SAME, "valid_auroc")
    assert valid is not None
    training = [
        compare_seeds(values[DOUBLE], values[SAME], DOUBLE, SAME, f"training auROC {name}")
        for name, values in _training_readings(history, runs).items()
    ]
    shown = [pair for pair in training if pair is not None]
    higher = all(pair.shown for pair in shown)
    text = ", ".join(f"{pair.effect:+.4f} ({p_text(pair.p_value)})" for pair in shown)
    gain = by_seed(runs, RC, "valid_auroc").mean() - by_seed(runs, SAME, "valid_auroc").mean()
    return Finding(
        f"validation auROC {valid.effect:+.4f} (95% interval {interval_text(valid)}), {p_text(valid.p_value)}; "
        f"training auROC {text}",
        f"rank-sum that 40 are above 20: above {ALPHA:g} in validation, at most {ALPHA:g} in training by both readings",
        both_or_one(not valid.shown, higher),
        f"{'No gain is shown' if not valid.shown else 'A gain is shown'} in validation; the interval says how "
        f"large one may be all the same (the RC network's over {SAME} is {gain:+.4f}). "
        f"Training auROC is {'higher' if higher else 'not higher by both readings'}.",
        (valid, *shown),
    )


def less_overfitting(history: pd.DataFrame, runs: pd.DataFrame) -> Finding:
    """Judge whether training minus validation auROC is smaller under sharing."""
    kept = _kept_epochs(runs)
    gap = {
        arm: _auroc_at(history, kept, arm, "train") - _auroc_at(history, kept, arm, "valid")
        for arm in (RC, SAME, DOUBLE)
    }
    pairs = [compare_seeds(gap[arm], gap[RC], arm, RC, "training minus validation auROC") for arm in (SAME, DOUBLE)]
    comparisons = tuple(pair for pair in pairs if pair is not None)
    values = [f"{arm} {spread(gap[arm])}" for arm in (RC, SAME, DOUBLE)]
    return Finding(
        f"training minus validation auROC: {', '.join(values)}",
        f"rank-sum, {', '.join(p_text(pair.p_value) for pair in comparisons)}",
        judge(pairs),
        "At the epoch that was kept.",
        comparisons,
        note="sharing with its head, which the standard networks have not",
    )


def always_above(history: pd.DataFrame) -> Finding:
    """Judge whether the median learning curve is above at every epoch that all seeds reached."""
    valid = _common(history, (RC, SAME))
    medians = valid.groupby(["arm", "epoch"])["auroc"].median()
    ahead = medians[RC] > medians[SAME]
    mean = valid.groupby(["arm", "seed"])["auroc"].mean()
    pair = compare_seeds(mean[RC], mean[SAME], RC, SAME, "validation auROC, mean over epochs")
    assert pair is not None
    behind = ahead.index[~ahead].tolist()
    share = float(ahead.mean())
    why = "Above at each of them." if not behind else f"Not ahead at {len(behind)} of them, first at epoch {behind[0]}."
    return Finding(
        f"median above in {int(ahead.sum())} of {len(ahead)} epochs",
        f"medians at every epoch that all seeds reached; rank-sum of seeds' means over them, {p_text(pair.p_value)}",
        Verdict.HOLDS if share == 1 else Verdict.IN_PART if share > 0.5 else Verdict.NOT,
        why,
        (pair,),
    )


def ahead_at_first(history: pd.DataFrame) -> Finding:
    """Judge whether the network with 40 filters is ahead in the first epochs."""
    valid = _common(history, (RC, SAME, DOUBLE))
    mean = valid[valid["epoch"] <= FIRST_EPOCHS].groupby(["arm", "seed"])["auroc"].mean()
    what = f"validation auROC, mean of epochs 1 to {FIRST_EPOCHS}"
    pairs = [compare_seeds(mean[DOUBLE], mean[other], DOUBLE, other, what) for other in (RC, SAME)]
    comparisons = tuple(pair for pair in pairs if pair is not None)
    text = ", ".join(f"{pair.effect:+.4f} against {pair.b}" for pair in comparisons)
    ahead = [pair.b for pair in comparisons if pair.shown]
    return Finding(
        f"{DOUBLE} in epochs 1 to {FIRST_EPOCHS}: {text}",
        f"rank-sum, {', '.join(p_text(pair.p_value) for pair in comparisons)}",
        judge(pairs),
        f"p <= {ALPHA:g} against {' and '.join(ahead) or 'neither'}.",
        comparisons,
    )


def parameters(runs: pd.DataFrame) -> Finding:
    """Judge whether the numbers of parameters are those of the paper."""
    counted = {arm: sorted(set(by_seed(runs, arm, "n_parameters").astype(int))) for arm in PARAMETERS}
    same = [counted[arm] == [number] for arm, number in PARAMETERS.items()]
    text = ", ".join(f"{arm} {' or '.join(f'{number:,}' for number in numbers)}" for arm, numbers in counted.items())
    return Finding(text, "equal", both_or_one(*same), f"{sum(same)} of {len(same)} are equal.")


def table_1(counts: pd.DataFrame) -> Finding:
    """Judge whether the counted windows are those of Table 1."""
    equal = counts["n_positive_counted"] == counts["n_positive_paper"]
    text = ", ".join(f"{row.factor} {row.n_positive_counted:,}" for row in counts.itertuples())
    return Finding(
        f"positives: {text}",
        "equal",
        Verdict.IN_PART if equal.all() else Verdict.NOT,
        f"{int(equal.sum())} of {len(equal)} counts of positives are equal. The negatives are not counted: the paper's "
        "accessible regions and most chromosomes are not here.",
        note="positives only",
    )


def _training_readings(history: pd.DataFrame, runs: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """Return the training auROC of each seed at the epoch kept, and at the last epoch that all seeds reached."""
    last = common_epochs(history[history["arm"].isin([RC, SAME, DOUBLE])])
    epochs = {"at the epoch kept": _kept_epochs(runs), f"at epoch {last}": runs[["arm", "seed"]].assign(epoch=last)}
    return {
        name: {arm: _auroc_at(history, chosen, arm, "train") for arm in (RC, SAME, DOUBLE)}
        for name, chosen in epochs.items()
    }


def _kept_epochs(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[["arm", "seed", "best_epoch"]].rename(columns={"best_epoch": "epoch"})


def _auroc_at(history: pd.DataFrame, epochs: pd.DataFrame, arm: str, split: str) -> pd.Series:
    """Return an arm's auROC by seed, at the epoch that `epochs` (arm, seed, epoch) has for it."""
    rows = history[history["split"] == split].merge(epochs, on=["arm", "seed", "epoch"])
    return by_seed(rows, arm, "auroc")


def _common(history: pd.DataFrame, arms: tuple[str, ...]) -> pd.DataFrame:
    """Return the validation rows of the epochs that every seed of these arms reached."""
    chosen = history[history["arm"].isin(arms) & (history["split"] == "valid")]
    return chosen[chosen["epoch"] <= common_epochs(chosen)]
