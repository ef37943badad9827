"""The opening of the page: what sharing adds beyond its head, and when it is worth it, from the matched arms."""

import math
from collections.abc import Iterator

from paper.claims import epochs_text
from paper.convergence import best_trained
from paper.figures import HEADS
from paper.findings import spread
from paper.inference import Paired, stratified_effect, stratified_test
from paper.markup import markdown, picture
from paper.matched import (
    BASES,
    EQUAL_CHANNELS,
    FLAT,
    SHARING,
    SUM,
    Matched,
    beyond_averaging,
    beyond_head,
    beyond_siamese,
    decomposition,
    head_alone,
    holm,
    matched_of,
    outcome,
    published,
    rivals,
)
from paper.pictures_matched import NAME
from paper.report_scores import AVERAGED, arrays, difference_text, strata_of
from paper.scores import N_BINS
from paper.tables import Results
from rcviz.sweeps.compare import ALPHA
from rcviz.training.config import TrainConfig

METRIC = "test_auroc"
_PATIENCE = TrainConfig.simulated().patience
_WORTH = {
    "ahead": "Worth it",
    "behind": "Not worth it",
    "even": "No difference is shown after correction",
    "open": "Open, with so few replicates,",
}
_DOES = {
    "ahead": "adds",
    "behind": "is behind:",
    "even": "adds nothing that is shown:",
    "open": "cannot be judged with so few replicates:",
}
_CALIBRATION = ("log_loss", "brier", "miscalibration", "discrimination", "ece", "slope")


def opening(results: Results, *, drawn: bool) -> Iterator[str]:
    """Yield what the page begins with: the result in one sentence, and its picture, if ``drawn`` tells of one."""
    matched = matched_of(results)
    if matched is None:
        return
    whole, own = (matched.difference(contrast(EQUAL_CHANNELS), METRIC) for contrast in (published, beyond_head))
    yield (
        f"**With the same last layers on both sides, sharing filters between the strands "
        f"{_DOES[outcome(own, own.p_value)]} {difference_text(own.effect, own.interval)} of test auROC on "
        f"simulated data; "
        f"the published comparison, whose networks differ in their last layers as well, has "
        f"{difference_text(whole.effect, whole.interval)}.**\n"
    )
    if drawn:
        yield picture(
            NAME,
            "Test auROC of every arm with either head, in replicates with data sets of their own, and by how much "
            "sharing is ahead of each rival with the same head. Means, single replicates, and 95% intervals of the "
            "paired differences.",
        )


def matched_section(results: Results) -> Iterator[str]:
    """Yield the section as paragraphs; its picture opens the page."""
    yield "## What sharing adds beyond its head\n"
    matched = matched_of(results)
    if matched is None:
        yield "Not measured here yet: python -m paper matched.\n"
        return
    yield f"{_design(matched)}\n"
    yield f"{_answer(matched)}\n"
    yield "### Where the published difference comes from\n"
    yield _decomposition_table(matched)
    yield "### When is sharing worth it?\n"
    yield from _worth(matched, results)
    yield "### Every arm\n"
    yield _arms_table(matched)
    yield "### Calibration\n"
    yield from _calibration(matched)


def _design(matched: Matched) -> str:
    table = matched.table[~matched.table["strategy"].str.startswith("posthoc")]
    stopped = table["n_epochs"] - table["best_epoch"] >= _PATIENCE
    others = [
        f"{row['arm']} in replicate {row['seed']} ({row['n_epochs']} epochs)"
        for row in table[~stopped].sort_values("seed").to_dict("records")
    ]
    not_yet = f"; not yet: {', '.join(others)}" if others else ""
    return (
        "The published comparison changes two things at once: the network that shares has a weighted sum over "
        "positions before its last layer, and the standard networks have a flattened layer. Here every arm has both "
        f"heads, on the simulated task of Figure 3. Each of {len(matched.replicates)} replicates has a simulated data "
        "set, a division and starting weights of its own; its arms share the data, so that they are compared within "
        f"replicates. {stopped.sum()} of {len(table)} trainings ended because validation auROC had not improved for "
        f"{_PATIENCE} epochs (after {table['n_epochs'].min()} to {table['n_epochs'].max()}){not_yet}. Scores are of "
        "test sequences, with the weights that validation chose."
    )


