"""Every rule on tables whose truth is known, in both directions."""

import numpy as np
import pandas as pd
import pytest

from paper import claims
from paper.claims import judge_claims, stands_in, summary, unlike_the_paper
from paper.findings import differences, spread
from paper.tests.made_tables import ABOVE, BELOW, filters, history, runs, table_1
from paper.verdicts import Verdict, compare_seeds

CLAIMS = {claim.rule: claim for claim in claims.CLAIMS}
RC, SAME, DOUBLE = "RC-20", "standard-20", "standard-40"


def finding_of(rule, **tables):
    return judge_claims([CLAIMS[rule]], tables)[0]


def verdict_of(rule, **tables):
    return finding_of(rule, **tables).verdict


def three(rc, same, double):
    return {RC: rc, SAME: same, DOUBLE: double}


def test_each_claim_says_what_is_missing():
    for claim in CLAIMS.values():
        (finding,) = judge_claims([claim], {})
        assert finding.verdict is Verdict.UNKNOWN
        assert claim.needs[0] in finding.why


def test_an_arm_that_was_not_run_is_named():
    finding = finding_of("best_of_all", fig3_runs=runs({RC: ABOVE, SAME: BELOW}))
    assert finding.verdict is Verdict.UNKNOWN
    assert DOUBLE in finding.why


@pytest.mark.parametrize(
    ("rc", "other", "verdict"),
    [
        (ABOVE, BELOW, Verdict.HOLDS),
        (np.append(ABOVE[:9], 0.805), BELOW, Verdict.IN_PART),  # one seed out of order is not every seed
        (ABOVE[:5], BELOW[:5], Verdict.IN_PART),  # five seeds cannot be ten
        (BELOW, ABOVE, Verdict.NOT),
    ],
)
def test_best_of_all(rc, other, verdict):
    finding = finding_of("best_of_all", fig3_runs=runs(three(rc, other, other)))
    assert finding.verdict is verdict
    assert ("5 of the paper's 10 seeds" in finding.why) == (len(rc) == 5)


def test_the_best_of_all_is_written_with_its_numbers():
    """A rival with fewer seeds does not count as seeds."""
    arms = {**three(ABOVE, BELOW, BELOW), "standard-20, siamese": [0.8]}
    finding = finding_of("best_of_all", fig3_runs=runs(arms, rivals=["standard-20, siamese"]))
    assert finding.verdict is Verdict.HOLDS
    assert "p = 5.413e-06" in finding.test
    assert "RC-20 0.9050 (0.9000 to 0.9100)" in finding.ours
    assert finding.why.count("4 of 4") == 2  # in order, and on the test set
    assert "of the paper's" not in finding.why


def simulated(train, valid):
    """Tables of curves of three epochs, the second being the best, from each arm's scores there."""
    train, valid = ({arm: np.broadcast_to(at, 10) for arm, at in three(*part).items()} for part in (train, valid))
    curves = {
        arm: [([0.5, t, t + 0.001], [0.5, v, v - 0.01]) for t, v in zip(train[arm], valid[arm], strict=True)]
        for arm in train
    }
    return {"fig2": history(curves), "fig2_runs": runs(valid, best_epoch=2)}


RC_GAINS, DOUBLE_GAINS = (ABOVE, BELOW, BELOW), (ABOVE, BELOW, ABOVE)


@pytest.mark.parametrize(
    ("rule", "train", "valid", "verdict"),
    [
        ("similar_in_training", (0.95, 0.92, 0.99), RC_GAINS, Verdict.HOLDS),  # 0.03 against a gain of 0.1
        ("similar_in_training", (0.95, 0.89, 0.99), RC_GAINS, Verdict.NOT),
        ("similar_in_training", (0.95, 0.95, 0.95), (BELOW, ABOVE, ABOVE), Verdict.NOT),  # no gain
        ("no_better_with_forty", (BELOW, BELOW + 0.1, ABOVE + 0.05), RC_GAINS, Verdict.HOLDS),
        ("no_better_with_forty", (BELOW, BELOW, ABOVE), DOUBLE_GAINS, Verdict.IN_PART),
        ("no_better_with_forty", (BELOW, ABOVE, BELOW), DOUBLE_GAINS, Verdict.NOT),
        ("less_overfitting", (ABOVE, ABOVE, ABOVE), RC_GAINS, Verdict.HOLDS),
        ("less_overfitting", (ABOVE + 0.05, BELOW, ABOVE + 0.05), RC_GAINS, Verdict.IN_PART),
        ("less_overfitting", (ABOVE + 0.05, BELOW, BELOW), RC_GAINS, Verdict.NOT),
    ],
)
def test_training_beside_validation(rule, train, valid, verdict):
    assert verdict_of(rule, **simulated(train, valid)) is verdict


