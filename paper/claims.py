"""The claims of the paper, and what the tables show about each."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from paper import rules_chipseq, rules_filters, rules_simulated
from paper.figures import POSITIVE_WEIGHTS
from paper.findings import Finding, unmeasured
from paper.tables import Results, trained_again
from paper.verdicts import PAPER_SEEDS, Verdict
from rcviz.training.config import TrainConfig

_RULES = {**vars(rules_simulated), **vars(rules_chipseq), **vars(rules_filters)}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper that can be measured; ``claims.toml`` has them all and explains the fields."""

    figure: str
    section: str
    claim: str
    paper: str
    needs: tuple[str, ...]
    arms: tuple[str, ...]
    rule: str

    def measure(self, *tables: pd.DataFrame) -> Finding:
        """Apply the rule to the tables that it needs."""
        rule: Callable[..., Finding] = _RULES[self.rule]
        return rule(*tables)


CLAIMS = tuple(
    Claim(**{**entry, "needs": tuple(entry["needs"]), "arms": tuple(entry["arms"])})
    for entry in tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))["claims"]
)


def judge_claims(claims: Sequence[Claim], results: Results) -> list[Finding]:
    """Measure claims on the tables that are present; what is missing is named in the finding."""
    again = trained_again(results)
    return [replace(_judged(claim, results), again=_again(claim, again)) for claim in claims]


def epochs_text(runs: pd.DataFrame) -> str:
    """Write how long networks were trained: ``8 epochs``, ``104 to 160 epochs``."""
    least, most = int(runs["n_epochs"].min()), int(runs["n_epochs"].max())
    return f"{least} epochs" if least == most else f"{least} to {most} epochs"


def unlike_the_paper(table: pd.DataFrame) -> list[str]:
    """Return what a caption of networks at the paper's scale must mention: other chromosomes, fewer epochs."""
    sentences = ["On stand-in chromosomes."] if stands_in(table) else []
    if {"scale", "n_epochs"} <= {*table}:
        epochs = table.loc[table["dataset"].isin([*POSITIVE_WEIGHTS]) & (table["scale"] == "paper"), "n_epochs"]
        whole = TrainConfig.chipseq().epochs  # nothing stops these trainings early
        if (epochs < whole).any():
            trained = "Trained" if (epochs < whole).all() else "In part trained"
            sentences.append(f"{trained} for {int(epochs.min())} of the paper's {whole} epochs.")
    return sentences


def stands_in(table: pd.DataFrame) -> bool:
    """Whether networks of a table were trained on other chromosomes than the paper's."""
    return "chromosomes" in table and bool(table["chromosomes"].str.contains("(stand-in)", regex=False).any())


def _again(claim: Claim, again: Results) -> Finding | None:
    finding = _judged(claim, again)
    if finding.verdict is Verdict.UNKNOWN:
        return None
    return replace(finding, trained=f"{epochs_text(again[claim.needs[-1]])}, on a GPU")


def _judged(claim: Claim, results: Results) -> Finding:
    absent = [name for name in claim.needs if name not in results]
    if absent:
        return unmeasured(f"There is no table {' and no table '.join(absent)} yet.")
    tables = [results[name] for name in claim.needs]
    lacking = [arm for arm in claim.arms for table in tables if arm not in set(table["arm"])]
    if lacking:
        return unmeasured(f"No network of the arm {lacking[0]} is in the tables yet.")
    finding = claim.measure(*tables)
    last = tables[-1]
    own = last[last["arm"].isin(claim.arms)] if claim.arms else last
    return replace(finding, why=" ".join([finding.why, *_circumstances(own)]).strip())


def _circumstances(table: pd.DataFrame) -> list[str]:
    """Return how the measurement differs from the paper's: fewer seeds, other chromosomes, a smaller scale."""
    sentences = []
    if "seed" in table:
        shown = table[table["paper"]] if "paper" in table else table
        counts = shown.drop_duplicates(["arm", "dataset", "fraction", "seed"])
        fewest = int(counts.groupby(["arm", "dataset", "fraction"]).size().min())
        if fewest < PAPER_SEEDS:
            sentences.append(f"{fewest} of the paper's {PAPER_SEEDS} seeds.")
    sentences += unlike_the_paper(table)
    if "scale" in table and (table["scale"] != "paper").any():
        sentences.append("At the quick scale, which is not the paper's.")
    return sentences