def headline(results: Results) -> str:
    """Return what sharing adds beyond its head in one sentence, with the head's own part; empty if not measured."""
    matched = matched_of(results)
    if matched is None:
        return ""
    whole, head, own = (
        matched.difference(contrast(EQUAL_CHANNELS), METRIC) for contrast in (published, head_alone, beyond_head)
    )
    return (
        f"On simulated data the paper's network is ahead of a standard one with as many channels by "
        f"{difference_text(whole.effect, whole.interval)} of test auROC. But it has not only shared filters: "
        f"it also has a weighted sum over positions before its last layer, which alone makes "
        f"{difference_text(head.effect, head.interval)}. With the same last layers on both sides, sharing "
        f"{_DOES[outcome(own, own.p_value)]} {difference_text(own.effect, own.interval)} (paired 95% intervals over "
        f"{len(matched.replicates)} data sets)."
    )


def _answer(matched: Matched) -> str:
    """Say what sharing adds beyond its head, and beyond averaging; every number and word follows from the tables."""
    whole, head, own, rest, siamese = (
        matched.difference(contrast(EQUAL_CHANNELS), METRIC)
        for contrast in (published, head_alone, beyond_head, beyond_averaging, beyond_siamese)
    )
    does = [_DOES[outcome(pair, pair.p_value)] for pair in (own, rest, siamese)]
    return (
        f"**With the same head and as many channels, sharing {does[0]} "
        f"{difference_text(own.effect, own.interval)} of test auROC ({_tested(own)}).** That is "
        f"{_share(own, whole)} of the published difference, sharing and its head against a standard network of as many "
        f"channels without it, {difference_text(whole.effect, whole.interval)}; the head alone makes "
        f"{_share(head, whole)} of it, {difference_text(head.effect, head.interval)}. Where the predictions of that "
        "standard network for both strands are averaged after training as well, which needs no other training, sharing "
        f"{does[1]} {difference_text(rest.effect, rest.interval)} ({_tested(rest)}); beyond a siamese network of as "
        f"many filters with the same head it {does[2]} {difference_text(siamese.effect, siamese.interval)} "
        f"({_tested(siamese)})."
    )


def _tested(pair: Paired) -> str:
    return f"exact paired sign-flip test, p = {pair.p_value:.2g}; ahead in {pair.n_ahead} of {len(pair.differences)}"


def _share(part: Paired, whole: Paired) -> str:
    return f"{part.effect / whole.effect:.0%}" if whole.effect else "an unknown share"


def _decomposition_table(matched: Matched) -> str:
    rows, shown = [], set()
    for base in BASES:
        whole = matched.difference(published(base), METRIC)
        for contrast in decomposition(base):
            if (contrast.a, contrast.b) in shown:  # has nothing to do with the base
                continue
            shown.add((contrast.a, contrast.b))
            pair = matched.difference(contrast, METRIC)
            others = [matched.difference(contrast, metric) for metric in ("valid_auroc", "test_auprc")]
            rows.append(
                [
                    base,
                    contrast.words,
                    difference_text(pair.effect, pair.interval),
                    f"{pair.p_value:.2g}",
                    f"{pair.n_ahead} of {len(pair.differences)}",
                    _share(pair, whole),
                    *(difference_text(other.effect, other.interval) for other in others),
                ]
            )
    heads = ["against", "what", "test auROC", "p", "ahead in", "of the published", "validation auROC", "test auPRC"]
    return (
        "Mean differences within replicates and their 95% intervals. p: exact two-sided sign-flip test of the "
        f"differences ({2 ** len(matched.replicates):,} choices of signs); the interval holds the shifts that this "
        "test does not reject. Parts need not add up, since what one brings the other may bring too. p-values are not "
        f"corrected for their number: the question that was asked first is sharing beyond the head, against "
        f"{EQUAL_CHANNELS}.\n\n" + markdown(heads, rows)
    )


