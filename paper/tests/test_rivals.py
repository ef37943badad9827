"""Sharing against its rivals, on tables whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from paper import rivals
from paper.tests.made_tables import ABOVE, BELOW, history, runs

SIMULATED = rivals.SETTINGS[0]
RIVALS = {
    "standard-40": BELOW,
    "standard-40, augmented": ABOVE,
    "standard-40, both strands averaged": ABOVE + 0.05,
    "standard-40, augmented, both strands averaged": ABOVE + 0.05,
    "standard-20, siamese": BELOW,
}


def simulated(shared=ABOVE, **columns):
    return runs({"RC-20": shared, **RIVALS, "standard-20": BELOW, "standard-80": ABOVE}, rivals=RIVALS, **columns)


def test_rivals_of_equal_memory():
    assert rivals.rivals_of(SIMULATED) == {
        "no strand handling": "standard-40",
        "augmentation": "standard-40, augmented",
        "post-hoc averaging": "standard-40, both strands averaged",
        "augmentation and post-hoc averaging": "standard-40, augmented, both strands averaged",
        "a siamese network": "standard-20, siamese",
    }


def test_rivals_are_arms_that_are_measured():
    """Names are those of the figures' own arms, and of what the tables make of them."""
    from paper.figures import arms_of

    for setting in rivals.SETTINGS:
        trained = {arm.name for arm in arms_of(setting.figure) if arm.dataset == setting.dataset}
        assert {setting.shared, *rivals.trained_rivals(setting).values()} <= trained
        averaged = {f"{name}, both strands averaged" for name in trained if not name.endswith("siamese")}
        assert set(rivals.rivals_of(setting).values()) <= trained | averaged


def test_ahead_even_and_behind_are_two_sided():
    found = {contest.rival: contest for contest in rivals.equal_memory({"fig3_runs": simulated()})}
    assert {rival: contest.outcome for rival, contest in found.items()} == {
        "no strand handling": "ahead",
        "augmentation": "even",
        "post-hoc averaging": "behind",
        "augmentation and post-hoc averaging": "behind",
        "a siamese network": "ahead",
    }
    assert found["no strand handling"].p_value == pytest.approx(2 / 184_756)  # of comb(20, 10) deals
    assert found["augmentation"].p_value == 1
    assert found["post-hoc averaging"].pair.effect == pytest.approx(-0.05)


@pytest.mark.parametrize(("n", "outcome", "said"), [(3, "open", "open, with so few seeds,"), (4, "ahead", "worth it")])
def test_seeds_that_can_show_nothing_leave_it_open(n, outcome, said):
    """However far apart: of three against three the least two-sided p is 0.1, of four 2 / 70."""
    table = runs({"RC-20": ABOVE[:n], "standard-40": BELOW[:n]})
    (contest,) = rivals.equal_memory({"fig3_runs": table})
    assert contest.p_value == pytest.approx(2 / (20, 70)[n - 3])
    assert contest.outcome == outcome
    assert rivals.worth_it([contest]) == said
    assert rivals.outcomes([contest]).startswith(f"{outcome} on simulated (")


def test_other_scores_and_other_data_stay_apart():
    table = simulated()
    table["test_auroc"] = np.where(table["arm"] == "RC-20", 0.1, 0.9)
    other = simulated(shared=BELOW, dataset="CTCF")
    contests = rivals.equal_memory({"fig3_runs": pd.concat([table, other])}, "test_auroc")
    assert {contest.outcome for contest in contests} == {"behind"}
    assert {len(contest.pair.values_a) for contest in contests} == {10}


def test_settings_that_were_not_measured_are_left_out():
    assert rivals.equal_memory({}) == []
    assert rivals.equal_memory({"fig3_runs": simulated().query("arm != 'RC-20'")}) == []


def contests(**outcomes):
    """Contests with one rival, by setting."""
    values = {"ahead": (ABOVE, BELOW), "even": (ABOVE, ABOVE), "behind": (BELOW, ABOVE)}
    found = []
    for place, outcome in enumerate(outcomes.values()):
        shared, rival = values[outcome]
        table = runs({"RC-20": shared, "standard-40": rival})
        (contest,) = rivals.equal_memory({"fig3_runs": table})
        found.append(rivals.Contest(rivals.SETTINGS[place], contest.rival, contest.pair))
    return found


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["ahead", "ahead", "even"], "worth it"),
        (["ahead", "even", "even"], "it depends"),
        (["ahead", "ahead", "behind"], "it depends"),
        (["behind", "behind", "even"], "not worth it"),
        (["even", "even", "even"], "no difference is shown"),
    ],
)
def test_several_settings_make_one_answer(outcomes, said):
    found = contests(**dict(zip("abc", outcomes, strict=True)))
    assert rivals.worth_it(found) == said