def test_training_is_written_with_its_numbers():
    finding = finding_of("similar_in_training", **simulated((0.95, 0.92, 0.99), RC_GAINS))
    assert "+0.0300 at the epoch kept; +0.0300 at epoch 3; in validation +0.1000" in finding.ours
    finding = finding_of("less_overfitting", **simulated((ABOVE, ABOVE, ABOVE), RC_GAINS))
    assert "RC-20 0.0000 (0.0000 to 0.0000), standard-20 0.1000" in finding.ours


def test_readings_that_disagree_make_a_part():
    tables = simulated((0.95, 0.94, 0.99), RC_GAINS)
    last = (tables["fig2"]["epoch"] == 3) & (tables["fig2"]["arm"] == SAME)
    tables["fig2"].loc[last, "auroc"] = 0.7
    assert verdict_of("similar_in_training", **tables) is Verdict.IN_PART


SIX = [0.5, 0.5, 0.5, 0.5, 0.5, 0.99]


@pytest.mark.parametrize(
    ("rule", "rc", "same", "double", "verdict", "numbers"),
    [
        ("always_above", [0.6, 0.7, 0.8], [0.5, 0.6, 0.7, 0.9], [0.5] * 3, Verdict.HOLDS, "3 of 3 epochs"),
        ("always_above", [0.4, 0.7, 0.8], [0.5, 0.6, 0.7], [0.5] * 3, Verdict.IN_PART, "2 of 3 epochs"),
        ("always_above", [0.4, 0.5, 0.6], [0.5, 0.6, 0.7], [0.5] * 3, Verdict.NOT, "0 of 3 epochs"),
        # The first five epochs alone count.
        ("ahead_at_first", SIX, SIX, [0.6] * 5 + [0.1], Verdict.HOLDS, "+0.1000 against RC-20, +0.1000 against"),
        ("ahead_at_first", [0.7] * 5, [0.5] * 5, [0.6] * 5, Verdict.IN_PART, "-0.1000 against RC-20, +0.1000 against"),
        ("ahead_at_first", [0.7] * 5, [0.7] * 5, [0.6] * 5, Verdict.NOT, "-0.1000 against RC-20, -0.1000 against"),
    ],
)
def test_curves(rule, rc, same, double, verdict, numbers):
    """Seeds differ a little, and some arms have longer curves."""
    curves = {
        arm: [([0.5] * len(curve), [v + seed / 1000 for v in curve]) for seed in range(10)]
        for arm, curve in three(rc, same, double).items()
    }
    finding = finding_of(rule, fig2=history(curves))
    assert finding.verdict is verdict
    assert numbers in finding.ours


def test_parameters_are_counted():
    table = runs({RC: ABOVE, SAME: BELOW})
    table["n_parameters"] = table["arm"].map({RC: 1983, SAME: 2283})
    finding = finding_of("parameters", fig3_runs=table)
    assert (finding.verdict, finding.ours) == (Verdict.HOLDS, "standard-20 2,283, RC-20 1,983")
    assert verdict_of("parameters", fig3_runs=table.replace(1983, 2000)) is Verdict.IN_PART
    assert verdict_of("parameters", fig3_runs=table.assign(n_parameters=7)) is Verdict.NOT


def test_table_1_can_hold_only_in_part_without_negatives():
    assert verdict_of("table_1", table_1=table_1()) is Verdict.IN_PART
    assert verdict_of("table_1", table_1=table_1(shift=1)) is Verdict.NOT


