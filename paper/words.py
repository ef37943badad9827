"""What the page about the paper says in words, and how it writes tables and pictures."""

import re
from collections.abc import Iterable, Sequence
from math import comb
from pathlib import Path

from paper import claims_chipseq as chipseq
from paper import claims_filters as filters
from paper import claims_simulated as simulated
from paper.claims import stands_in
from paper.tables import Results, trained_again
from paper.verdicts import ALPHA, PAPER_SEEDS, Verdict

PICTURES = Path("pictures/paper")
SHARING = "sharing"
"""The picture of sharing and its rivals, which is no figure of the paper."""
SHARING_AGAIN = "sharing_gpu"

INTRODUCTION = """\
# The paper, measured again

Claims of *Reverse-complement parameter sharing improves deep learning models for genomics* (Shrikumar, Greenside and
Kundaje, 2017) beside what rcviz measured. `make report` writes this page and its pictures from the tables in
`paper/results/` alone; no measured number was typed.
"""


def rules() -> str:
    """How a verdict is reached, with the thresholds that the code has."""
    return f"""\
## How a verdict is reached

The rules are code (`paper/verdicts.py`, `paper/claims_*.py`); their thresholds were fixed before any result was
seen, with three exceptions. Of Figure 5, networks of three seeds had been looked at. The second half of *in part* was
rewritten after three seeds of Figures 6 and 7 ([decision 26](decisions/0026-too-few-seeds.md), with what the old rule
said). *Open*, in the section on rivals, was added with the first seeds of Figure 7b.

- One arm is *shown* to be above another when the exact one-sided rank-sum test over seeds (section 3.8) gives
  p <= {ALPHA:g}.
- A claim of several comparisons **{Verdict.HOLDS}** when every one of them is shown. That needs no correction for their
  number: if one of them were not true, the claim could hold only by that one's chance of {ALPHA:g} or less. It
  **{Verdict.IN_PART}** when at least one is shown after Holm's correction, or when more than half of them have all
  seeds in order, and so few seeds could not show it after that correction. Otherwise it **{Verdict.NOT}**, which says
  that these seeds do not show it, not that the opposite is true.
- With three seeds of each arm the least p is {1 / comb(6, 3):g} one-sided and {2 / comb(6, 3):g} two-sided, with five
  {1 / comb(10, 5):.1g} and {2 / comb(10, 5):.1g}. Of three, *shown* says that every seed of one
  arm is above every seed of the other, and no more.
- "On all ten seeds" holds only when every seed of one arm is above every seed of the other, and there are
  {PAPER_SEEDS} or more of each.
- Training scores are *similar* when they differ by less than {simulated.SIMILAR:g} of the difference in validation.
  *No better* is a test that does not show better: the size of the difference stands beside it. The *first* epochs are 1
  to {simulated.FIRST_EPOCHS}. A curve lies above another *throughout* when its median does at every epoch that all
  seeds reached, in part when at more than half of them.
- Predictions for the two strands are *identical* up to {chipseq.IDENTICAL:g} in probability, *wildly different* from
  {chipseq.WILD:g} on, and different from {chipseq.CLEAR:g} on.
- A filter *resembles* a motif when Tomtom's p <= {filters.RESEMBLES:g}. The *top* filters are the {filters.TOP} with
  the largest contributions. *Hybrid* is the verdict of `rcviz.palindromes` on a filter's sites; top filters are hybrids
  *as a rule* when half of them are, in the mean over seeds.
- What an arm loses *with less data* is each seed's score on the whole training set minus its mean over training sets of
  up to {chipseq.SMALL:.0%} of it; a seed's smaller sets are parts of its larger ones. Differences of auROC are compared
  as they are: an arm near 0.5 has little left to lose, which counts in its favour.
"""


def limits(results: Results) -> str:
    """What a reader should keep in mind."""
    lines = [
        "The paper compares validation scores of the epoch that validation chose. So does this page; where there is a "
        "test set, what it says stands beside.",
        "Training scores come from the training passes themselves ([decision 4](decisions/0004-training-scores.md)), "
        "as Keras reports them: the training score of a network that still learns lags behind.",
        "Seeds draw the starting weights, the order of the samples and shares of the training set. The data and their "
        "division are the same for all: p-values speak of other seeds, not of other data.",
        "Where the paper leaves a choice open, every table but that of the choices holds rcviz's presets.",
        "Not tested: that an RC network takes the memory of a standard one with twice as many filters (section 2.1.1; "
        "*equal memory* takes it for granted), that Glorot's starts do not work in the weighted sum (3.1.3), and that "
        "one or two of eight filters contribute substantially (4.1).",
    ]
    if any(stands_in(table) for table in results.values()):
        lines.insert(
            0,
            "Most of the genome is not here. Where a table says *stand-in*, other chromosomes took the place of the "
            "paper's, and the training sets differ in size from the paper's. Of chr17 and chrX only parts are here. "
            "Negatives, also those of Figure 5, come from fewer accessible regions than the paper's, and other relaxed "
            "peaks of CTCF were taken out of them. There are no relaxed peaks of SPI1 and MAX on chr21: where it is "
            "the test set, in Figure 7b, its negatives hold weakly bound sites, which training and validation lack.",
        )
    if trained_again(results):
        lines.append(
            "Networks of Figures 4, 6 and 7 were trained on a GPU as well, for another number of epochs ([decision "
            "28](decisions/0028-twice.md)). They have seeds of the first networks: the same starting weights, order of "
            "samples and shares of the training set. So they say what more epochs do, and are no independent "
            "confirmation. A claim's verdict is that of the first networks; what the others say stands beside it."
        )
    return "## What to keep in mind\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def picture(file: str, caption: str) -> str:
    """A picture of the page with its caption below."""
    caption = _as_text(caption)
    return f"![{caption}]({PICTURES.as_posix()}/{file}.png)\n\n*{caption}*\n"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what tables of strangers name is text in it and no markup."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(map(_as_text, line)) + " |\n" for line in lines)


def _as_text(told: str) -> str:
    told = " ".join(told.replace("|", "\\|").replace("[", "\\[").splitlines())
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", told)