def _worth(matched: Matched, results: Results) -> Iterator[str]:
    """Answer by rival, with the same head, corrected for the number of rivals; then what ChIP-seq data add."""
    contrasts = {head: rivals(matched, head) for head in (SUM, FLAT)}
    pairs = {head: [matched.difference(one, METRIC) for one in own] for head, own in contrasts.items()}
    corrected = {head: holm([pair.p_value for pair in own]) for head, own in pairs.items()}
    lines = [
        f"- {_WORTH[outcome(pair, p_value, len(pairs[SUM]))]} against {contrast.words}: "
        f"{difference_text(pair.effect, pair.interval)} with the weighted sum, p = {pair.p_value:.2g}, corrected "
        f"{p_value:.2g}."
        for contrast, pair, p_value in zip(contrasts[SUM], pairs[SUM], corrected[SUM], strict=True)
    ]
    yield "".join(f"{line}\n" for line in [*lines, *_costs(matched), *_elsewhere(results)])
    rows = [
        [
            contrast.words,
            head,
            outcome(pair, p_value, len(pairs[head])),
            difference_text(pair.effect, pair.interval),
            f"{pair.p_value:.2g}",
            f"{p_value:.2g}",
            *(
                difference_text(other.effect, other.interval)
                for other in (matched.difference(contrast, metric) for metric in ("valid_auroc", "test_clean_auroc"))
            ),
        ]
        for head in contrasts
        for contrast, pair, p_value in zip(contrasts[head], pairs[head], corrected[head], strict=True)
    ]
    heads = [
        "rival",
        "both heads",
        "sharing",
        "test auROC",
        "p",
        "p, Holm",
        "validation auROC",
        "test auROC, clean labels",
    ]
    yield (
        "Sharing minus the rival within replicates, 95% intervals, p as above; *ahead* and *behind* are Holm's p <= "
        f"{ALPHA:g} over the {len(contrasts[SUM])} rivals with one head, *even* is anything else, *open* where so few "
        "replicates could not show a difference. *Averaged*: the standard network's logits for both strands, after "
        "training. *Siamese*: averaged in training as well. *Clean labels*: those before a fifth of them was "
        "shuffled. The first answer above is that of the question that was asked first, alone and without correction; "
        "these are all questions together.\n"
    )
    yield markdown(heads, rows)


def _costs(matched: Matched) -> Iterator[str]:
    """Yield what the arms cost, and what is left to the ceiling."""
    shared = matched.values(SHARING, SUM, "cpu_seconds").median()
    ratios = [
        f"{treatment} {matched.values(treatment, SUM, 'cpu_seconds').median() / shared:.2g}"
        for treatment in matched.treatments
        if treatment.startswith(("standard", "siamese"))
    ]
    if not math.isnan(shared):
        yield (
            "- Costs of a whole training in CPU time, as multiples of sharing's, medians, all with the weighted sum: "
            f"{', '.join(ratios)}. Averaging adds no training; averaged and siamese networks predict in two passes, "
            "the others in one."
        )
    ceiling = matched.ceiling()
    left = (ceiling - matched.values(SHARING, SUM, METRIC)).mean()
    whole = (ceiling - matched.values(EQUAL_CHANNELS, FLAT, METRIC)).mean()
    with_head = (ceiling - matched.values(EQUAL_CHANNELS, SUM, METRIC)).mean()
    yield (
        f"- A perfect predictor has a test auROC of {spread(ceiling)} on these noisy labels. The standard network of "
        f"40 filters lacks {whole:.4f} of that with the flattened layer and {with_head:.4f} with the weighted sum, "
        f"sharing with the weighted sum {left:.4f}."
    )