class TestStrands:
    def table(self, **gaps):
        arms = {"RC-16": ABOVE, "standard-16": ABOVE, "standard-16, augmented": ABOVE}
        table = runs(arms, figure="fig4", chromosomes="train chr19 (stand-in)")
        for column, values in gaps.items():
            table[column] = np.concatenate([np.broadcast_to(value, 10) for value in values])
        return table

    def test_identical_is_up_to_rounding(self):
        finding = finding_of("identical_strands", fig4_runs=self.table(gap_max=[3e-7, 1, 1]))
        assert finding.verdict is Verdict.HOLDS
        assert finding.ours.endswith("3e-07")
        assert finding.why.endswith("On stand-in chromosomes.")
        one_seed = np.append(np.full(9, 1e-7), 2e-5)
        assert verdict_of("identical_strands", fig4_runs=self.table(gap_max=[one_seed, 1, 1])) is Verdict.NOT

    @pytest.mark.parametrize(("least", "verdict"), [(0.5, Verdict.HOLDS), (0.49, Verdict.IN_PART), (0.09, Verdict.NOT)])
    def test_wildly_different_in_every_seed(self, least, verdict):
        gap = np.append(np.full(9, 0.9), least)
        assert verdict_of("different_strands", fig4_runs=self.table(gap_max=[0, gap, 0])) is verdict

    @pytest.mark.parametrize(
        ("mean", "left", "verdict"),
        [
            (BELOW / 10, 0.2, Verdict.HOLDS),
            (BELOW / 10, 0.01, Verdict.IN_PART),
            (ABOVE, 0.2, Verdict.IN_PART),
            (ABOVE, 0.01, Verdict.NOT),
        ],
    )
    def test_alleviates_and_does_not_cure(self, mean, left, verdict):
        table = self.table(gap_mean=[0, BELOW, mean], gap_max=[0, 0.9, left])
        assert verdict_of("augmentation", fig4_runs=table) is verdict


RC8, WIDE, FEW = "RC-8", "standard-16, augmented", "standard-8, augmented"
CLEAN, HYBRID = [("none", 2.0), ("none", 0.1)], [("hybrid", 2.0), ("hybrid", 1.0), ("none", 0.1)]


def of_filters(networks, **more):
    return {
        "fig5_filters": filters(networks, **more),
        "fig5_runs": runs({arm: [0.9] * len(seeds) for arm, seeds in networks.items()}, figure="fig5"),
    }


