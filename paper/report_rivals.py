"""The page's section on sharing and its rivals, in words and tables."""

from collections.abc import Container, Iterable, Iterator

import pandas as pd

from paper import rivals
from paper.claims import epochs_text, spread, unlike_the_paper
from paper.tables import COSTS, Results, trained_again
from paper.verdicts import ALPHA, by_seed
from paper.words import SHARING, SHARING_AGAIN, markdown, picture


def rivals_section(results: Results, *, sharing: Container[str]) -> Iterator[str]:
    """The section as paragraphs; `sharing` has the names of the pictures that there are."""
    yield "## When is RC weight sharing worth it?\n"
    contests = rivals.equal_memory(results)
    if not contests:
        yield "Not measured here yet: no setting has sharing and a rival.\n"
        return
    yield from _short_answer(results, contests)
    yield (
        "*Equal memory* is as many channels in training: the RC network with n filters has 2n, and so have a standard "
        "network with 2n filters and a siamese network with n, which is shown both strands. Averaging afterwards needs "
        "two passes at prediction. Scores are of the epoch that validation chose. p-values are two-sided, exact, and "
        f"not corrected for their number: *ahead* and *behind* are p <= {ALPHA:g}, *even* is anything else, *open* "
        "where so few seeds could not show a difference. *Worth it* is ahead on more than half of the other data sets "
        "and behind on none, *not worth it* the reverse; where more than half are open, so is the answer.\n"
    )
    if SHARING in sharing:
        tables = [results[f"{contest.setting.figure}_runs"] for contest in contests]
        said = dict.fromkeys(sentence for table in tables for sentence in unlike_the_paper(table))
        yield picture(SHARING, " ".join(["Sharing and its rivals at equal memory.", *(f"ChIP-seq: {s}" for s in said)]))
    yield _memory_table(results, contests)
    yield from _memory_again(results, drawn=SHARING_AGAIN in sharing)
    yield from _time_part(results)


def _short_answer(results: Results, contests: list[rivals.Contest]) -> Iterator[str]:
    """What the tables come to, in sentences whose every number is computed."""
    yield f"**The short answer, at equal memory**, {_trained(results)}. {_in_short(contests)}\n"
    yield _by_rival(contests)
    again = trained_again(results)
    if longer := rivals.equal_memory(again):
        yield f"**At equal memory**, {_trained(again)}. {_in_short(longer)}\n"
        yield _by_rival(longer)
    longest = {**results, **again}
    budgets = rivals.equal_time(longest, results.get(COSTS))
    if in_time := [contest for budget in budgets for contest in rivals.contests_in_time(budget)]:
        yield f"**At equal training time**, {_trained(longest)}, on a processor. {_in_short(in_time)}\n"
        yield _by_rival(in_time)
    gaps = [rivals.strand_gaps(tables) for tables in (results, again)]
    largest = {words: max(found[words] for found in gaps if words in found) for words in {**gaps[0], **gaps[1]}}
    told = ", ".join(f"{words} {gap:.2g}" for words, gap in largest.items() if "averaging" not in words)
    yield (
        "Largest gap between the probabilities of the two strands of a sequence, validation sets, at equal memory: "
        f"{told}; averaging has none by construction.\n"
    )
    lacking = [setting.name for setting in rivals.SETTINGS if setting not in {contest.setting for contest in contests}]
    if lacking:
        yield f"Not measured here yet: {'; '.join(lacking)}.\n"


def _in_short(contests: list[rivals.Contest]) -> str:
    verdicts: dict[str, list[str]] = {}
    for words, mine in rivals.by_rival(contests).items():
        verdicts.setdefault(rivals.worth_it(mine), []).append(words)
    told = "; ".join(f"{verdict} against {', '.join(rivals)}" for verdict, rivals in verdicts.items())
    return f"RC weight sharing: {told}."


