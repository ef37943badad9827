"""Matched arms: differences within replicates, on tables whose truth is known because they are made of it."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.stats import false_discovery_control

from paper.figures import HEADS, arms_of
from paper.matched import (
    ADDED,
    BASES,
    EQUAL_CHANNELS,
    SHARING,
    SUM,
    TREATMENTS,
    beyond_averaging,
    beyond_head,
    decomposition,
    head_alone,
    holm,
    matched_of,
    name_of,
    published,
    rivals,
)
from paper.pictures_matched import draw_matched
from paper.report_matched import matched_section
from paper.report_scores import difference_text
from paper.tests.made_tables import LEVELS, matched


def test_arms_are_those_that_are_trained():
    trained = {arm.name for arm in arms_of("matched")}
    assert {name_of(treatment, head) for treatment in TREATMENTS for head in HEADS} <= trained


def test_what_replicates_share_is_no_part_of_a_difference():
    """Levels of replicates differ by more than the arms do; within them the differences are exact."""
    made = matched_of(matched())
    values = made.values(SHARING, SUM, "test_auroc")
    assert np.ptp(values) > 0.02
    expected = {published: 0.04, head_alone: 0.03, beyond_head: 0.01, beyond_averaging: 0.0}
    for contrast, difference in expected.items():
        pair = made.difference(contrast(EQUAL_CHANNELS), "test_auroc")
        assert pair.differences == pytest.approx(np.full(6, difference), abs=1e-12)
    assert made.difference(beyond_head(EQUAL_CHANNELS), "test_auroc").p_value == pytest.approx(2 / 64)


@pytest.mark.parametrize("base", BASES)
def test_parts_of_the_published_difference_add_up_along_a_path(base):
    """Base to its head, then from there to sharing; and base to averaged with the head, then to sharing."""
    made = matched_of(matched(noise=0.003))
    whole, head, _, both, own, _, rest, *_ = (
        made.difference(contrast, "test_auroc").differences for contrast in decomposition(base)
    )
    assert head + own == pytest.approx(whole)
    assert both + rest == pytest.approx(whole)


def test_scores_of_averages_are_those_of_averages():
    """The table of scores has them under the name of the network that was trained."""
    made = matched_of(matched())
    difference = made.values("averaged, 40 filters", SUM, "train_auroc") - made.values(
        EQUAL_CHANNELS, SUM, "train_auroc"
    )
    assert difference.to_numpy() == pytest.approx(np.full(6, 0.01))


def test_replicates_without_an_arm_are_left_out_and_the_added_arm_may_lack_some():
    tables = matched(n=8)
    runs = tables["matched_runs"]
    dropped = (runs["arm"] == "RC-20, flattened") & (runs["seed"] == 5)
    dropped |= runs["arm"].str.startswith("standard-40, siamese") & (runs["seed"] > 2)
    made = matched_of({**tables, "matched_runs": runs[~dropped]})
    assert made.replicates == [0, 1, 2, 3, 4, 6, 7]
    assert len(made.ceiling()) == len(made.values(SHARING, SUM, "test_auroc")) == 7
    (pair,) = [made.difference(one, "test_auroc") for one in rivals(made) if one.words == ADDED]
    assert len(pair.differences) == 3
    assert "nan" not in "".join(matched_section({**tables, "matched_runs": runs[~dropped]}))
    draw_matched(made)


@pytest.mark.parametrize("lacking", ["matched_runs", "matched_scores", "matched_perfect"])
def test_without_a_table_or_a_complete_replicate_there_is_nothing(lacking):
    tables = matched()
    assert matched_of({name: table for name, table in tables.items() if name != lacking}) is None
    runs = tables["matched_runs"]
    assert matched_of({**tables, "matched_runs": runs[runs["arm"] != "RC-20, weighted sum"]}) is None


def test_holm_by_hand():
    """Smallest times three, next times two, none below one before it, at most one."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1, 1])
    assert holm([0.02]) == [0.02]
    p_values = np.random.default_rng(0).uniform(0, 0.2, 9).tolist()
    assert (np.array(holm(p_values)) >= false_discovery_control(p_values)).all()


def test_the_answer_says_what_the_tables_are_made_of():
    text = "\n".join(matched_section(matched()))
    answer = text.split("\n")[4]
    assert "sharing adds +0.0100 (+0.0100 to +0.0100) of test auROC" in answer
    assert "p = 0.031; ahead in 6 of 6" in answer
    assert "25% of the published difference" in answer
    assert "the head alone makes 75% of it, +0.0300" in answer
    assert "60 of 60 trainings ended because" in text
    assert "not yet" not in text
    assert "has a test auROC of 0.9" in text
    assert "lacks 0.0500 of that with the flattened layer and 0.0200 with the weighted sum" in text
    assert "sharing with the weighted sum 0.0100." in text
    assert "beyond a siamese network of as many filters with the same head it cannot be" not in answer
    assert "- Open, with so few replicates, against standard, 20 filters" in text  # six times 2 / 64 is above 0.05


def test_a_rival_that_is_better_makes_it_not_worth_it():
    levels = {**LEVELS, ("RC-20", "weighted sum"): 0.875}
    text = "\n".join(matched_section(matched(10, levels)))
    assert "sharing is behind: -0.0050" in text
    assert "- Worth it against standard, 20 filters: +0.0050" in text
    assert "- Not worth it against averaged, 40 filters: -0.0150" in text
    level = {**LEVELS, ("RC-20", "weighted sum"): 0.88}
    text = "\n".join(matched_section(matched(10, level, noise=0.001)))
    assert "sharing adds nothing that is shown:" in text


def test_trainings_that_had_not_ended_are_named():
    tables = matched()
    runs = tables["matched_runs"]
    last = (runs["arm"] == "RC-20, flattened") & (runs["seed"] == 4)
    runs.loc[last, ["best_epoch", "n_epochs"]] = (299, 300)
    text = "".join(matched_section({**tables, "matched_runs": runs}))
    assert "59 of 60 trainings ended because" in text
    assert "(after 80 to 300); not yet: RC-20, flattened in replicate 4 (300 epochs). Scores" in text


def test_few_replicates_have_no_interval():
    assert difference_text(0.01, (-np.inf, np.inf)) == "+0.0100"
    text = "\n".join(matched_section(matched(3)))
    assert "inf" not in text
    assert "sharing cannot be judged with so few replicates: +0.0100 of test auROC" in text


def test_the_picture_has_the_ceiling_and_every_replicate():
    figure = draw_matched(matched_of(matched(n=7)))
    scores, differences = figure.axes
    assert len(scores.get_xticks()) == len(TREATMENTS)
    points = [line for line in scores.lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in points] == [7] * 2 * len(TREATMENTS)
    assert len({to_hex(line.get_color()) for line in points}) == 2
    (ceiling,) = [line for line in scores.lines if line.is_dashed()]
    assert ceiling.get_ydata()[0] == pytest.approx(matched_of(matched(n=7)).ceiling().mean())
    assert len(differences.get_yticks()) == len(TREATMENTS) - 1
