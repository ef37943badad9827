"""The page's section on sharing and its rivals."""

from collections.abc import Container, Iterable, Iterator

import pandas as pd

from paper import rivals
from paper.claims import epochs_text, unlike_the_paper
from paper.convergence import best_trained, improving_text, less_trained, not_trained_out
from paper.findings import spread
from paper.markup import markdown, picture
from paper.report_scores import difference_text
from paper.tables import COSTS, Results, trained_again
from paper.verdicts import by_seed
from rcviz.sweeps.compare import ALPHA

SHARING, LEARNING_SPEED = "sharing", "learning_speed"
"""Pictures of sharing and its rivals, which are not figures of the paper."""


def pictured(results: Results) -> dict[str, Results]:
    """Return the tables that each of the two pictures shows, by its name."""
    return {SHARING: best_trained(results), LEARNING_SPEED: less_trained(results)}


def rivals_section(results: Results, *, sharing: Container[str]) -> Iterator[str]:
    """Yield the section as paragraphs; `sharing` has the names of the pictures that were drawn."""
    yield "## Sharing and its rivals, each with the paper's head\n"
    best, less = best_trained(results), less_trained(results)
    contests = rivals.equal_memory(best)
    if not contests:
        yield "Not measured here yet: no setting has sharing and a rival.\n"
        return
    yield from _short_answer(best, contests, results)
    yield (
        "Here the network that shares has a weighted sum and its rivals a flattened layer, as in the paper, so that a "
        "difference is that of both; the first section of this page tells them apart. *Equal memory* means as many "
        "channels in training: the RC network with n filters has 2n, as have a standard network with 2n filters and a "
        "siamese network with n, which is shown both strands. Averaging afterwards needs two passes at prediction. "
        "Metrics are of the epoch that validation chose. Differences are of means, with Welch's 95% interval. p-values "
        f"are two-sided, exact, and not corrected for their number: *ahead* and *behind* are p <= {ALPHA:g}; *even* is "
        "anything else: no difference is shown, which is not to say that there is none; *open* is where so few seeds "
        "could not show one. *Worth it* means ahead on more than half of the other data sets and behind on none, *not "
        "worth it* the reverse; where more than half are open, the answer is open.\n"
    )
    if SHARING in sharing:
        sentences = [f"ChIP-seq: {sentence}" for sentence in _differences_from_the_paper(best, contests)]
        yield picture(SHARING, " ".join(["Sharing and its rivals at equal memory.", *sentences]))
    yield _memory_table(best, contests)
    yield from _learning_speed(less, drawn=LEARNING_SPEED in sharing)
    yield from _time_part(results)


def _short_answer(best: Results, contests: list[rivals.Contest], results: Results) -> Iterator[str]:
    """Sum up the tables in sentences; every number in them is computed."""
    yield f"**The short answer, at equal memory**, {_trained(best)}. {_in_short(contests)}\n"
    yield _by_rival(contests)
    budgets = rivals.equal_time(best, results.get(COSTS))
    if in_time := [contest for budget in budgets for contest in rivals.contests_in_time(budget)]:
        yield f"**At equal training time**, {_trained(best)}, on a processor. {_in_short(in_time)}\n"
        yield _by_rival(in_time)
    gaps = [rivals.strand_gaps(tables) for tables in (best, less_trained(results))]
    largest = {words: max(gap[words] for gap in gaps if words in gap) for words in {**gaps[0], **gaps[1]}}
    text = ", ".join(f"{words} {gap:.2g}" for words, gap in largest.items() if "averaging" not in words)
    yield (
        "Largest gap between the probabilities of the two strands of a sequence, validation sets, at equal memory: "
        f"{text}; averaging has none by construction.\n"
    )
    lacking = [setting.name for setting in rivals.SETTINGS if setting not in {contest.setting for contest in contests}]
    if lacking:
        yield f"Not measured here yet: {'; '.join(lacking)}.\n"


def _in_short(contests: list[rivals.Contest]) -> str:
    verdicts: dict[str, list[str]] = {}
    for words, own in rivals.by_rival(contests).items():
        verdicts.setdefault(rivals.worth_it(own), []).append(words)
    text = "; ".join(f"{verdict} against {', '.join(words)}" for verdict, words in verdicts.items())
    return f"RC weight sharing: {text}."


def _trained(results: Results) -> str:
    """Write how long the networks of the settings were trained."""
    lengths = {
        setting.name: epochs_text(runs)
        for setting in rivals.SETTINGS
        if (runs := rivals.runs_of_setting(setting, results)) is not None
    }
    return "; ".join(
        f"{', '.join(name for name, other in lengths.items() if other == epochs)} with {epochs}"
        for epochs in dict.fromkeys(lengths.values())
    )


def _by_rival(contests: list[rivals.Contest], *, judged: bool = True) -> str:
    lines = []
    for words, own in rivals.by_rival(contests).items():
        head = f"{rivals.worth_it(own)} against" if judged else "against"
        lines.append(f"- {head.capitalize()} {words}: {rivals.outcomes(own)}.\n")
    return "".join(lines)


def _learning_speed(less: Results, *, drawn: bool) -> Iterator[str]:
    """Yield the part on trainings that were not trained out, whose order is not that of what they can reach."""
    contests = rivals.equal_memory(less)
    if not contests:
        return
    runs = pd.concat([less[name] for name in dict.fromkeys(f"{one.setting.figure}_runs" for one in contests)])
    early = not_trained_out(runs)
    yield f"### At equal memory, {'not trained out' if early else 'other trainings'}\n"
    if early:
        yield (
            f"{_trained(less)}: {improving_text(runs)}. What is compared is **learning speed**: which network is ahead "
            "when the training was broken off, not which one ends higher.\n"
        )
        yield _by_rival(contests, judged=False)
    if drawn:
        sentences = _differences_from_the_paper(less, contests)
        what = "Learning speed of sharing and its rivals" if early else "Sharing and its rivals, other trainings,"
        yield picture(LEARNING_SPEED, " ".join([f"{what} at equal memory.", *sentences]))
    yield _memory_table(less, contests)