@pytest.mark.parametrize(("n_open", "said"), [(1, "worth it"), (2, "open, with so few seeds,")])
def test_most_being_open_the_answer_is(n_open, said):
    (few,) = rivals.equal_memory({"fig3_runs": runs({"RC-20": BELOW[:3], "standard-40": ABOVE[:3]})})
    assert rivals.worth_it([*contests(a="ahead"), *[few] * n_open]) == said


def test_outcomes_name_the_settings_and_the_differences():
    text = rivals.outcomes(contests(a="ahead", b="behind", c="ahead"))
    assert text == "ahead on simulated (+0.1000), SPI1 (+0.1000); behind on CTCF (-0.1000)"


def test_contests_are_kept_apart_by_rival():
    found = rivals.equal_memory({"fig3_runs": simulated()})
    assert {rival: len(mine) for rival, mine in rivals.by_rival(found).items()} == dict.fromkeys(rivals.RIVALS, 1)


CURVES = {
    "RC-20": [([0.5] * 3, [0.6, 0.7, 0.9])] * 3,
    "standard-20": [([0.5] * 4, [0.65, 0.71, 0.6, 0.6])] * 3,
    "standard-40": [([0.5] * 2, [0.5, 0.99])] * 3,
    "standard-40, augmented": [([0.5], [0.99])] * 3,
    "standard-20, siamese": [([0.5], [0.99])] * 3,
}
"""RC-20 learns more each epoch, but standard-20 has finished when it is at its second of three."""


def costs():
    """Medians 1, 0.5 and 2.5 s an epoch; none is known of the siamese network."""
    seconds = {"RC-20": (1.0, 0.9, 5.0), "standard-20": (0.5, 0.5, 0.4), "standard-40": (2.5, 2.5, 2.5)}
    rows = [
        {"setting": setting, "arm": arm, "cpu_seconds": value}
        for setting, factor in {"simulated": 1.0, "CTCF": 100.0}.items()
        for arm, values in seconds.items()
        for value in np.multiply(values, factor)
    ]
    return pd.DataFrame(rows)


def test_equal_time_is_that_of_the_quickest_arm():
    """Four epochs of half a second: the others get so much, whatever the clocks of their trainings said."""
    (budget,) = rivals.equal_time({"fig3": history(CURVES, seconds=dict.fromkeys(CURVES, 99.0))}, costs())
    assert (budget.totals.index[0], budget.seconds) == ("standard-20", 2.0)
    totals = {"standard-20": 2.0, "standard-40, augmented": 2.5, "RC-20": 3.0, "standard-40": 5.0}
    assert budget.totals.to_dict() == totals
    assert budget.scores["standard-20"].tolist() == [0.71] * 3
    assert budget.scores["RC-20"].tolist() == [0.7] * 3
    assert budget.scores["standard-40"].isna().all()  # its first epoch takes 2.5 s


def test_equal_time_needs_sharing_a_rival_and_what_an_epoch_costs():
    table = history(CURVES)
    assert list(rivals.equal_time({"fig3": table}, None)) == []
    assert list(rivals.equal_time({}, costs())) == []
    for arms in (["RC-20"], ["standard-20", "standard-40"], ["RC-20", "standard-20, siamese"], []):
        assert list(rivals.equal_time({"fig3": table[table["arm"].isin(arms)]}, costs())) == []


def test_arms_without_an_epoch_in_time_are_no_contest():
    (budget,) = rivals.equal_time({"fig3": history(CURVES)}, costs())
    (contest,) = rivals.contests_in_time(budget)
    assert contest.rival == "no strand handling at half the channels"
    assert contest.outcome == "open"  # behind in all three seeds, of which two-sided p is at least 0.1
    assert contest.pair.effect == pytest.approx(-0.01)


def test_gaps_are_the_largest_of_all_settings():
    table = simulated()
    table["gap_max"] = table["arm"].map({"RC-20": 1e-7, "standard-40": 0.3}).fillna(0.2)
    gaps = rivals.strand_gaps({"fig3_runs": table})
    assert (gaps["sharing"], gaps["no strand handling"], gaps["augmentation"]) == (1e-7, 0.3, 0.2)
