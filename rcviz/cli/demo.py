"""The analyses of the quickstart without a notebook: two models, their strands, their filters, one page."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from rcviz._core.files import atomic_write, check_target
from rcviz._core.tables import save_table
from rcviz.analysis.contributions import FilterContributions, filter_contributions
from rcviz.analysis.filters import filter_bank
from rcviz.analysis.strands import StrandAgreement, strand_agreement
from rcviz.models.config import Architecture, ModelConfig
from rcviz.models.network import SequenceModel, build_model, count_parameters
from rcviz.models.storage import save_model
from rcviz.motifs.bundled import load_motif
from rcviz.plots import page
from rcviz.plots._axes import new_figure
from rcviz.plots.filters import plot_filters
from rcviz.plots.saving import save_figure
from rcviz.plots.training import plot_history
from rcviz.sequences.alphabet import reverse_complement
from rcviz.sequences.examples import load_example
from rcviz.sequences.splits import Splits, split
from rcviz.training.config import TrainConfig
from rcviz.training.history import EpochRecord, History, progress_text
from rcviz.training.loop import evaluate, fit

TOP = 4
"""Number of filters of each model that are drawn, as in Figure 5."""

FILES = (
    *("revcomp.safetensors", "standard.safetensors", "index.html"),
    *("models.csv", "histories.csv", "contributions.csv", "strands.csv"),
    *("history.png", "strands.png", "contributions.png", "filters.png"),
)
"""Files that are written."""


@dataclass(frozen=True)
class _Arm:
    """One model of the comparison and its results."""

    name: str
    key: str
    model: SequenceModel
    history: History
    auroc: float
    strands: StrandAgreement
    contributions: FilterContributions


def run_demo(out: Path, *, epochs: int = 16, seed: int = 0) -> str:
    """Train an RC and a standard model on the bundled CTCF peaks and write models, tables, figures and a page.

    Returns results and the next step, in a few lines.
    """
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        check_target(out / name, "the file")
    parts = split(load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=seed)
    with tqdm(total=2 * epochs + 4, unit="step") as bar:
        arms = [
            _run("RC, 12 filters", "revcomp", 12, parts, epochs, seed, bar),
            _run("standard, 24 filters", "standard", 24, parts, epochs, seed, bar),
        ]
        bar.set_description("drawing")
        tables = _tables(arms)
        figures = _figures(arms, tables["histories"])
        bar.update(2)
    for arm in arms:
        save_model(arm.model, out / f"{arm.key}.safetensors")
    for name, frame in tables.items():
        save_table(frame, out / f"{name}.csv")
    for name, (figure, _) in figures.items():
        save_figure(figure, out / f"{name}.png")
    summary = _summary(arms)
    parts_of_page = [page.paragraph(line) for line in summary.splitlines()]
    parts_of_page += [page.heading("The two models"), page.table(tables["models"])]
    for figure, caption in figures.values():
        parts_of_page.append(page.picture(figure, caption))
    parts_of_page += [page.heading("Contribution of each filter to the logit"), page.table(tables["contributions"])]
    with atomic_write(out / "index.html") as temporary:
        temporary.write_text(page.html_page("CTCF, read on both strands", parts_of_page), encoding="utf-8")
    return (
        f"{summary}\n\nWritten in {time.perf_counter() - started:.0f} s: {out}/index.html (open it in a browser), "
        f"both models, tables and figures.\n"
        f"Next: make lab (or rcviz lab) opens the tutorial that explains this step by step."
    )


def _run(
    name: str, architecture: Architecture, n_filters: int, parts: Splits, epochs: int, seed: int, bar: Any
) -> _Arm:
    bar.set_description(f"training {name}")
    config = ModelConfig.one_layer(
        architecture, n_filters=n_filters, kernel_sizes=(21,), sequence_length=200, pool_size=30
    )
    model = build_model(config, seed=seed)
    training = TrainConfig.chipseq(
        epochs=epochs,
        samples_per_epoch=len(parts.train),
        learning_rate=0.01,
        seed=seed,
        augmentation="none" if architecture == "revcomp" else "revcomp",
    )

    def advance(record: EpochRecord) -> None:
        bar.set_postfix_str(progress_text(record))
        bar.update()

    history = fit(model, parts.train, parts.valid, training, progress=False, on_epoch=advance)
    bar.set_description(f"analysing {name}")
    arm = _Arm(
        name,
        architecture,
        model,
        history,
        float(evaluate(model, parts.test)["auroc"].iloc[0]),
        strand_agreement(model, parts.test),
        filter_contributions(model, parts.test),
    )
    bar.update()
    return arm


def _tables(arms: list[_Arm]) -> dict[str, pd.DataFrame]:
    models = pd.DataFrame(
        {
            "model": [arm.name for arm in arms],
            "parameters": [count_parameters(arm.model) for arm in arms],
            "best_epoch": [arm.history.best_epoch for arm in arms],
            "test_auroc": [arm.auroc for arm in arms],
            "largest_strand_gap": [arm.strands.max_gap for arm in arms],
            "mean_strand_gap": [arm.strands.mean_gap for arm in arms],
        }
    )
    return {
        "models": models,
        "histories": _together({arm.name: arm.history.table for arm in arms}),
        "contributions": _together({arm.name: arm.contributions.table for arm in arms}),
        "strands": _together({arm.name: arm.strands.table for arm in arms}),
    }


def _together(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Concatenate tables, with the model's name as first column."""
    return pd.concat(tables, names=["model"]).reset_index("model")


