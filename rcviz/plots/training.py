"""Learning curves: validation solid, training dotted (Figure 2)."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rcviz._core.checks import check_choice
from rcviz.plots._axes import INK, despine, integer_ticks, legend_below, resolve_axes
from rcviz.plots.colors import MODEL_COLORS, model_colors
from rcviz.plots.results import table_of

METRICS = {"loss": "loss", "auroc": "auROC", "auprc": "auPRC"}
_STYLES: dict[str, Literal["dotted", "solid"]] = {"train": "dotted", "valid": "solid"}


def plot_history(table: Any, ax: Axes | None = None, *, metric: str = "auroc") -> Axes:
    """Draw a metric over the epochs, validation solid and training dotted as in the paper's Figure 2.

    Parameters
    ----------
    table
        A History, or a DataFrame with columns ``epoch``, ``split`` ("train" or "valid") and the metric; optional
        ``model`` (one colour each) and ``seed`` (several runs of a model, in its colour).
    ax
        Axes to draw into; None makes a figure.
    metric
        "loss", "auroc" or "auprc".

    Returns
    -------
    Axes
        A dot marks the best validation epoch of each run: the highest value, for the loss the lowest.

    Raises
    ------
    ValueError
        If `metric` is unknown, a column is missing, the table is empty, a split is neither "train" nor
        "valid", or one run has two rows for the same epoch and split.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> history = rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    >>> ax = rcviz.plot_history(history, metric="loss")
    """
    check_choice("metric", metric, tuple(METRICS))
    table = table_of(table)
    _check(table, metric)
    several = "model" in table.columns
    repeated = "seed" in table.columns and table["seed"].nunique() > 1
    runs = [column for column in ("model", "seed") if column in table.columns]
    models = [str(model) for model in table["model"].unique()] if several else [""]
    palette = model_colors(models) if several else {"": MODEL_COLORS[1]}

    ax = resolve_axes(ax, 6.0, 4.0)
    best: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
    for key, run in table.groupby(runs, sort=False) if runs else [(("",), table)]:
        model = str(key[0]) if several else ""
        for split in _STYLES:
            curve = run[run["split"] == split].sort_values("epoch")
            epoch, value = (np.asarray(curve[column], dtype=float) for column in ("epoch", metric))
            _draw_curve(ax, epoch, value, split, palette[model], faint=repeated)
            if split == "valid" and np.isfinite(value).any():
                at = int(np.nanargmin(value) if metric == "loss" else np.nanargmax(value))
                best[model].append((epoch[at], value[at]))
    for model, points in best.items():
        ax.plot(
            [epoch for epoch, _ in points],
            [value for _, value in points],
            linestyle="none",
            marker="o",
            markersize=7 if len(points) == 1 else 4.5,
            color=palette[model],
            markeredgecolor="white",
            markeredgewidth=1.2 if len(points) == 1 else 0.6,
            zorder=3,
        )
    despine(ax)
    ax.grid(axis="y", color="#eeeeee")
    ax.set_axisbelow(True)
    integer_ticks(ax, 10)
    ax.set_xlabel("epoch", fontsize="small", color=INK)
    ax.set_ylabel(METRICS[metric], fontsize="small", color=INK)
    keys = [
        Line2D([], [], color=palette[model], linewidth=2, marker="o", label=_model_label(model, best[model]))
        for model in models
    ]
    splits = _split_keys(set(table["split"]))
    if several:
        # A legend is filled column by column: blanks keep the models in the first and the splits in the second.
        rows = max(len(keys), len(splits))
        blank = Line2D([], [], linestyle="none", label=" ")
        legend_below(ax, [*keys, *[blank] * (rows - len(keys)), *splits, *[blank] * (rows - len(splits))], 2)
    else:
        legend_below(ax, [*splits, *keys], 3)
    return ax


def _draw_curve(
    ax: Axes, epoch: Float[np.ndarray, " n"], value: Float[np.ndarray, " n"], split: str, color: str, *, faint: bool
) -> None:
    # A line through a single epoch has no length: a marker shows it, hollow for training.
    single = np.isfinite(value).sum() == 1
    ax.plot(
        epoch,
        value,
        color=color,
        linestyle=_STYLES[split],
        # Runs of one model overlap: thin, transparent lines show their spread.
        linewidth=0.9 if faint else 1.5,
        alpha=0.6 if faint else 1.0,
        marker="o" if single else "none",
        markerfacecolor="white" if split == "train" else color,
        markersize=6,
        zorder=2.2 if split == "valid" else 2.0,
    )


def _split_keys(splits: set[str]) -> list[Line2D]:
    names = {"valid": "validation", "train": "training"}
    return [
        Line2D([], [], color=INK, linestyle=_STYLES[split], label=name)
        for split, name in names.items()
        if split in splits
    ]


def _check(table: Any, metric: str) -> None:
    missing = [column for column in ("epoch", "split", metric) if column not in table.columns]
    if missing:
        raise ValueError(
            f"expected columns epoch, split and {metric}, got a table without {', '.join(missing)}: "
            "one row per epoch and split, as in History.table"
        )
    if len(table) == 0:
        raise ValueError("expected at least one epoch, got an empty table")
    for split in table["split"].unique():
        check_choice("split", split, tuple(_STYLES))
    keys = [column for column in ("model", "seed", "epoch", "split") if column in table.columns]
    twice = table[table.duplicated(keys)]
    if len(twice):
        first = twice.iloc[0]
        raise ValueError(
            f"two rows for epoch {first['epoch']}, split {first['split']!r}: add a column 'model' or 'seed' that "
            "separates the runs"
        )


def _model_label(model: str, best: list[tuple[float, float]]) -> str:
    """Name the model and its best validation value: with its epoch, or the median and the number of runs."""
    if not best:
        return model or "no validation value"
    if len(best) == 1:
        epoch, value = best[0]
        text = f"best {value:.3f} at epoch {epoch:g}"
    else:
        text = f"best {np.median([value for _, value in best]):.3f} (median of {len(best)} runs)"
    return f"{model}: {text}" if model else text