def _differences_from_the_paper(results: Results, contests: list[rivals.Contest]) -> list[str]:
    tables = [results[f"{contest.setting.figure}_runs"] for contest in contests]
    return list(dict.fromkeys(sentence for table in tables for sentence in unlike_the_paper(table)))


def _memory_table(results: Results, contests: list[rivals.Contest]) -> str:
    rows = []
    test = {(contest.setting, contest.rival): contest for contest in rivals.equal_memory(results, "test_auroc")}
    for setting in dict.fromkeys(contest.setting for contest in contests):
        runs = rivals.runs_of_setting(setting, results)
        assert runs is not None
        rows.append([setting.name, f"sharing ({setting.shared})", *_reached(runs, setting.shared), "", "", "", ""])
        for contest in (contest for contest in contests if contest.setting == setting):
            arm = contest.pair.b
            rows.append([setting.name, f"{contest.rival} ({arm})", *_reached(runs, arm), *_against(contest)])
            rows[-1] += _against(test.get((setting, contest.rival)))
    heads = ["data", "network", "seeds", "parameters", "validation auROC", "test auROC"]
    return markdown([*heads, "sharing, validation", "p", "sharing, test", "p"], rows)


def _reached(runs: pd.DataFrame, arm: str) -> list[str]:
    valid, test = by_seed(runs, arm, "valid_auroc"), by_seed(runs, arm, "test_auroc").dropna()
    n_parameters = int(by_seed(runs, arm, "n_parameters").iloc[0])
    return [str(len(valid)), f"{n_parameters:,}", spread(valid), spread(test) if len(test) else ""]


def _against(contest: rivals.Contest | None) -> list[str]:
    if contest is None:
        return ["", ""]
    pair = contest.pair
    return [f"{contest.outcome}, {difference_text(pair.effect, pair.interval)}", f"{contest.p_value:.2g}"]


def _time_part(results: Results) -> Iterator[str]:
    costs = results.get(COSTS)
    best, again = best_trained(results), trained_again(results)
    budgets = list(rivals.equal_time(best, costs))
    yield "### At equal training time\n"
    if costs is None or not budgets:
        yield "Not measured here yet.\n"
        return
    yield (
        "Each arm gets the CPU time in which the quickest one had finished all its epochs, median over seeds; compared "
        "is the best validation auROC reached by then, so how fast networks learn. What an epoch costs, with "
        "validation and metrics, was measured separately: all arms in turn in one process with one thread, on "
        f"{', '.join(costs['cpu'].unique())}, median of {costs['repeat'].nunique()} "
        "(`benchmarks/epoch_costs.py`, `paper/results/epoch_costs.csv`). The same epoch of the same arm took up to "
        f"{rivals.largest_ratio(costs):.1f} times as long in one repeat as in another, so minutes have two figures and "
        f"the range of the repeats. {_steady(best, costs)} Averaging afterwards is left out: it costs no "
        "training, and was not measured at every epoch; nor were test scores.\n"
    )
    yield _time_table(budgets)
    longer = {name: table for name, table in again.items() if best.get(name) is table}
    of_gpu = rivals.equal_time(longer, rivals.gpu_costs(longer))
    contests = [contest for budget in of_gpu for contest in rivals.contests_in_time(budget)]
    if contests:
        yield (
            "The curves of ChIP-seq data are those of the longer training, on a GPU. By the GPU's own clock, on which "
            "several networks ran at the same time:\n"
        )
        yield _by_rival(contests)


def _steady(best: Results, costs: pd.DataFrame) -> str:
    """Say which outcomes differ when a single repeat gives the costs."""
    outcomes: dict[tuple[str, str], set[str]] = {}
    for _, repeat in costs.groupby("repeat"):
        for budget in rivals.equal_time(best, repeat):
            for contest in rivals.contests_in_time(budget):
                outcomes.setdefault((contest.setting.name, contest.rival), set()).add(contest.outcome)
    unsteady = [f"{rival} on {setting}" for (setting, rival), seen in outcomes.items() if len(seen) > 1]
    if unsteady:
        return f"By the costs of single repeats the outcome differs against {'; '.join(unsteady)}."
    return "The costs of each single repeat give the same outcomes."


def _time_table(budgets: Iterable[rivals.Budget]) -> str:
    rows = []
    for budget in budgets:
        contests = {contest.pair.b: contest for contest in rivals.contests_in_time(budget)}
        words = {arm: words for words, arm in rivals.trained_rivals(budget.setting).items()}
        for arm, total in budget.totals.items():
            reached = budget.scores[str(arm)].dropna()
            rows.append(
                [
                    budget.setting.name,
                    f"{words.get(str(arm), 'sharing')} ({arm})",
                    _minutes(total, *budget.ranges[str(arm)]),
                    _two_figures(budget.seconds / 60),
                    spread(reached) if len(reached) else "no epoch finished",
                    *_against(contests.get(str(arm))),
                ]
            )
    return markdown(["data", "network", "minutes in all", "minutes given", "validation auROC", "sharing", "p"], rows)


def _minutes(seconds: float, least: float, most: float) -> str:
    """Write minutes to two figures, with their range: ``14 (12 to 15)``."""
    return f"{_two_figures(seconds / 60)} ({_two_figures(least / 60)} to {_two_figures(most / 60)})"


def _two_figures(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes < 9.95 else f"{minutes:.0f}"