def _elsewhere(results: Results) -> Iterator[str]:
    """Yield how sharing compares with averaging on ChIP-seq data, where heads were not matched."""
    runs = best_trained(results).get("fig7b_runs")
    strata = [] if runs is None else strata_of("fig7b", runs, AVERAGED, METRIC)
    if runs is not None and strata:
        effect, interval = stratified_effect(arrays(strata))
        yield (
            f"- ChIP-seq data have no matched heads here. Over {len(strata)} factors ({epochs_text(runs)}, all seeds "
            "on the same data) sharing with the weighted sum minus a standard network with as many channels, the "
            "flattened layer and both strands averaged after training is "
            f"{difference_text(effect, interval)} of test auROC (exact van Elteren test, p = "
            f"{stratified_test(arrays(strata)):.2g})."
        )


def _arms_table(matched: Matched) -> str:
    rows = []
    for treatment in matched.treatments:
        for head in HEADS:
            values = {
                metric: matched.values(treatment, head, metric)
                for metric in ("n_parameters", "n_epochs", "cpu_seconds", *_SCORES)
            }
            epochs = values["n_epochs"]
            rows.append(
                [
                    treatment,
                    head,
                    str(len(epochs)),
                    f"{values['n_parameters'].iloc[0]:,}",
                    f"{epochs.min()} to {epochs.max()}",
                    *(spread(values[metric]) for metric in _SCORES),
                    f"{values['cpu_seconds'].median() / 60:.2g}",
                ]
            )
    heads = ["strands, filters", "head", "replicates", "parameters", "epochs", *_SCORES.values(), "CPU minutes"]
    return "Means, and least to greatest replicate; CPU minutes are medians of whole trainings.\n\n" + markdown(
        heads, rows
    )


_SCORES = {
    "train_auroc": "training auROC",
    "valid_auroc": "validation auROC",
    "test_auroc": "test auROC",
    "valid_auprc": "validation auPRC",
    "test_auprc": "test auPRC",
    "test_clean_auroc": "test auROC, clean labels",
}


def _calibration(matched: Matched) -> Iterator[str]:
    rows = [
        [treatment, head, *(f"{matched.values(treatment, head, f'test_{name}').mean():.4f}" for name in _CALIBRATION)]
        for treatment in matched.treatments
        for head in HEADS
    ]
    perfect = f"{matched.ceiling(metric='brier').mean():.4f}"
    yield (
        "On test sequences with noisy labels, means over tasks and replicates. *Brier* is the mean squared difference "
        "of probability and label: miscalibration - discrimination + uncertainty, from isotonic regression (no bins). "
        f"*ECE*: expected calibration error in {N_BINS} bins of equal numbers. *Slope*: of a logistic regression of "
        "labels on logits, below 1 where predictions are too extreme. A perfect predictor's Brier score is "
        f"{perfect}.\n"
    )
    heads = ["strands, filters", "head", "log loss", "Brier", "miscalibration", "discrimination", "ECE", "slope"]
    yield markdown(heads, rows)
    contrast = beyond_averaging(EQUAL_CHANNELS)
    parts = [
        f"{words} {_sixth(matched.difference(contrast, f'test_{name}'))}"
        for name, words in (("brier", "Brier score"), ("miscalibration", "miscalibration"), ("slope", "slope"))
    ]
    yield f"Sharing minus {contrast.b[0]}, both with the weighted sum: {'; '.join(parts)}.\n"


def _sixth(pair: Paired) -> str:
    low, high = pair.interval
    interval = f" ({low:+.5f} to {high:+.5f})" if math.isfinite(low) else ""
    return f"{pair.effect:+.5f}{interval}, p = {pair.p_value:.2g}"
