"""Plots of results: the same picture as from their arrays or tables; wrong arguments are named."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz.plots._axes import figure_svg, new_figure
from rcviz.plots.strands import plot_gap_by_filter
from rcviz.training.history import EpochRecord, History, Metrics


def history():
    values = [Metrics(loss=0.7 - 0.1 * i, auroc=0.6 + 0.1 * i, auprc=0.5) for i in range(3)]
    records = tuple(EpochRecord(i + 1, each, each, i + 1, 10, 0.1) for i, each in enumerate(values))
    return History(rcviz.TrainConfig(epochs=3, batch_size=10), records)


@pytest.fixture(scope="module")
def models():
    settings = {"n_filters": 3, "n_tasks": 2, "sequence_length": 60, "kernel_sizes": (7,), "pool_size": 9}
    return [
        rcviz.build_model(rcviz.ModelConfig(architecture=name, pool_stride=9, **settings))
        for name in ("standard", "revcomp")
    ]


@pytest.fixture(scope="module")
def results(models, toy):
    standard, revcomp = models
    return {
        "contributions": rcviz.filter_contributions(standard, toy),
        "ablation": rcviz.filter_ablation(standard, toy),
        "strands": rcviz.strand_agreement(standard, toy),
        "gap": rcviz.gap_by_filter(standard, toy),
        "profiles": rcviz.activation_profiles(standard, toy, bins=8),
        "palindromes": rcviz.palindromes(standard, filters=[2, 0]),
        "bank": rcviz.filter_bank(standard),
        "similarity": rcviz.filter_similarity(standard, revcomp),
        "attributions": rcviz.strand_attributions(standard, toy.subset([0, 1])),
        "mutagenesis": rcviz.mutagenesis(standard, toy.subset([0, 1])),
        "sites": rcviz.filter_bank(standard).activating_sites(toy, top=20),
    }


CASES = {
    "contributions": (
        rcviz.plot_contributions,
        {"top": 2},
        lambda result, ax: rcviz.plot_contributions(result.table, ax, top=2),
    ),
    "ablation": (
        rcviz.plot_ablation,
        {"named": 2},
        lambda result, ax: rcviz.plot_ablation(result.table, ax, named=2),
    ),
    "strands": (
        rcviz.plot_strands,
        {"task": "starts with A"},
        lambda result, ax: rcviz.plot_strands(
            result.forward[:, 1], result.reverse[:, 1], result.labels[:, 1], ax, threshold=0.5, scale="probability"
        ),
    ),
    "gap": (
        plot_gap_by_filter,
        {},
        lambda result, ax: plot_gap_by_filter(result.table, ax, rest=float(result.rest.mean())),
    ),
    "profiles": (
        rcviz.plot_profile,
        {"filter": 1},
        lambda result, ax: rcviz.plot_profile(result.edges, {"all": result.mean(1)}, ax),
    ),
    "palindromes": (
        rcviz.plot_palindrome,
        {"filter": 0, "title": "filter 0"},
        lambda result, ax: rcviz.plot_palindrome(result.weights[1], ax, title="filter 0"),
    ),
    "bank": (
        rcviz.plot_filters,
        {"columns": 2},
        lambda result, ax: rcviz.plot_filters(list(result.weights), ax, columns=2),
    ),
    "similarity": (
        rcviz.plot_similarity,
        {"names": ("standard", "RC")},
        lambda result, ax: rcviz.plot_similarity(result.similarity, ax, names=("standard", "RC")),
    ),
    "mutagenesis": (
        rcviz.plot_mutagenesis,
        {"sequence": 1, "window": (10, 40)},
        lambda result, ax: rcviz.plot_mutagenesis(
            result.forward[1], result.reverse[1], result.codes[1], ax, window=(10, 40), scale="logit"
        ),
    ),
}


def drawn(draw):
    figure = new_figure(6, 4)
    ax = figure.add_subplot()
    assert draw(ax) is ax
    return figure_svg(figure)


@pytest.mark.parametrize("name", CASES)
def test_a_result_is_drawn_as_its_numbers(results, name):
    result, (plot, options, by_numbers) = results[name], CASES[name]
    expected = drawn(lambda ax: by_numbers(result, ax))
    assert drawn(lambda ax: plot(result, ax=ax, **options)) == expected
    assert drawn(lambda ax: plot(result, ax, **options)) == expected
    assert drawn(lambda ax: result.plot(ax, **options)) == expected


def test_the_sequence_of_a_mutagenesis_may_come_first(results):
    result = results["mutagenesis"]
    expected = drawn(lambda ax: result.plot(ax, sequence=1))
    assert drawn(lambda ax: result.plot(1, ax=ax)) == expected
    with pytest.raises(ValueError, match="no sequence 2"):
        result.plot(2)


def test_a_history_is_drawn_as_its_table():
    expected = drawn(lambda ax: rcviz.plot_history(history().table, ax, metric="loss"))
    assert drawn(lambda ax: rcviz.plot_history(history(), ax, metric="loss")) == expected
    assert drawn(lambda ax: history().plot(ax, metric="loss")) == expected
    with pytest.raises(TypeError, match=r"plot_history has no option 'colour'; its options are: .*metric"):
        history().plot(colour="red")


def test_a_sweep_is_drawn_as_the_means_of_its_tasks():
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "task": task,
            "auroc": 0.7 + 0.1 * (arm == "RC") + 0.01 * seed + 0.02 * (task == "b"),
        }
        for arm in ("RC", "standard")
        for seed in (2, 0, 1)
        for task in ("a", "b")
    ]
    test = pd.DataFrame(rows)
    sweep = SimpleNamespace(arms={}, test=test, valid=test.assign(auroc=test["auroc"] - 0.1), table=test)
    for part in ("test", "valid"):
        runs = getattr(sweep, part).groupby(["arm", "seed"], sort=False)["auroc"].mean().reset_index()
        runs = runs.rename(columns={"auroc": f"{part}_auroc"})
        expected = drawn(lambda ax, runs=runs, part=part: rcviz.plot_architectures(runs, ax, metric=f"{part}_auroc"))
        options = {} if part == "test" else {"metric": "valid_auroc"}
        assert drawn(lambda ax, options=options: rcviz.plot_architectures(sweep, ax, **options)) == expected
    for metric, message in (("auroc", "metric of a Sweep"), ("test_auprc", "without auprc")):
        with pytest.raises(ValueError, match=message):
            rcviz.plot_architectures(sweep, metric=metric)
    sweep.arms = {"RC": None, "failed": None, "standard": None}
    assert "no run of failed" in rcviz.plot_architectures(sweep).get_legend().get_title().get_text()
    sweep.test.loc[0, "auroc"] = np.nan
    with pytest.raises(ValueError, match="auroc is known for more tasks in some runs"):
        rcviz.plot_architectures(sweep)


def test_the_most_palindromic_filter_is_drawn_with_its_verdict(results):
    result = results["palindromes"]
    row = result.table.loc[result.table["palindromicity"].idxmax()]
    title = rcviz.plot_palindrome(result).get_title()
    assert title.startswith(f"filter {row['filter']}: {row['verdict']}")


@pytest.mark.parametrize("name", ["attributions", "sites", *CASES])
def test_an_unknown_option_is_named_with_those_there_are(results, name):
    with pytest.raises(TypeError, match=r"plot_\w+ has no option 'colour'; its options are: "):
        results[name].plot(colour="red")


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("plot", "arguments", "options", "message"),
    [
        (rcviz.plot_contributions, ({"filter": [0]},), {}, "expected a DataFrame.* dict"),
        (rcviz.plot_history, (np.zeros(3),), {}, "expected a DataFrame.* ndarray"),
        (rcviz.plot_strands, (np.zeros(3),), {}, "StrandAgreement"),
        (rcviz.plot_palindrome, (np.eye(4),), {"filter": 0}, "filter .*Palindromes"),
        (rcviz.plot_profile, ([0, 1], {"all": [1]}), {"filter": 0}, "filter .*ActivationProfiles"),
    ],
)
def test_other_arguments_are_refused(plot, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        plot(*arguments, **options)


@pytest.mark.usefixtures("as_users_run")
def test_a_result_needs_no_further_arrays(results):
    for plot, name in ((rcviz.plot_strands, "strands"), (rcviz.plot_profile, "profiles")):
        with pytest.raises(ValueError, match="expected Axes"):
            plot(results[name], [0.5])
    with pytest.raises(ValueError, match="no task 2"):
        rcviz.plot_strands(results["strands"], task=2)
    with pytest.raises(ValueError, match="no filter 3"):
        rcviz.plot_profile(results["profiles"], filter=3)
    with pytest.raises(ValueError, match="no filter 1 in the result: choose one of 2, 0"):
        rcviz.plot_palindrome(results["palindromes"], filter=1)
    with pytest.raises(ValueError, match="no verdicts"):
        rcviz.plot_palindrome(results["bank"])


def test_a_model_is_no_list_of_matrices(models):
    with pytest.raises(ValueError, match=r"plot_filters\(rcviz.filter_bank\(model\)\)"):
        rcviz.plot_filters(models[0])
