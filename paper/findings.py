"""What the tables show about a claim, and how numbers are written in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paper.verdicts import Comparison, Verdict


@dataclass(frozen=True)
class Finding:
    """What the tables show about a claim.

    Attributes
    ----------
    ours, test, why : str
        What was measured; how it was tested; why the verdict is what it is.
    verdict : Verdict
    comparisons : tuple of Comparison
        Those that the verdict rests on, to be listed.
    note : str
        What a reader must know beside the verdict, such as who else passes the same test; empty if nothing.
    limits : tuple of str
        What limits the verdict, shown beside it: few seeds, trainings that had not ended.
    trained : str
        How the networks were trained, such as "60 epochs, on a GPU"; empty for a claim that is not about trainings.
    other : Finding, optional
        The same claim measured on other trainings, of which more ended at their best epoch.
    """

    ours: str
    test: str
    verdict: Verdict
    why: str
    comparisons: tuple[Comparison, ...] = ()
    note: str = ""
    limits: tuple[str, ...] = ()
    trained: str = ""
    other: "Finding | None" = None

    @property
    def qualified(self) -> str:
        """The verdict with what limits it: ``holds (3 seeds: p = 0.05 at best)``."""
        limits = "; ".join(filter(None, [self.note, *self.limits]))
        return f"{self.verdict} ({limits})" if limits else str(self.verdict)


def unmeasured(why: str) -> Finding:
    """Return the finding where data are missing."""
    return Finding("", "", Verdict.UNKNOWN, why)


def spread(values: object) -> str:
    """Write mean, least and greatest: ``0.9512 (0.9480 to 0.9530)``."""
    numbers = np.asarray(values, dtype=float)
    return f"{numbers.mean():.4f} ({numbers.min():.4f} to {numbers.max():.4f})"


def p_text(p_value: float) -> str:
    """Write a p-value to four figures, as the paper does."""
    return f"p = {p_value:.4g}"


def differences(comparisons: Sequence[Comparison]) -> str:
    """Sum up several comparisons: how many are shown, how large the differences are, and the largest p-value."""
    gains = [comparison.effect for comparison in comparisons]
    n_shown = sum(comparison.shown for comparison in comparisons)
    largest = max(comparison.p_value for comparison in comparisons)
    return (
        f"{n_shown} of {len(comparisons)} comparisons shown; mean differences {min(gains):+.4f} to {max(gains):+.4f}; "
        f"largest {p_text(largest)}"
    )


def interval_text(comparison: Comparison) -> str:
    """Write the 95% confidence interval of the difference of means: ``-0.0041 to +0.0016``."""
    low, high = comparison.interval
    return "unknown" if comparison.reason else f"{low:+.4f} to {high:+.4f}"


def agreement_elsewhere(where: str, comparisons: Sequence[Comparison | None]) -> str:
    """Say in how many of the same comparisons another set of sequences agrees; empty if there is none."""
    pairs = [comparison for comparison in comparisons if comparison is not None]
    if not pairs:
        return ""
    return f"{where}: shown in {sum(pair.shown for pair in pairs)} of {len(pairs)} of the same comparisons."