class TestFilters:
    @pytest.mark.parametrize(("p_value", "verdict"), [(1e-3, Verdict.HOLDS), (2e-3, Verdict.NOT)])
    def test_resemblance_is_tomtoms(self, p_value, verdict):
        assert verdict_of("resembles_ctcf", **of_filters({RC8: [CLEAN] * 10}, p_value=p_value)) is verdict

    def test_resemblance_in_half_of_the_seeds_is_a_part(self):
        tables = of_filters({RC8: [CLEAN] * 4})
        top = tables["fig5_filters"]["rank"] == 1
        tables["fig5_filters"].loc[top, "ctcf_p_value"] = [1e-6, np.nan, 0.5, 1e-9]
        finding = finding_of("resembles_ctcf", **tables)
        assert finding.verdict is Verdict.IN_PART
        assert "2 of 4" in finding.ours
        assert "4 of the paper's 10 seeds" in finding.why

    def test_only_the_top_filter_must_resemble(self):
        tables = of_filters({RC8: [CLEAN] * 10})
        tables["fig5_filters"].loc[tables["fig5_filters"]["rank"] > 1, "ctcf_p_value"] = 1.0
        assert verdict_of("resembles_ctcf", **tables) is Verdict.HOLDS

    @pytest.mark.parametrize(("rc", "standard", "verdict"), [(0.99, 0.8, Verdict.HOLDS), (0.8, 0.99, Verdict.NOT)])
    def test_cleaner_is_more_similar(self, rc, standard, verdict):
        networks = {RC8: [CLEAN] * 10, WIDE: [HYBRID] * 10}
        finding = finding_of("cleaner", **of_filters(networks, similar={RC8: rc, WIDE: standard}))
        assert finding.verdict is verdict
        assert (WIDE in finding.why) == (rc < standard)

    @pytest.mark.parametrize(
        ("rc", "standard", "verdict"),
        [
            (CLEAN, HYBRID, Verdict.HOLDS),
            (HYBRID, HYBRID, Verdict.IN_PART),
            (
                [("hybrid", 2.0), ("none", 1.0)],
                HYBRID,
                Verdict.IN_PART,
            ),  # the second filters do not speak for the first
            (CLEAN, CLEAN, Verdict.NOT),
            (CLEAN, [("none", 2.0), ("none", 1.0), ("hybrid", 0.1)], Verdict.NOT),  # its rank is low
        ],
    )
    def test_palindromic_as_a_rule_and_more_often_than_under_sharing(self, rc, standard, verdict):
        assert verdict_of("palindromic", **of_filters({RC8: [rc] * 10, WIDE: [standard] * 10})) is verdict

    def test_shares_of_each_top_filter_are_tested_by_themselves(self):
        """Nine against seven of ten: of all deals of sixteen hybrids to two tens, 0.291 are as far apart."""
        half = [("hybrid", 2.0), ("none", 1.0)]
        tables = of_filters({RC8: [half] * 7 + [CLEAN] * 3, WIDE: [HYBRID] * 9 + [CLEAN]})
        finding = finding_of("palindromic", **tables)
        first, second = finding.comparisons
        assert first.p_value == pytest.approx((10 * 120 + 210) / 4845)
        assert second.shown
        assert finding.verdict is Verdict.IN_PART
        assert "filter 1 9 of 10 against 7 of 10; filter 2 9 of 10 against 0 of 10" in finding.ours
        assert finding.qualified.endswith("(not more often than under sharing: filter 1)")

    def test_others_that_pass_the_same_test_stand_beside_the_verdict(self):
        finding = finding_of("resembles_ctcf", **of_filters({RC8: [CLEAN] * 10, WIDE: [HYBRID] * 10}))
        assert finding.qualified == "holds (so do 10 of 10 standard networks)"

    def test_networks_that_were_still_improving_are_left_out_once(self):
        """One of two networks resembles nothing, and it alone had not ended."""
        tables = of_filters({RC8: [CLEAN] * 2})
        tables["fig5_filters"].loc[tables["fig5_filters"]["seed"] == 1, "ctcf_p_value"] = 0.5
        tables["fig5_runs"].loc[1, ["best_epoch", "valid_auroc"]] = [80, 0.7]
        finding = finding_of("resembles_ctcf", **tables)
        assert finding.verdict is Verdict.IN_PART
        assert (
            "RC-8, seed 1 (validation auROC 0.7000, others 0.9000 to 0.9000). The verdict without: holds."
            in finding.why
        )

    @pytest.mark.parametrize(
        ("networks", "verdict", "n_hybrid"),
        [
            ([[("hybrid", 3.0), ("none", 0.5), ("none", -9.0)]] * 6 + [CLEAN] * 4, Verdict.HOLDS, 6),
            ([[("hybrid", 1.0), ("hybrid", 0.9), ("none", 0.8)]] * 10, Verdict.IN_PART, 10),
            ([CLEAN] * 10, Verdict.NOT, 0),
        ],
    )
    def test_a_single_palindrome_that_does_the_work(self, networks, verdict, n_hybrid):
        finding = finding_of("single_palindrome", **of_filters({FEW: networks}))
        assert finding.verdict is verdict
        assert f"{n_hybrid} of 10 networks" in finding.ours


def sizes(scores):
    """Figure 6, from each size's (RC, standard-16, standard-32) scores."""
    names = ("RC-16", "standard-16", "standard-32")
    return pd.concat(
        [runs(dict(zip(names, values, strict=True)), figure="fig6", fraction=size) for size, values in scores.items()]
    )


