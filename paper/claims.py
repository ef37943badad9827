"""Every claim of the paper, and what the tables say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from paper.figures import POSITIVE_WEIGHTS
from paper.tables import Results, trained_again
from paper.verdicts import PAPER_SEEDS, Comparison, Verdict
from rcviz.training.config import TrainConfig


@dataclass(frozen=True)
class Finding:
    """What the tables say of a claim.

    Attributes
    ----------
    ours, test, why : str
        What was measured; how it was tested; why the verdict is what it is.
    verdict : Verdict
    comparisons : tuple of Comparison
        Those that the verdict rests on, to be listed.
    again : Finding, optional
        The same claim measured on networks of a GPU, which `trained` describes.
    trained : str
        How they were trained, such as "60 epochs, on a GPU".
    """

    ours: str
    test: str
    verdict: Verdict
    why: str
    comparisons: tuple[Comparison, ...] = ()
    again: "Finding | None" = None
    trained: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper that can be measured.

    Attributes
    ----------
    figure, section : str
        Where the paper makes it.
    said : str
        The claim, in our words.
    paper : str
        The paper's own figure for it.
    needs : tuple of str
        Tables, handed to `rule` in this order; the last one says how many seeds there were.
    arms : tuple of str
        Arms without which it cannot be measured.
    rule : function of the tables
    """

    figure: str
    section: str
    said: str
    paper: str
    needs: tuple[str, ...]
    rule: Callable[..., Finding]
    arms: tuple[str, ...] = ()


def judge_claims(claims: Sequence[Claim], results: Results) -> list[Finding]:
    """Measure every claim on the tables that are there; what is missing is said, and no error."""
    again = trained_again(results)
    return [replace(_judged(claim, results), again=_again(claim, again)) for claim in claims]


def _again(claim: Claim, again: Results) -> Finding | None:
    finding = _judged(claim, again)
    if finding.verdict is Verdict.UNKNOWN:
        return None
    return replace(finding, trained=f"{epochs_text(again[claim.needs[-1]])}, on a GPU")


def epochs_text(runs: pd.DataFrame) -> str:
    """Write how long networks were trained: ``8 epochs``, ``104 to 160 epochs``."""
    least, most = int(runs["n_epochs"].min()), int(runs["n_epochs"].max())
    return f"{least} epochs" if least == most else f"{least} to {most} epochs"


def _judged(claim: Claim, results: Results) -> Finding:
    absent = [name for name in claim.needs if name not in results]
    if absent:
        return _unmeasured(f"There is no table {' and no table '.join(absent)} yet.")
    tables = [results[name] for name in claim.needs]
    lacking = [arm for arm in claim.arms for table in tables if arm not in set(table["arm"])]
    if lacking:
        return _unmeasured(f"No network of the arm {lacking[0]} is in the tables yet.")
    finding = claim.rule(*tables)
    last = tables[-1]
    mine = last[last["arm"].isin(claim.arms)] if claim.arms else last
    return replace(finding, why=" ".join([finding.why, *_circumstances(mine)]).strip())


def _unmeasured(why: str) -> Finding:
    return Finding("", "", Verdict.UNKNOWN, why)


def _circumstances(table: pd.DataFrame) -> list[str]:
    """What makes the measurement another than the paper's: fewer seeds, other chromosomes, a smaller scale."""
    said = []
    if "seed" in table:
        shown = table[table["paper"]] if "paper" in table else table
        counts = shown.drop_duplicates(["arm", "dataset", "fraction", "seed"])
        fewest = int(counts.groupby(["arm", "dataset", "fraction"]).size().min())
        if fewest < PAPER_SEEDS:
            said.append(f"{fewest} of the paper's {PAPER_SEEDS} seeds.")
    said += unlike_the_paper(table)
    if "scale" in table and (table["scale"] != "paper").any():
        said.append("At the quick scale, which is not the paper's.")
    return said


def unlike_the_paper(table: pd.DataFrame) -> list[str]:
    """What a caption of networks at the paper's scale must say: other chromosomes, fewer epochs."""
    said = ["On stand-in chromosomes."] if stands_in(table) else []
    if {"scale", "n_epochs"} <= {*table}:
        epochs = table.loc[table["dataset"].isin([*POSITIVE_WEIGHTS]) & (table["scale"] == "paper"), "n_epochs"]
        whole = TrainConfig.chipseq().epochs  # nothing stops these trainings early
        if (epochs < whole).any():
            trained = "Trained" if (epochs < whole).all() else "In part trained"
            said.append(f"{trained} for {int(epochs.min())} of the paper's {whole} epochs.")
    return said


def stands_in(table: pd.DataFrame) -> bool:
    """Whether a table of trained networks is of other chromosomes than the paper's."""
    return "chromosomes" in table and bool(table["chromosomes"].str.contains("(stand-in)", regex=False).any())


def spread(values: object) -> str:
    """Write mean, least and greatest: ``0.9512 (0.9480 to 0.9530)``."""
    numbers = np.asarray(values, dtype=float)
    return f"{numbers.mean():.4f} ({numbers.min():.4f} to {numbers.max():.4f})"


def p_text(p_value: float) -> str:
    """Write a p-value to four figures, as the paper does."""
    return f"p = {p_value:.4g}"


def differences(comparisons: Sequence[Comparison]) -> str:
    """Sum up several comparisons: how many are shown, how large the differences are, and the largest p-value."""
    gains = [comparison.difference for comparison in comparisons]
    n_shown = sum(comparison.shown for comparison in comparisons)
    largest = max(comparison.p_value for comparison in comparisons)
    return (
        f"{n_shown} of {len(comparisons)} comparisons shown; mean differences {min(gains):+.4f} to {max(gains):+.4f}; "
        f"largest {p_text(largest)}"
    )


def agreement_elsewhere(where: str, comparisons: Sequence[Comparison | None]) -> str:
    """Say in how many of the same comparisons another set of sequences agrees; nothing where there is none."""
    known = [comparison for comparison in comparisons if comparison is not None]
    if not known:
        return ""
    n_shown = sum(comparison.shown for comparison in known)
    return f"{where}: shown in {n_shown} of {len(known)} of the same comparisons."