def _figures(arms: list[_Arm], histories: pd.DataFrame) -> dict[str, tuple[Any, str]]:
    curves = new_figure(7.5, 3.5)
    plot_history(histories, curves.add_subplot())
    strands, ranked = new_figure(9, 4.5), new_figure(10, 4)
    for place, arm in enumerate(arms, start=1):
        arm.strands.plot(strands.add_subplot(1, len(arms), place), task_name=arm.name)
        axes = arm.contributions.plot(ranked.add_subplot(1, len(arms), place), top=8)
        axes.set_title(arm.name, fontsize="medium")
    return {
        "history": (curves, "auROC while training; validation solid, training dotted."),
        "strands": (strands, "Predictions for each test sequence and for its reverse complement (Figure 4)."),
        "contributions": (ranked, "Filters ranked by their contribution to the logit (section 3.5)."),
        "filters": (
            _filters(arms),
            "CTCF_known1 and the top filters, mean-centred, each on its own scale and on both strands (Figure 5).",
        ),
    }


def _filters(arms: list[_Arm]) -> Any:
    figure = new_figure(10, 1.5 * (TOP + 1))
    grid = figure.add_gridspec(2, 1, height_ratios=[1, TOP])
    motif = load_motif("CTCF_known1")
    both, other = [motif, motif.reverse_complement()], "its reverse complement"
    plot_filters(both, figure.add_subplot(grid[0]), names=[motif.name, other], columns=2)
    banks = [filter_bank(arm.model) for arm in arms]
    matrices, names = [], []
    for place in range(TOP):
        for arm, bank in zip(arms, banks, strict=True):
            index = arm.contributions.ranking[place]
            matrices += [bank.weights[index], reverse_complement(bank.weights[index])]
            names += [f"{arm.key} filter {index}", other]
    plot_filters(matrices, figure.add_subplot(grid[1]), names=names, columns=2 * len(arms), share_scale="none")
    return figure


def _summary(arms: list[_Arm]) -> str:
    return "\n".join(
        f"{arm.name}: test auROC {arm.auroc:.3f}; the two strands of a sequence differ by up to "
        f"{arm.strands.max_gap:.2g} in predicted probability; the top filter is "
        f"{arm.contributions.ranking[0]}, adding {arm.contributions.scores.max():+.2f} to the logit."
        for arm in arms
    )
