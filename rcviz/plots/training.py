"""Learning curves: validation solid, training dotted (Figure 2)."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rcviz._core.checks import check_choice
from rcviz.metrics import LOWER_IS_BETTER, METRIC_NAMES
from rcviz.plots._axes import despine, ink, integer_ticks, label_axes, paper, plotting, resolve_axes
from rcviz.plots._legend import LEGENDS, add_legend
from rcviz.plots._style import checked_visuals, dot, stroke
from rcviz.plots.colors import MODEL_COLORS, model_colors, on_paper
from rcviz.plots.results import table_of

_STYLES: dict[str, Literal["dotted", "solid"]] = {"train": "dotted", "valid": "solid"}
_NAMES = {"train": "training", "valid": "validation"}
_PARTS = ("training", "validation", "best")


@plotting
def plot_history(
    table: Any,
    ax: Axes | None = None,
    *,
    metric: str | None = None,
    legend: str = "outside",
    visuals: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw a metric over the epochs, validation solid and training dotted as in the paper's Figure 2.

    Parameters
    ----------
    table
        A History, or a DataFrame with columns ``epoch``, ``split`` ("train" or "valid") and the metric; optional
        ``model`` (one colour each) and ``seed`` (several runs of a model, in its colour).
    ax
        Axes to draw into; None makes a figure.
    metric
        "loss", "auroc" or "auprc"; "loss", "pearson", "spearman" or "mse" where labels are values. By default "auroc"
        or "pearson".
    legend
        "outside" (below the Axes), "inside" or "none".
    visuals
        Options of matplotlib for each part: "training", "validation" (lines) and "best" (markers); False hides one.

    Returns
    -------
    Axes
        A dot marks the best validation epoch of each run: the highest value, of losses and errors the lowest. Values
        that are not known leave gaps; the note names the curves that have none at all.

    Raises
    ------
    ValueError
        If `metric` is unknown, a column is missing, the table is empty, a model, seed, epoch or split is missing, a
        split is neither "train" nor "valid", or one run has two rows for the same epoch and split.

    Examples
    --------
    >>> training = rcviz.TrainConfig(epochs=2, batch_size=100, samples_per_epoch=200)
    >>> history = rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    >>> ax = rcviz.plot_history(history, metric="loss")
    """
    columns = getattr(table if hasattr(table, "columns") else getattr(table, "table", None), "columns", ())
    if metric is None:
        metric = "pearson" if "pearson" in columns and "auroc" not in columns else "auroc"
    check_choice("metric", metric, tuple(METRIC_NAMES))
    runs = [column for column in ("model", "seed") if column in columns]
    check_choice("legend", legend, LEGENDS)
    styles = checked_visuals("plot_history", visuals, _PARTS)
    keys = [*runs, "epoch", "split"]
    table = table_of(table, ["epoch", "split", metric], "epoch and split", keys=keys, not_infinite=[metric])
    for split in table["split"].unique():
        check_choice("split", split, tuple(_STYLES))
    several = "model" in runs
    repeated = "seed" in runs and table["seed"].nunique() > 1
    models = [str(model) for model in table["model"].unique()] if several else [""]

    ax = resolve_axes(ax, 6.0, 3.6)
    palette = model_colors(models, paper(ax)) if several else {"": on_paper(MODEL_COLORS[1], paper(ax))}
    best: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
    unknown = []
    for key, run in table.groupby(runs, sort=False) if runs else [(("",), table)]:
        model = str(key[0]) if several else ""
        for split, name in _NAMES.items():
            curve = run[run["split"] == split].sort_values("epoch")
            epoch, value = (np.asarray(curve[column], dtype=float) for column in ("epoch", metric))
            # A line through a single epoch has no length: a marker shows it, hollow for training.
            line: dict[str, Any] = {
                "color": palette[model],
                "linestyle": _STYLES[split],
                # Runs of one model overlap: thin, transparent lines show their spread.
                "linewidth": stroke(0.9 if repeated else 1.5),
                "alpha": 0.6 if repeated else 1.0,
                # A line through a single epoch has no length: a marker shows it, hollow for training.
                "marker": "o" if np.isfinite(value).sum() == 1 else "none",
                "markerfacecolor": paper(ax) if split == "train" else palette[model],
                "markersize": dot(6),
                "zorder": 2.2 if split == "valid" else 2.0,
            }
            ax.plot(epoch, value, **{**line, **styles[name]})
            if not np.isfinite(value).any():
                if split in table["split"].unique():
                    unknown.append(" ".join([name, *map(str, key)]).strip())
            elif split == "valid":
                at = int(np.nanargmin(value) if metric in LOWER_IS_BETTER else np.nanargmax(value))
                best[model].append((epoch[at], value[at]))
    for model, points in best.items():
        single = len(points) == 1
        marks: dict[str, Any] = {
            "linestyle": "none",
            "marker": "o",
            "markersize": dot(7 if single else 4.5),
            "color": palette[model],
            "markeredgecolor": paper(ax),
            "markeredgewidth": stroke(1.2 if single else 0.6),
            "zorder": 3,
        }
        ax.plot([epoch for epoch, _ in points], [value for _, value in points], **{**marks, **styles["best"]})
    despine(ax)
    integer_ticks(ax, 10)
    colors = {model: styles["best"].get("color", color) for model, color in palette.items()}
    handles = [
        Line2D([], [], color=colors[model], linewidth=stroke(2), marker="o", label=_model_label(model, best[model]))
        for model in models
    ]
    splits = [
        Line2D([], [], **{"color": ink(ax), "linestyle": _STYLES[split], **styles[name], "label": name})
        for split, name in reversed(_NAMES.items())
        if split in table["split"].unique()
    ]
    note = f"no values: {', '.join(unknown)}" if unknown else None
    add_legend(ax, legend, [*handles, *splits] if several else [*splits, *handles], 2 if several else 3, note=note)
    label_axes(ax, "epoch", METRIC_NAMES[metric], grid=True)
    return ax


def _model_label(model: str, best: list[tuple[float, float]]) -> str:
    """Name the model and its best validation value: with its epoch, or the median and the number of runs."""
    if not best:
        return f"{model}: no validation value" if model else "no validation value"
    if len(best) == 1:
        epoch, value = best[0]
        text = f"best {value:.3f} at epoch {epoch:g}"
    else:
        text = f"best {np.median([value for _, value in best]):.3f} (median of {len(best)} runs)"
    return f"{model}: {text}" if model else text