def _trained(results: Results) -> str:
    """How long the networks of the settings were trained."""
    told = {
        setting.name: epochs_text(runs)
        for setting in rivals.SETTINGS
        if (runs := rivals.runs_of_setting(setting, results)) is not None
    }
    return "; ".join(
        f"{', '.join(name for name, other in told.items() if other == epochs)} with {epochs}"
        for epochs in dict.fromkeys(told.values())
    )


def _by_rival(contests: list[rivals.Contest]) -> str:
    return "".join(
        f"- {rivals.worth_it(mine).capitalize()} against {words}: {rivals.outcomes(mine)}.\n"
        for words, mine in rivals.by_rival(contests).items()
    )


def _memory_again(results: Results, *, drawn: bool) -> Iterator[str]:
    """The same at equal memory, of what was trained on a GPU."""
    again = trained_again(results)
    contests = rivals.equal_memory(again)
    if not contests:
        return
    yield "### At equal memory, on a GPU\n"
    tables = [again[f"{contest.setting.figure}_runs"] for contest in contests]
    said = dict.fromkeys(sentence for table in tables for sentence in unlike_the_paper(table))
    if drawn:
        yield picture(SHARING_AGAIN, " ".join(["Sharing and its rivals at equal memory, on a GPU.", *said]))
    yield _memory_table(again, contests)


def _memory_table(results: Results, contests: list[rivals.Contest]) -> str:
    rows = []
    test = {(contest.setting, contest.rival): contest for contest in rivals.equal_memory(results, "test_auroc")}
    for setting in dict.fromkeys(contest.setting for contest in contests):
        runs = rivals.runs_of_setting(setting, results)
        assert runs is not None
        rows.append([setting.name, f"sharing ({setting.shared})", *_reached(runs, setting.shared), "", "", "", ""])
        for contest in (contest for contest in contests if contest.setting == setting):
            arm = contest.pair.lower
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
    return [f"{contest.outcome}, {contest.pair.difference:+.4f}", f"{contest.p_value:.2g}"]


def _time_part(results: Results) -> Iterator[str]:
    costs = results.get(COSTS)
    again = trained_again(results)
    budgets = list(rivals.equal_time({**results, **again}, costs))
    yield "### At equal training time\n"
    if costs is None or not budgets:
        yield "Not measured here yet.\n"
        return
    yield (
        "Each arm gets the CPU time in which the quickest one had finished all its epochs, median over seeds; what "
        "counts is the best validation auROC reached by then. What an epoch costs, with validation and scores, was "
        "measured by itself: all arms in turn in one process with one thread, on "
        f"{', '.join(costs['cpu'].unique())}, median of {costs['repeat'].nunique()} "
        "(`benchmarks/epoch_costs.py`, `paper/results/epoch_costs.csv`). Averaging afterwards is left out: it costs no "
        "training, and is not known at every epoch.\n"
    )
    yield _time_table(budgets)
    of_gpu = rivals.equal_time(again, rivals.gpu_costs(again))
    contests = [contest for budget in of_gpu for contest in rivals.contests_in_time(budget)]
    if contests:
        yield (
            "The curves of ChIP-seq data are those of the longer training, on a GPU. By its own clock, which is that "
            "of networks that shared it:\n"
        )
        yield _by_rival(contests)


def _time_table(budgets: Iterable[rivals.Budget]) -> str:
    rows = []
    for budget in budgets:
        contests = {contest.pair.lower: contest for contest in rivals.contests_in_time(budget)}
        words = {arm: words for words, arm in rivals.trained_rivals(budget.setting).items()}
        for arm, total in budget.totals.items():
            reached = budget.scores[str(arm)].dropna()
            rows.append(
                [
                    budget.setting.name,
                    f"{words.get(str(arm), 'sharing')} ({arm})",
                    f"{total / 60:.3g}",
                    f"{budget.seconds / 60:.3g}",
                    spread(reached) if len(reached) else "no epoch finished",
                    *_against(contests.get(str(arm))),
                ]
            )
    return markdown(["data", "network", "minutes in all", "minutes given", "validation auROC", "sharing", "p"], rows)