class TestTrainingSize:
    @pytest.mark.parametrize(
        ("small", "whole", "verdict"),
        [
            ((ABOVE, BELOW, BELOW), (ABOVE, BELOW, BELOW), Verdict.HOLDS),
            ((ABOVE, BELOW, BELOW), (BELOW, ABOVE, ABOVE), Verdict.IN_PART),
            ((BELOW, BELOW, BELOW), (BELOW, ABOVE, ABOVE), Verdict.NOT),
        ],
    )
    def test_above_at_every_size(self, small, whole, verdict):
        finding = finding_of("higher_at_every_size", fig6_runs=sizes({0.05: small, 1.0: whole}))
        assert finding.verdict is verdict
        assert [pair.where for pair in finding.comparisons] == ["5%"] * 4 + ["100%"] * 4

    def test_a_loss_is_that_of_a_seed_over_the_small_sizes(self):
        full, half = ABOVE + 0.05, ABOVE
        scores = {
            0.05: (full - 0.04, full - 0.2, full - 0.3),
            0.2: (full - 0.02, full - 0.1, full - 0.1),
            0.4: (half - 9, half, half),  # no small size
            1.0: (full, full, full),
        }
        finding = finding_of("slower", fig6_runs=sizes(scores))
        assert finding.verdict is Verdict.HOLDS
        assert [pair.where for pair in finding.comparisons] == ["mean of sizes"] * 4 + ["5%"] * 4 + ["20%"] * 4
        assert "RC-16 0.0300 (0.0300 to 0.0300), standard-16 0.1500 (0.1500 to 0.1500)" in finding.ours
        swapped = {size: (double, same, rc) for size, (rc, same, double) in scores.items()}
        assert verdict_of("slower", fig6_runs=sizes(swapped)) is Verdict.NOT

    def test_a_mean_over_sizes_that_one_size_carries_is_a_part(self):
        """At 20% the standard networks lose less; what they lose at 5% makes up for it."""
        full = ABOVE + 0.05
        scores = {0.05: (full - 0.1, full - 0.3, full - 0.3), 0.2: (full - 0.1, full - 0.05, full - 0.05)}
        finding = finding_of("slower", fig6_runs=sizes({**scores, 1.0: (full, full, full)}))
        assert finding.verdict is Verdict.IN_PART
        assert "not shown at 20%" in finding.note
        assert "By itself in all comparisons at 5%, not at 20%." in finding.why

    def test_sizes_that_were_not_trained_out_are_named(self):
        """At 5% every training ended at its best epoch, of all sizes together only a third did."""
        table = sizes(dict.fromkeys((0.05, 0.4, 1.0), (ABOVE, BELOW, BELOW))).reset_index(drop=True)
        table.loc[table["fraction"] == 0.05, "best_epoch"] = table["n_epochs"]
        finding = finding_of("higher_at_every_size", fig6_runs=table)
        assert finding.qualified == "holds (at 5% not trained out: learning speed)"
        assert "30 of 90 trainings ended at their best epoch." in finding.why

    def test_a_higher_arm_that_falls_alike_does_not_fall_more_slowly(self):
        table = sizes({0.1: (ABOVE - 0.1, BELOW - 0.1, BELOW - 0.1), 1.0: (ABOVE, BELOW, BELOW)})
        assert verdict_of("slower", fig6_runs=table.round(6)) is Verdict.NOT

    def test_seeds_without_all_sizes_do_not_count(self):
        table = sizes({0.1: (ABOVE - 0.1, BELOW - 0.2, BELOW - 0.2), 1.0: (ABOVE, BELOW, BELOW)})
        some = table[(table["fraction"] == 0.1) | (table["seed"] < 4)]
        finding = finding_of("slower", fig6_runs=some)
        assert {len(pair.values_a) for pair in finding.comparisons} == {4}
        assert "4 of the paper's 10 seeds" in finding.why

    def test_without_small_sizes_it_is_not_measured(self):
        finding = finding_of("slower", fig6_runs=sizes({0.6: (ABOVE, BELOW, BELOW), 1.0: (ABOVE, BELOW, BELOW)}))
        assert finding.verdict is Verdict.UNKNOWN


class TestWidthsAndFactors:
    widths = {f"RC-{n}": ABOVE for n in (8, 16, 32)} | {f"standard-{n}": BELOW for n in (8, 16, 32, 64)}

    @pytest.mark.parametrize(
        ("rc", "standard", "verdict"), [(ABOVE, BELOW, Verdict.HOLDS), (BELOW, ABOVE, Verdict.NOT)]
    )
    def test_every_width(self, rc, standard, verdict):
        arms = {name: rc if name.startswith("RC") else standard for name in self.widths}
        finding = finding_of("every_width", fig7a_runs=runs(arms, figure="fig7a"))
        assert finding.verdict is verdict
        assert len(finding.comparisons) == 12
        assert ("RC-32", "standard-64") in [(pair.a, pair.b) for pair in finding.comparisons]

    def test_a_width_that_is_missing_is_said(self):
        arms = {name: values for name, values in self.widths.items() if name != "standard-64"}
        finding = finding_of("every_width", fig7a_runs=runs(arms, figure="fig7a"))
        assert finding.verdict is Verdict.IN_PART
        assert "2 of 12" in finding.why

    @pytest.mark.parametrize(
        ("bad", "verdict"),
        [((), Verdict.HOLDS), (("MAX",), Verdict.IN_PART), (("CTCF", "SPI1", "MAX"), Verdict.NOT)],
    )
    def test_factors_are_not_mixed(self, bad, verdict):
        tables = []
        for factor in ("CTCF", "SPI1", "MAX"):
            rc, other = (BELOW, ABOVE) if factor in bad else (ABOVE, BELOW)
            arms = {"RC-16": rc, "standard-16": other, "standard-32": other}
            tables.append(runs(arms, figure="fig7b", dataset=factor))
        finding = finding_of("every_factor", fig7b_runs=pd.concat(tables))
        assert finding.verdict is verdict
        assert {pair.where for pair in finding.comparisons if not pair.shown} == set(bad)
        assert f"shown in {12 - 4 * len(bad)} of 12" in finding.why  # on the test chromosomes


