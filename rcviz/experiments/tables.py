"""Tidy tables of the records: every epoch, every run, every filter, every prediction for both strands."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rcviz._core.files import atomic_write
from rcviz.experiments.arms import Arm, Scale, every_arm, figures_of
from rcviz.experiments.runs import run_id
from rcviz.experiments.sources import divided_as
from rcviz.experiments.store import Record, Store

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[Record, Arm]

_OF_ARM = ["figure", "arm", "paper", "strategy", "architecture", "n_filters"]
_OF_RUN = ["dataset", "fraction", "seed"]
_HISTORY = [*_OF_ARM, *_OF_RUN, "epoch", "split", "loss", "auroc", "auprc", "seconds"]
_RUNS = [
    *(*_OF_ARM, "n_parameters", *_OF_RUN, "chromosomes", "n_train", "n_train_positive", "best_epoch", "n_epochs"),
    *("valid_auroc", "valid_auprc", "test_auroc", "test_auprc", "gap_max", "gap_mean"),
    *("wall_seconds", "cpu_seconds", "peak_memory_mb", "cpu", "threads", "scale", "code"),
]
_FILTERS = [
    *(*_OF_ARM, *_OF_RUN, "filter", "rank", "score", "palindromicity", "verdict", "ctcf_similarity", "ctcf_p_value"),
]
_STRANDS = [*_OF_ARM, *_OF_RUN, "sequence", "label", "forward", "reverse"]
_POSTHOC = {
    "logit": ("posthoc", "both strands averaged"),
    "probability": ("posthoc_probability", "both strands' probabilities averaged"),
}


def history_table(records: Iterable[Record]) -> "pd.DataFrame":
    """Every epoch of every run.

    Parameters
    ----------
    records : iterable of dict
        As :meth:`rcviz.experiments.store.Store.read_all` gives them.

    Returns
    -------
    DataFrame, one row per figure, arm, seed, epoch and split
        figure, arm, paper, strategy, architecture, n_filters, dataset, fraction, seed, epoch, split ("train" or
        "valid"), loss, auroc, auprc, seconds (of the whole epoch). A run that two figures show is in both.
    """
    return _table(_pairs(records), _epochs, _HISTORY)


def runs_table(records: Iterable[Record]) -> "pd.DataFrame":
    """Every run, and every standard network once more with its predictions for both strands averaged.

    Returns
    -------
    DataFrame, one row per figure, arm and seed
        figure, arm, paper, strategy ("posthoc" and "posthoc_probability" say what is averaged), architecture,
        n_filters, n_parameters, dataset, fraction, seed, chromosomes (how the sequences are divided, stand-ins named),
        n_train, n_train_positive (labels of all tasks), best_epoch, n_epochs, valid_auroc, valid_auprc, test_auroc,
        test_auprc (of the best epoch's weights, mean over tasks; NaN without a test set), gap_max, gap_mean (between
        the probabilities of the two strands, validation set), wall_seconds (of all epochs), cpu_seconds (NaN for a run
        that was killed on the way), peak_memory_mb (of the process), cpu (and the GPU, if one was used), threads,
        scale, code (version and digest).
    """
    return tabulate_runs(_pairs(records))


def filters_table(records: Iterable[Record]) -> "pd.DataFrame":
    """Every filter of the first layer (Figure 5), the one that adds most to the logit first.

    Returns
    -------
    DataFrame, one row per figure, arm, seed and filter
        figure ... seed as above, filter, rank (from one), score, palindromicity, verdict, ctcf_similarity and
        ctcf_p_value (to CTCF_known1), then the mean-centred weights, A0 to T14 by base and position.
    """
    return _table(_pairs(records), _filters, _FILTERS)


def strands_table(records: Iterable[Record]) -> "pd.DataFrame":
    """Probabilities for both strands of test sequences (Figure 4).

    Returns
    -------
    DataFrame, one row per figure, arm, seed and sequence
        figure ... seed as above, sequence (its place in the test set), label, forward, reverse.
    """
    return _table(_pairs(records), _predictions, _STRANDS)


def write_tables(
    figure: str, store: str | os.PathLike[str], folder: str | os.PathLike[str], *, scale: Scale = "paper"
) -> list[Path]:
    """Write the tables of a figure, of all its runs in a store: the same records give the same bytes.

    ``<figure>.csv`` is the history, ``<figure>_runs.csv`` the runs; beside them stand ``fig5_filters.csv`` and, of the
    first seed, ``fig4_strands.csv``.

    Parameters
    ----------
    figure : str
        "fig7" writes those of both its parts.
    store, folder : path-like
        Where the records are, and where the tables go.
    scale : "paper" or "quick"
        Which runs.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ValueError
        When the store has no run of the figure, or two of one arm and seed, which differ in epochs, device or data.
    """
    names = figures_of(figure)
    pairs = [
        (record, arm)
        for record, arm in _pairs(Store(Path(store)).read_all())
        if arm.figure in names and record["scale"] == scale
    ]
    Path(folder).mkdir(parents=True, exist_ok=True)
    written = []
    for name in names:
        mine = [pair for pair in pairs if pair[1].figure == name]
        _check_unambiguous(mine, name, store)
        first = min(record["seed"] for record, _ in mine)
        tables = {
            name: _table(mine, _epochs, _HISTORY),
            f"{name}_runs": tabulate_runs(mine),
            f"{name}_filters": _table(mine, _filters, _FILTERS),
            f"{name}_strands": _table([pair for pair in mine if pair[0]["seed"] == first], _predictions, _STRANDS),
        }
        if name != "fig5":
            del tables[f"{name}_filters"]
        if name != "fig4":
            del tables[f"{name}_strands"]
        for title, table in tables.items():
            path = Path(folder) / f"{title}.csv"
            with atomic_write(path) as temporary:
                table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
            written.append(path)
    return written


def tabulate_runs(pairs: Iterable[Pair]) -> "pd.DataFrame":
    """As :func:`runs_table`, of records and the arms that they are shown as."""
    return _table(pairs, _runs, _RUNS)


def _pairs(records: Iterable[Record]) -> Iterator[Pair]:
    """Records with every arm, of any figure, whose training they are, in the order of figures, arms and seeds."""
    found = []
    for record in records:
        training, data = record["training"], record["data"]
        arms = every_arm(scale=record["scale"], epochs=training["epochs"], device=training["device"])
        for place, arm in enumerate(arms):
            alike = arm.dataset == record["dataset"] and arm.fraction == record["fraction"]
            alike = alike and divided_as(arm.split, data["parts"])  # figures share arms, not chromosomes
            if alike and run_id(arm, record["seed"], data["fingerprint"], data["parts"]) == record["id"]:
                found.append((place, record["seed"], record["id"], record, arm))
    yield from ((record, arm) for *_, record, arm in sorted(found, key=lambda entry: entry[:3]))


def _check_unambiguous(pairs: list[Pair], figure: str, store: Any) -> None:
    if not pairs:
        raise ValueError(f"{store} has no run of {figure} at this scale; rcviz experiment {figure} makes them")
    seen: dict[tuple[str, str, float, int], str] = {}
    for record, arm in pairs:
        key = (arm.name, arm.dataset, arm.fraction, record["seed"])
        if seen.setdefault(key, record["id"]) != record["id"]:
            raise ValueError(
                f"{store} has two runs of {figure}, {arm.name}, seed {record['seed']}: {seen[key]} and {record['id']}, "
                f"which differ in epochs, device or data; keep them in stores of their own"
            )


def _table(
    pairs: Iterable[Pair], rows: Callable[[Record, Arm], Iterator[Record]], columns: list[str]
) -> "pd.DataFrame":
    import pandas as pd

    table = pd.DataFrame([row for record, arm in pairs for row in rows(record, arm)])
    return table if len(table) else pd.DataFrame(columns=columns)


def _begin(record: Record, arm: Arm) -> Record:
    return {
        "figure": arm.figure,
        "arm": arm.name,
        "paper": arm.paper,
        "strategy": arm.strategy,
        "architecture": arm.model.architecture,
        "n_filters": arm.model.n_filters,
        "dataset": arm.dataset,
        "fraction": arm.fraction,
        "seed": record["seed"],
    }


def _epochs(record: Record, arm: Arm) -> Iterator[Record]:
    for epoch in record["history"]:
        for split in ("train", "valid"):
            scores = {name: epoch[split][name] for name in ("loss", "auroc", "auprc")}
            row = {"epoch": epoch["epoch"], "split": split, **scores, "seconds": epoch["seconds"]}
            yield {**_begin(record, arm), **row}


def _runs(record: Record, arm: Arm) -> Iterator[Record]:
    scores, data = record["scores"], record["data"]
    begin = _begin(record, arm)
    of_training = {
        "n_parameters": record["n_parameters"],
        "chromosomes": data["chromosomes"],
        "n_train": data["n_train"],
        "n_train_positive": data["n_train_positive"],
        "best_epoch": record["best_epoch"],
        "n_epochs": len(record["history"]),
        "wall_seconds": record["seconds"]["wall"],
        "cpu_seconds": math.nan if record["seconds"]["cpu"] is None else record["seconds"]["cpu"],
        "peak_memory_mb": record["peak_memory_mb"],
        "cpu": " and ".join(record["machine"][part] for part in ("cpu", "gpu") if part in record["machine"]),
        "threads": record["machine"]["threads"],
        "scale": record["scale"],
        "code": f"{record['code']['rcviz']} {record['code']['digest']}",
    }
    gap = record["gap"]["probability"]
    rows = [{**begin, **of_training, **_scores(scores), "gap_max": gap["max"], "gap_mean": gap["mean"]}]
    for output, (strategy, words) in _POSTHOC.items() if "conjoined" in scores else ():
        of_both = {part: found[output] for part, found in scores["conjoined"].items()}
        shown = {"arm": f"{arm.name}, {words}", "paper": False, "strategy": strategy}
        # The average of two numbers is the same in either order.
        rows.append({**begin, **of_training, **shown, **_scores(of_both), "gap_max": 0.0, "gap_mean": 0.0})
    yield from ({name: row[name] for name in _RUNS} for row in rows)


def _scores(scores: Record) -> Record:
    nothing = {"auroc": math.nan, "auprc": math.nan}
    return {f"{part}_{name}": value for part in ("valid", "test") for name, value in scores.get(part, nothing).items()}


def _filters(record: Record, arm: Arm) -> Iterator[Record]:
    for found in record["tables"].get("filters", ()):
        weights = {
            f"{base}{position}": weight
            for base, row in zip("ACGT", found["weights"], strict=True)
            for position, weight in enumerate(row)
        }
        row = {**_begin(record, arm), **found, **weights}
        yield {name: row[name] for name in (*_FILTERS, *weights)}


def _predictions(record: Record, arm: Arm) -> Iterator[Record]:
    columns = record["tables"].get("strands", {})
    for values in zip(*columns.values(), strict=True):
        yield {**_begin(record, arm), **dict(zip(columns, values, strict=True))}
