"""The claims of the paper, and what the tables show about each."""

import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from paper import rules_chipseq, rules_filters, rules_simulated
from paper.convergence import best_trained, improving_text, less_trained, not_trained_out, still_improving
from paper.figures import POSITIVE_WEIGHTS
from paper.findings import Finding, unmeasured
from paper.tables import Results
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
    """Measure claims on the tables that are present; what is missing is named in the finding.

    Of figures that were trained twice, the trainings of which fewer ended at their best epoch give the verdict; the
    finding on the others is its `other`.
    """
    best, less = best_trained(results), less_trained(results)
    return [_leading(_judged(claim, best), _judged(claim, less)) for claim in claims]


def _leading(lead: Finding, other: Finding) -> Finding:
    if lead.verdict is Verdict.UNKNOWN:
        return lead if other.verdict is Verdict.UNKNOWN else other
    return lead if other.verdict is Verdict.UNKNOWN else replace(lead, other=other)


def summary(findings: Sequence[Finding]) -> str:
    """Sum up the verdicts, and what they rest on."""
    sentences = [f"Of {len(findings)} claims, {_counted(findings)}."]
    tested = [finding for finding in findings if finding.comparisons]
    fewest = min((_fewest_seeds(finding) for finding in tested), default=PAPER_SEEDS)
    if fewest < PAPER_SEEDS:
        few = [finding for finding in tested if _fewest_seeds(finding) == fewest]
        sentences.append(
            f"{len(few)} of these verdicts ({_counted(few)}) rest on tests of {fewest} seeds, which can reach "
            f"{_best_p(few[0])} at best: *shown* means there that every seed of one arm is above every seed of the "
            "other, and no more."
        )
    twice = [finding.other for finding in findings if finding.other is not None]
    if twice:
        sentences.append(
            f"{len(twice)} of the claims were measured on two sets of trainings. The set of which fewer ended at their "
            f"best epoch gives the verdict; the other stands beside it ({_counted(twice)})."
        )
    return " ".join(sentences)


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict if counts[verdict])


def _fewest_seeds(finding: Finding) -> int:
    return min(min(len(pair.values_a), len(pair.values_b)) for pair in finding.comparisons)


def _best_p(finding: Finding) -> str:
    """Write the smallest p-value that the comparison with the fewest seeds can reach."""
    return f"p = {max(pair.smallest_p for pair in finding.comparisons):.1g}"


def epochs_text(runs: pd.DataFrame) -> str:
    """Write how long networks were trained: ``8 epochs``, ``104 to 160 epochs``."""
    least, most = int(runs["n_epochs"].min()), int(runs["n_epochs"].max())
    return f"{least} epochs" if least == most else f"{least} to {most} epochs"


def on_gpu(runs: pd.DataFrame) -> bool:
    """Whether networks were trained on a GPU, which is named after the processor."""
    return bool(runs["cpu"].str.contains(" and ", regex=False).all())


def unlike_the_paper(table: pd.DataFrame) -> list[str]:
    """Return what a caption of networks at the paper's scale must mention: chromosomes, epochs, not trained out."""
    sentences = ["On stand-in chromosomes."] if stands_in(table) else []
    if {"scale", "n_epochs"} <= {*table}:
        epochs = table.loc[table["dataset"].isin([*POSITIVE_WEIGHTS]) & (table["scale"] == "paper"), "n_epochs"]
        whole = TrainConfig.chipseq().epochs  # nothing stops these trainings early
        if (epochs < whole).any():
            trained = "Trained" if (epochs < whole).all() else "In part trained"
            sentences.append(f"{trained} for {int(epochs.min())} of the paper's {whole} epochs.")
    if {"strategy", "best_epoch", "n_epochs"} <= {*table} and not_trained_out(table):
        sentences.append(f"Not trained out: {improving_text(table)}.")
    return sentences


def stands_in(table: pd.DataFrame) -> bool:
    """Whether networks of a table were trained on other chromosomes than the paper's."""
    return "chromosomes" in table and bool(table["chromosomes"].str.contains("(stand-in)", regex=False).any())


def _judged(claim: Claim, results: Results) -> Finding:
    absent = [name for name in claim.needs if name not in results]
    if absent:
        return unmeasured(f"There is no table {' and no table '.join(absent)} yet.")
    tables = [results[name] for name in claim.needs]
    present = [set(table["arm"].unique()) if claim.arms else set() for table in tables]
    lacking = [arm for arm in claim.arms for arms in present if arm not in arms]
    if lacking:
        return unmeasured(f"No network of the arm {lacking[0]} is in the tables yet.")
    finding = claim.measure(*tables)
    last = tables[-1]
    shown = last[last["paper"]] if "paper" in last else last
    own = shown[shown["arm"].isin(claim.arms)] if claim.arms else shown
    finding = replace(finding, why=" ".join([finding.why, *_circumstances(own)]).strip())
    return _as_trained(finding, own)


def _as_trained(finding: Finding, runs: pd.DataFrame) -> Finding:
    """Add how networks were trained, and what that and the number of seeds limit."""
    limits = []
    seeds = _seeds(runs)
    if seeds is not None and seeds < PAPER_SEEDS and finding.verdict is not Verdict.UNKNOWN:
        words = "1 seed" if seeds == 1 else f"{seeds} seeds"
        limits.append(f"{words}: {_best_p(finding)} at best" if finding.comparisons else words)
    if "n_epochs" not in runs:
        return replace(finding, limits=tuple(limits))
    sentences = [finding.why]
    if not_trained_out(runs):
        limits.append("not trained out" + (": learning speed" if finding.comparisons else ""))
    elif len(still_improving(runs)):
        sentences.append(f"{improving_text(runs)}.")
    return replace(
        finding,
        why=" ".join(filter(None, sentences)),
        limits=tuple(limits),
        trained=epochs_text(runs) + (", on a GPU" if on_gpu(runs) else ""),
    )


def _seeds(table: pd.DataFrame) -> int | None:
    """Return the number of seeds of the arm, data set and size that has the fewest; None where there are no seeds."""
    if "seed" not in table:
        return None
    return int(table.groupby(["arm", "dataset", "fraction"])["seed"].nunique(dropna=False).min())


def _circumstances(table: pd.DataFrame) -> list[str]:
    """Return how the measurement differs from the paper's: fewer seeds, other chromosomes, a smaller scale."""
    sentences = []
    fewest = _seeds(table)
    if fewest is not None and fewest < PAPER_SEEDS:
        sentences.append(f"{fewest} of the paper's {PAPER_SEEDS} seeds.")
    sentences += unlike_the_paper(table)
    if "scale" in table and (table["scale"] != "paper").any():
        sentences.append("At the quick scale, which is not the paper's.")
    return sentences
