"""Draw docs/pictures/growth.png from benchmarks/results/growth.json.

python benchmarks/growth_picture.py
"""

import json
from pathlib import Path

import numpy as np

from rcviz.plots._axes import FAINT, INK, despine, figure_png, new_figure
from rcviz.plots.colors import MODEL_COLORS

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "pictures" / "growth.png"
AXES = ("sequences", "length", "filters", "batch")
NAMED = (
    "prediction, one layer",
    "contributions",
    "training epoch, one layer",
    "activating sites",
    "agreement of strands",
    "logos as SVG text",
)


def draw(ax, sweep, values):
    subject, x = sweep["subject"], [point[sweep["axis"]] for point in sweep["points"]]
    named = subject in NAMED
    color = MODEL_COLORS[NAMED.index(subject)] if named else FAINT
    label = subject if named else "others, see the table"
    ax.loglog(x, values, color=color, label=label, linewidth=1.6 if named else 0.8, zorder=2 if named else 1)


def main():
    sweeps = json.loads((ROOT / "benchmarks" / "results" / "growth.json").read_text())["sweeps"]
    figure = new_figure(13, 6.5)
    panels = figure.subplots(2, len(AXES), sharex="col", sharey="row")
    for column, axis in enumerate(AXES):
        times, peaks = panels[:, column]
        ours = [sweep for sweep in sweeps if sweep["axis"] == axis]
        for sweep in ours:
            seconds = np.array([point["cpu_seconds"] for point in sweep["points"]])
            draw(times, sweep, seconds / seconds[0])
            draw(peaks, sweep, [max(point["peak_bytes"], 1e5) / 1e6 for point in sweep["points"]])
        ends = np.array(
            [min(p[axis] for s in ours for p in s["points"]), max(p[axis] for s in ours for p in s["points"])]
        )
        times.plot(
            ends, ends / ends[0] if axis != "batch" else [1, 1], color=INK, linestyle=":", linewidth=1.2, label="dotted"
        )
        if axis == "sequences":
            length = ours[0]["fixed"]["length"]
            peaks.plot(ends, ends * length / 1e6, color=INK, linestyle=":", linewidth=1.2)
            middle = ends[0] * 10
            peaks.text(middle * 1.3, middle * length / 1e6, "1 byte per base", ha="left", va="top", fontsize="small")
        times.set_title({"batch": "sequences a batch"}.get(axis, axis), fontsize="medium", color=INK)
        for panel in (times, peaks):
            despine(panel)
    panels[0, 0].set_ylabel("processor time, the first is 1", fontsize="small", color=INK)
    panels[1, 0].set_ylabel("peak memory of its own, MB", fontsize="small", color=INK)
    handles = {
        line.get_label(): line for ax in panels.flat for line in ax.lines if not line.get_label().startswith("_")
    }
    handles["dotted"].set_label("dotted: linear growth")
    shown = list(handles.values())
    figure.legend(handles=shown, loc="outside lower left", ncols=4, frameon=False, fontsize="small")
    OUT.write_bytes(figure_png(figure))


if __name__ == "__main__":
    main()