@pytest.mark.parametrize(("n", "p"), [(3, "0.05"), (5, "0.004")])
def test_what_few_seeds_can_reach_stands_beside_the_verdict(n, p):
    """Of three against three there are 20 orders, of five against five 252."""
    arms = {"RC-16": ABOVE[:n], "standard-16": BELOW[:n], "standard-32": BELOW[:n]}
    tables = [runs(arms, figure="fig7b", dataset=factor) for factor in ("CTCF", "SPI1", "MAX")]
    finding = finding_of("every_factor", fig7b_runs=pd.concat(tables))
    assert finding.qualified == f"holds ({n} seeds: p = {p} at best)"
    assert f"1 of these verdicts (holds: 1) rest on tests of {n} seeds, which can reach p = {p}" in summary([finding])


@pytest.mark.parametrize(("first", "again", "lead"), [(80, 2, "60 epochs"), (2, 80, "80 epochs")])
def test_the_trainings_of_which_fewer_were_improving_give_the_verdict(first, again, lead):
    arms = {"RC-16": ABOVE, "standard-16": BELOW, "standard-32": BELOW}
    tables = {
        "fig6_runs": sizes({0.05: tuple(arms.values()), 1.0: tuple(arms.values())}).assign(best_epoch=first),
        "fig6_gpu_runs": sizes({0.05: (BELOW, ABOVE, ABOVE), 1.0: (BELOW, ABOVE, ABOVE)}).assign(
            best_epoch=min(again, 60), n_epochs=60, cpu="a processor and a GPU"
        ),
    }
    finding = finding_of("higher_at_every_size", **tables)
    assert finding.trained.startswith(lead)
    assert finding.verdict is (Verdict.NOT if lead == "60 epochs" else Verdict.HOLDS)
    assert finding.limits == ()
    assert finding.other is not None
    assert finding.other.limits == ("not trained out: learning speed",)
    assert "60 of 60 trainings ended at their best epoch" in finding.other.why


def test_a_smaller_scale_is_said():
    finding = finding_of("best_of_all", fig3_runs=runs(three(ABOVE, BELOW, BELOW), scale="quick"))
    assert finding.why.endswith("At the quick scale, which is not the paper's.")


def test_stand_ins_are_those_that_are_called_so():
    assert stands_in(runs({RC: [0.5]}, chromosomes="train chr19, valid chr22 (stand-in)"))
    assert not stands_in(runs({RC: [0.5]}, chromosomes="train chr21, valid chr22"))
    assert not stands_in(history({RC: [([0.5], [0.5])]}))


def test_numbers_as_they_are_written():
    assert spread([0.5, 0.25, 0.75]) == "0.5000 (0.2500 to 0.7500)"
    pair = compare_seeds(pd.Series([3.0, 4.0]), pd.Series([1.0, 2.0]), "a", "b", "auROC")
    text = "0 of 1 comparisons shown; mean differences +2.0000 to +2.0000; largest p = 0.1667"
    assert differences([pair]) == text


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        ([80, 80], []),
        ([8, 8], ["Trained for 8 of the paper's 80 epochs."]),
        ([8, 80], ["In part trained for 8 of the paper's 80 epochs."]),
    ],
)
def test_fewer_epochs_than_the_papers_are_said(epochs, said):
    table = runs({"RC-16": [0.9, 0.8]}, dataset="CTCF").assign(n_epochs=epochs)
    assert unlike_the_paper(table) == said
    assert unlike_the_paper(table.assign(dataset="simulated")) == []  # these stop early by themselves
    assert unlike_the_paper(table.assign(scale="quick")) == []
