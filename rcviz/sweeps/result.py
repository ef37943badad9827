"""Results of a sweep: tidy tables of its records, comparisons of its arms, a plot."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import pandas as pd

from rcviz._core.checks import check_choice
from rcviz.sweeps.arms import Arm
from rcviz.sweeps.compare import Comparison, sentence
from rcviz.sweeps.store import Record

Part = Literal["test", "valid"]

_COUNTS = ("n_positive", "n_negative", "n")
_OF_CLASSES, _OF_VALUES = ("auroc", "auprc"), ("pearson", "spearman", "mse")


@dataclass(frozen=True, eq=False)
class Sweep:
    """Results of a sweep; failed runs are left out of all tables.

    Attributes
    ----------
    arms : dict from name to Arm
    seeds : tuple of int
    records : dict from (arm, seed) to dict
        The records as they are in the store; arms that share a training have the same one.
    failures : DataFrame
        arm, seed, error, traceback of every run that failed.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=500)
    >>> arms = {
    ...     "shared": rcviz.Arm(model=model.config, training=training),
    ...     "standard": rcviz.Arm(model=standard.config, training=training),
    ... }
    >>> result = rcviz.sweep(arms, parts, seeds=2, n_jobs=1, progress=False)
    >>> result.test.columns.tolist()
    ['arm', 'seed', 'task', 'auroc', 'auprc', 'n_positive', 'n_negative']
    >>> comparison = result.compare("shared", "standard")
    >>> "too few seeds to tell" in result.summary()
    True
    >>> ax = result.plot(metric="auprc")
    """

    arms: Mapping[str, Arm]
    seeds: tuple[int, ...]
    records: Mapping[tuple[str, int], Record]
    failures: pd.DataFrame

    @cached_property
    def table(self) -> pd.DataFrame:
        """Every epoch: arm, seed, epoch, split ("train" or "valid"), loss, the metrics, seconds (of the epoch)."""
        rows = [
            {"arm": arm, "seed": seed, "epoch": epoch["epoch"], "split": split, **_as_numbers(epoch[split])}
            | {"seconds": epoch["seconds"]}
            for (arm, seed), record in self._ordered()
            for epoch in record["history"]
            for split in ("train", "valid")
        ]
        return _table(rows, ["arm", "seed", "epoch", "split", "loss", *self._expected, "seconds"])

    @cached_property
    def test(self) -> pd.DataFrame:
        """The best epoch's weights on the test part: arm, seed, task, the metrics, counts of labels."""
        return self._evaluated("test")

    @cached_property
    def valid(self) -> pd.DataFrame:
        """The same on the validation part, which chose the best epoch: its metrics are slightly too good."""
        return self._evaluated("valid")

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every run.

        arm, strategy, seed, fraction, n_parameters, n_train, n_train_positive (labels of all tasks; not for values),
        best_epoch, n_epochs, valid_auroc, test_auroc and so on (means over tasks), gap_max, gap_mean (between the
        probabilities, or values, of the two strands, validation part), wall_seconds (of all epochs), cpu_seconds (NaN
        for a run that was killed and resumed), peak_memory_mb, cpu, threads, code.
        """
        rows = []
        for (arm, seed), record in self._ordered():
            described = self.arms[arm]
            gaps = record["gap"]["valid"]
            gap = gaps["value"] if "value" in gaps else gaps["probability"]
            both = described.strategy == "conjoined"  # the average of two numbers is the same in either order
            machine, code, data = record["machine"], record["code"], record["data"]
            row = {
                "arm": arm,
                "strategy": described.strategy,
                "seed": seed,
                "fraction": described.fraction,
                "n_parameters": record["n_parameters"],
                "n_train": data["n_train"],
                **({"n_train_positive": data["n_train_positive"]} if "n_train_positive" in data else {}),
                "best_epoch": record["best_epoch"],
                "n_epochs": len(record["history"]),
                **self._means("valid", arm, seed),
                **self._means("test", arm, seed),
                "gap_max": 0.0 if both else gap["max"],
                "gap_mean": 0.0 if both else gap["mean"],
                "wall_seconds": record["seconds"]["wall"],
                "cpu_seconds": _number(record["seconds"]["cpu"]),
                "peak_memory_mb": record["peak_memory_mb"],
                "cpu": " and ".join(machine[part] for part in ("cpu", "gpu") if part in machine),
                "threads": machine["threads"],
                "code": f"{code['rcviz']} {code['digest']}",
            }
            rows.append(row)
        return _table(rows, ["arm", "strategy", "seed"])

    @cached_property
    def measured(self) -> dict[str, pd.DataFrame]:
        """The tables that ``measure`` returned, each for all runs: arm, seed, and its own columns."""
        tables: dict[str, list[pd.DataFrame]] = {}
        for (arm, seed), record in self._ordered():
            for name, content in record["tables"].items():
                table = pd.DataFrame(content["columns"]).astype(content["kinds"])
                table.insert(0, "arm", arm)
                table.insert(1, "seed", seed)
                tables.setdefault(name, []).append(table)
        return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}

    def compare(
        self, a: str, b: str, metric: str | None = None, *, task: str | None = None, part: Part = "test"
    ) -> Comparison:
        """Compare two arms over their seeds.

        Seeds are not treated as pairs: networks of different shapes have different starting weights with one seed.

        Parameters
        ----------
        a, b : str
            Names of the arms, the one expected to be better first.
        metric : str, optional
            Column of :attr:`test`, such as "auprc" or, of values, "mse". By default "auroc", of values "pearson".
        task : str, optional
            One task; by default each seed's mean over all tasks.
        part : "test" or "valid"
            The part on which the best epoch's weights are evaluated.

        Returns
        -------
        Comparison
            With ``p_value`` (exact one-sided rank-sum test, a above b; for "mse", where lower is better, a below b),
            ``effect`` (mean of a minus mean of b), ``interval`` (95%, Welch) and ``summary()``.

        Raises
        ------
        ValueError
            When an arm, the metric or the task does not exist, or a correlation is not defined for some of the runs.
        """
        metric = self._expected[0] if metric is None else metric
        values_a, values_b = (self._by_seed(arm, metric, task, part).dropna().to_numpy(dtype=float) for arm in (a, b))
        return Comparison(a=a, b=b, metric=metric, values_a=values_a, values_b=values_b)

    def comparisons(
        self, arm: str | None = None, *, metric: str | None = None, task: str | None = None, part: Part = "test"
    ) -> pd.DataFrame:
        """Compare an arm with every other one, see :meth:`compare`.

        Parameters
        ----------
        arm : str, optional
            By default the first one.
        metric, task, part
            As in :meth:`compare`.

        Returns
        -------
        DataFrame, one row per arm
            arm, n_seeds, mean, sd (of the metric over seeds), then, of ``arm`` against this one: difference, low, high
            (its 95% interval), p_value (``arm`` better than this one, see :attr:`Comparison.p_value`) and verdict
            ("ahead", "level", "behind" or "too few seeds to tell", not corrected for the number of pairs). They are NaN
            and "" in the row of the arm itself.
        """
        arm = next(iter(self.arms)) if arm is None else arm
        rows = []
        for name in self.arms:
            one = self.compare(arm, name, metric, task=task, part=part)
            values = one.values_b
            row: dict[str, Any] = {"arm": name, "n_seeds": len(values)}
            row["mean"] = values.mean() if len(values) else math.nan
            row["sd"] = values.std(ddof=1) if len(values) > 1 else math.nan
            row |= dict.fromkeys(("difference", "low", "high", "p_value"), math.nan) | {"verdict": ""}
            if name != arm:
                low, high = one.interval
                row |= {"difference": one.effect, "low": low, "high": high, "p_value": one.p_value}
                row["verdict"] = one.verdict()
            rows.append(row)
        return pd.DataFrame(rows)

    def summary(self, arm: str | None = None, *, metric: str | None = None, task: str | None = None) -> str:
        """Return one sentence: an arm is ahead of the best of all others, level with it, or behind it.

        Parameters
        ----------
        arm : str, optional
            By default the first one.
        metric, task
            As in :meth:`compare`, on the test part.
        """
        arm = next(iter(self.arms)) if arm is None else arm
        comparisons = [self.compare(arm, other, metric, task=task) for other in self.arms if other != arm]
        return sentence(comparisons)

    def plot(
        self, ax: Any = None, *, metric: str | None = None, task: str | None = None, part: Part = "test", **options: Any
    ) -> Any:
        """Draw a metric of each arm; ``options`` are those of :func:`rcviz.plot_architectures`."""
        from rcviz.plots.comparisons import plot_architectures

        if not self.records:
            raise ValueError("there is no finished run to draw; .failures lists the errors")
        metric = self._expected[0] if metric is None else metric
        column = f"{part}_{metric}"
        table = pd.concat(
            [self._by_seed(arm, metric, task, part).rename(column).reset_index().assign(arm=arm) for arm in self.arms],
            ignore_index=True,
        )
        return plot_architectures(table, ax, metric=column, **options)

    @property
    def _expected(self) -> tuple[str, ...]:
        """Metrics that runs of this sweep have, also where none is finished."""
        losses = {arm.training.loss for arm in self.arms.values()}
        return _OF_CLASSES if losses <= {"bce"} else _OF_VALUES

    def _ordered(self) -> Iterator[tuple[tuple[str, int], Record]]:
        """Yield arms in the order in which they were given, and seeds within them."""
        for arm in self.arms:
            for seed in self.seeds:
                if (arm, seed) in self.records:
                    yield (arm, seed), self.records[arm, seed]

    def _evaluated(self, part: Part) -> pd.DataFrame:
        rows = []
        for (arm, seed), record in self._ordered():
            described = self.arms[arm]
            kind = described.average if described.strategy == "conjoined" else "as is"
            by_task = record["metrics"].get(part, {}).get(kind, ())
            rows += [{"arm": arm, "seed": seed, **_as_numbers(row)} for row in by_task]
        table = _table(rows, ["arm", "seed", "task", *self._expected])
        counts = [name for name in _COUNTS if name in table]
        return table[["arm", "seed", "task", *_metrics(table), *counts]]

    def _means(self, part: Part, arm: str, seed: int) -> dict[str, float]:
        """Return every metric of one run, averaged over its tasks."""
        table = self.test if part == "test" else self.valid
        own = table[(table["arm"] == arm) & (table["seed"] == seed)]
        return {f"{part}_{name}": float(own[name].mean()) for name in _metrics(table)}

    def _by_seed(self, arm: str, metric: str, task: str | None, part: str) -> pd.Series:
        """Return a metric of one arm by seed, tasks averaged."""
        if arm not in self.arms:
            raise ValueError(f"there is no arm {arm!r}; the arms are {', '.join(map(repr, self.arms))}")
        check_choice("part", part, get_args(Part))
        table = self.test if part == "test" else self.valid
        check_choice("metric", metric, tuple(_metrics(table)))
        if task is not None:
            check_choice("task", task, tuple(table["task"].unique()))
            table = table[table["task"] == task]
        tasks = table[table["arm"] == arm].groupby("seed")[metric]
        most = table.groupby(["arm", "seed"])[metric].count().max()
        if (tasks.count() < most).any():
            raise ValueError(
                f"{metric} is not defined for seed {tasks.count().idxmin()} of {arm!r}, whose predictions are all "
                f"equal: choose another metric, or leave the seed out of seeds=..."
            )
        return tasks.mean()


def _metrics(table: pd.DataFrame) -> list[str]:
    """Return the columns that are metrics."""
    return [str(name) for name in table if name not in ("arm", "seed", "task", *_COUNTS)]


def _as_numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
