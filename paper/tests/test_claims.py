"""Every rule on tables whose truth is known, in both directions."""

import numpy as np
import pandas as pd
import pytest

from paper import claims
from paper.claims import judge_claims, stands_in, unlike_the_paper
from paper.findings import differences, spread
from paper.tests.made_tables import ABOVE, BELOW, filters, history, runs, table_1
from paper.verdicts import Verdict, compare_seeds

CLAIMS = {claim.rule: claim for claim in claims.CLAIMS}
RC, SAME, DOUBLE = "RC-20", "standard-20", "standard-40"


def verdict_of(rule, **tables):
    return judge_claims([CLAIMS[rule]], tables)[0]


def three(rc, same, double):
    return {RC: rc, SAME: same, DOUBLE: double}


def test_each_claim_says_what_is_missing():
    for claim in CLAIMS.values():
        (finding,) = judge_claims([claim], {})
        assert finding.verdict is Verdict.UNKNOWN
        assert claim.needs[0] in finding.why


def test_an_arm_that_was_not_run_is_named():
    finding = verdict_of("best_of_all", fig3_runs=runs({RC: ABOVE, SAME: BELOW}))
    assert finding.verdict is Verdict.UNKNOWN
    assert DOUBLE in finding.why


class TestBestOfAll:
    def test_ten_seeds_apart(self):
        finding = verdict_of("best_of_all", fig3_runs=runs(three(ABOVE, BELOW, BELOW)))
        assert finding.verdict is Verdict.HOLDS
        assert "p = 5.413e-06" in finding.test
        assert "RC-20 0.9050 (0.9000 to 0.9100)" in finding.ours
        assert "in 4 of 4 comparisons. Test set: shown in 4 of 4" in finding.why

    def test_one_seed_out_of_order_is_not_every_seed(self):
        mixed = np.append(ABOVE[:9], 0.805)
        assert verdict_of("best_of_all", fig3_runs=runs(three(mixed, BELOW, BELOW))).verdict is Verdict.IN_PART

    def test_five_seeds_cannot_be_ten(self):
        finding = verdict_of("best_of_all", fig3_runs=runs(three(ABOVE[:5], BELOW[:5], BELOW[:5])))
        assert finding.verdict is Verdict.IN_PART
        assert "5 of the paper's 10 seeds." in finding.why

    def test_the_other_way_round(self):
        assert verdict_of("best_of_all", fig3_runs=runs(three(BELOW, ABOVE, ABOVE))).verdict is Verdict.NOT

    def test_rivals_with_fewer_seeds_do_not_count_as_seeds(self):
        arms = {**three(ABOVE, BELOW, BELOW), "standard-20, siamese": [0.8]}
        finding = verdict_of("best_of_all", fig3_runs=runs(arms, rivals=["standard-20, siamese"]))
        assert finding.verdict is Verdict.HOLDS
        assert "of the paper's" not in finding.why


def simulated(train, valid):
    """Tables of curves of three epochs, the second being the best, from each arm's scores there."""
    curves = {
        arm: [([0.5, t, t + 0.001], [0.5, v, v - 0.01]) for t, v in zip(train[arm], valid[arm], strict=True)]
        for arm in train
    }
    return {"fig2": history(curves), "fig2_runs": runs(valid, best_epoch=2)}


class TestTraining:
    valid = three(ABOVE, BELOW, BELOW)

    def test_similar_is_less_than_half_of_the_gain(self):
        train = three(np.full(10, 0.95), np.full(10, 0.92), np.full(10, 0.99))
        finding = verdict_of("similar_in_training", **simulated(train, self.valid))
        assert finding.verdict is Verdict.HOLDS  # 0.03 against a gain of 0.1
        assert "+0.0300 at the epoch kept; +0.0300 at epoch 3; in validation +0.1000" in finding.ours

    def test_a_large_difference_is_not_similar(self):
        train = three(np.full(10, 0.95), np.full(10, 0.89), np.full(10, 0.99))
        assert verdict_of("similar_in_training", **simulated(train, self.valid)).verdict is Verdict.NOT

    def test_readings_that_disagree_make_a_part(self):
        tables = simulated(three(np.full(10, 0.95), np.full(10, 0.94), np.full(10, 0.99)), self.valid)
        last = (tables["fig2"]["epoch"] == 3) & (tables["fig2"]["arm"] == SAME)
        tables["fig2"].loc[last, "auroc"] = 0.7
        assert verdict_of("similar_in_training", **tables).verdict is Verdict.IN_PART

    def test_without_a_gain_nothing_is_similar(self):
        train = three(np.full(10, 0.95), np.full(10, 0.95), np.full(10, 0.95))
        tables = simulated(train, three(BELOW, ABOVE, ABOVE))
        assert verdict_of("similar_in_training", **tables).verdict is Verdict.NOT

    def test_forty_filters_that_only_overfit(self):
        tables = simulated(three(BELOW, BELOW + 0.1, ABOVE + 0.05), self.valid)
        finding = verdict_of("no_better_with_forty", **tables)
        assert finding.verdict is Verdict.HOLDS
        assert finding.comparisons[0].p_value > 0.5

    def test_forty_filters_that_are_better_as_well(self):
        tables = simulated(three(BELOW, BELOW, ABOVE), three(ABOVE, BELOW, ABOVE))
        assert verdict_of("no_better_with_forty", **tables).verdict is Verdict.IN_PART

    def test_forty_filters_that_only_generalize(self):
        tables = simulated(three(BELOW, ABOVE, BELOW), three(ABOVE, BELOW, ABOVE))
        assert verdict_of("no_better_with_forty", **tables).verdict is Verdict.NOT

    def test_overfitting_is_training_minus_validation(self):
        finding = verdict_of("less_overfitting", **simulated(three(ABOVE, ABOVE, ABOVE), self.valid))
        assert finding.verdict is Verdict.HOLDS
        assert "RC-20 0.0000 (0.0000 to 0.0000), standard-20 0.1000" in finding.ours

    def test_a_standard_network_that_does_not_overfit(self):
        tables = simulated(three(ABOVE + 0.05, BELOW, ABOVE + 0.05), self.valid)
        assert verdict_of("less_overfitting", **tables).verdict is Verdict.IN_PART
        tables = simulated(three(ABOVE + 0.05, BELOW, BELOW), self.valid)
        assert verdict_of("less_overfitting", **tables).verdict is Verdict.NOT


class TestCurves:
    def curves(self, rc, same, double, n=10):
        """Seeds that differ a little, with longer curves for some."""
        arms = three(rc, same, double)
        return history(
            {
                arm: [([0.5] * len(curve), [v + seed / 1000 for v in curve]) for seed in range(n)]
                for arm, curve in arms.items()
            }
        )

    def test_above_throughout(self):
        finding = verdict_of("always_above", fig2=self.curves([0.6, 0.7, 0.8], [0.5, 0.6, 0.7, 0.9], [0.5] * 3))
        assert finding.verdict is Verdict.HOLDS
        assert finding.ours == "median above in 3 of 3 epochs"

    def test_above_most_of_the_time(self):
        finding = verdict_of("always_above", fig2=self.curves([0.4, 0.7, 0.8], [0.5, 0.6, 0.7], [0.5] * 3))
        assert finding.verdict is Verdict.IN_PART
        assert "Not ahead at 1 of them, first at epoch 1." in finding.why

    def test_never_above(self):
        tables = self.curves([0.4, 0.5, 0.6], [0.5, 0.6, 0.7], [0.5] * 3)
        assert verdict_of("always_above", fig2=tables).verdict is Verdict.NOT

    def test_ahead_at_first_alone_counts(self):
        six = [0.5, 0.5, 0.5, 0.5, 0.5, 0.99]
        finding = verdict_of("ahead_at_first", fig2=self.curves(six, six, [0.6, 0.6, 0.6, 0.6, 0.6, 0.1]))
        assert finding.verdict is Verdict.HOLDS
        assert "+0.1000 against RC-20, +0.1000 against standard-20" in finding.ours

    def test_ahead_of_one_alone(self):
        tables = self.curves([0.7] * 5, [0.5] * 5, [0.6] * 5)
        finding = verdict_of("ahead_at_first", fig2=tables)
        assert finding.verdict is Verdict.IN_PART
        assert finding.why.startswith("p <= 0.05 against standard-20.")

    def test_never_ahead(self):
        tables = self.curves([0.7] * 5, [0.7] * 5, [0.6] * 5)
        assert verdict_of("ahead_at_first", fig2=tables).verdict is Verdict.NOT


def test_parameters_are_counted():
    table = runs({RC: ABOVE, SAME: BELOW})
    table["n_parameters"] = table["arm"].map({RC: 1983, SAME: 2283})
    finding = verdict_of("parameters", fig3_runs=table)
    assert (finding.verdict, finding.ours) == (Verdict.HOLDS, "standard-20 2,283, RC-20 1,983")
    assert verdict_of("parameters", fig3_runs=table.replace(1983, 2000)).verdict is Verdict.IN_PART
    assert verdict_of("parameters", fig3_runs=table.assign(n_parameters=7)).verdict is Verdict.NOT


def test_table_1_can_hold_only_in_part_without_negatives():
    assert verdict_of("table_1", table_1=table_1()).verdict is Verdict.IN_PART
    finding = verdict_of("table_1", table_1=table_1(shift=1))
    assert finding.verdict is Verdict.NOT
    assert finding.why.startswith("0 of 3 counts")


class TestStrands:
    def table(self, **gaps):
        arms = {"RC-16": ABOVE, "standard-16": ABOVE, "standard-16, augmented": ABOVE}
        table = runs(arms, figure="fig4", chromosomes="train chr19 (stand-in)")
        for column, values in gaps.items():
            table[column] = np.concatenate([np.broadcast_to(value, 10) for value in values])
        return table

    def test_identical_is_up_to_rounding(self):
        finding = verdict_of("identical_strands", fig4_runs=self.table(gap_max=[3e-7, 1, 1]))
        assert finding.verdict is Verdict.HOLDS
        assert finding.ours.endswith("3e-07")
        assert finding.why.endswith("On stand-in chromosomes.")
        one_seed = np.append(np.full(9, 1e-7), 2e-5)
        assert verdict_of("identical_strands", fig4_runs=self.table(gap_max=[one_seed, 1, 1])).verdict is Verdict.NOT

    @pytest.mark.parametrize(("least", "verdict"), [(0.5, Verdict.HOLDS), (0.49, Verdict.IN_PART), (0.09, Verdict.NOT)])
    def test_wildly_different_in_every_seed(self, least, verdict):
        gap = np.append(np.full(9, 0.9), least)
        assert verdict_of("different_strands", fig4_runs=self.table(gap_max=[0, gap, 0])).verdict is verdict

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
        assert verdict_of("augmentation", fig4_runs=table).verdict is verdict


class TestFilters:
    rc, standard, few = "RC-8", "standard-16, augmented", "standard-8, augmented"
    clean, hybrid = [("none", 2.0), ("none", 0.1)], [("hybrid", 2.0), ("hybrid", 1.0), ("none", 0.1)]

    def tables(self, networks, **more):
        return {
            "fig5_filters": filters(networks, **more),
            "fig5_runs": runs({arm: [0.9] * len(seeds) for arm, seeds in networks.items()}, figure="fig5"),
        }

    @pytest.mark.parametrize(("p_value", "verdict"), [(1e-3, Verdict.HOLDS), (2e-3, Verdict.NOT)])
    def test_resemblance_is_tomtoms(self, p_value, verdict):
        tables = self.tables({self.rc: [self.clean] * 10}, p_value=p_value)
        assert verdict_of("resembles_ctcf", **tables).verdict is verdict

    def test_resemblance_in_half_of_the_seeds_is_a_part(self):
        tables = self.tables({self.rc: [self.clean] * 4})
        top = tables["fig5_filters"]["rank"] == 1
        tables["fig5_filters"].loc[top, "ctcf_p_value"] = [1e-6, np.nan, 0.5, 1e-9]
        finding = verdict_of("resembles_ctcf", **tables)
        assert finding.verdict is Verdict.IN_PART
        assert finding.ours.startswith("2 of 4 top filters")
        assert "4 of the paper's 10 seeds" in finding.why

    def test_only_the_top_filter_must_resemble(self):
        tables = self.tables({self.rc: [self.clean] * 10})
        tables["fig5_filters"].loc[tables["fig5_filters"]["rank"] > 1, "ctcf_p_value"] = 1.0
        assert verdict_of("resembles_ctcf", **tables).verdict is Verdict.HOLDS

    def test_cleaner_is_more_similar(self):
        both = {self.rc: [self.clean] * 10, self.standard: [self.hybrid] * 10}
        better = self.tables(both, similar={self.rc: 0.99, self.standard: 0.8})
        worse = self.tables(both, similar={self.rc: 0.8, self.standard: 0.99})
        assert verdict_of("cleaner", **better).verdict is Verdict.HOLDS
        finding = verdict_of("cleaner", **worse)
        assert finding.verdict is Verdict.NOT
        assert "standard-16, augmented has the better top filter" in finding.why

    def test_palindromic_as_a_rule_and_more_often_than_under_sharing(self):
        holds = self.tables({self.rc: [self.clean] * 10, self.standard: [self.hybrid] * 10})
        finding = verdict_of("palindromic", **holds)
        assert finding.verdict is Verdict.HOLDS
        assert finding.ours.startswith("share of hybrids 1.0000 (1.0000 to 1.0000) against 0.0000")
        alike = self.tables({self.rc: [self.hybrid] * 10, self.standard: [self.hybrid] * 10})
        assert verdict_of("palindromic", **alike).verdict is Verdict.IN_PART
        neither = self.tables({self.rc: [self.clean] * 10, self.standard: [self.clean] * 10})
        assert verdict_of("palindromic", **neither).verdict is Verdict.NOT

    def test_a_palindrome_of_low_rank_is_not_a_top_filter(self):
        late = [("none", 2.0), ("none", 1.0), ("hybrid", 0.1)]
        tables = self.tables({self.rc: [self.clean] * 10, self.standard: [late] * 10})
        assert verdict_of("palindromic", **tables).verdict is Verdict.NOT

    def test_a_single_palindrome_that_does_the_work(self):
        alone = [("hybrid", 3.0), ("none", 0.5), ("none", -9.0)]
        shared = [("hybrid", 1.0), ("hybrid", 0.9), ("none", 0.8)]
        finding = verdict_of("single_palindrome", **self.tables({self.few: [alone] * 6 + [self.clean] * 4}))
        assert finding.verdict is Verdict.HOLDS
        assert finding.ours.startswith("top filter a hybrid in 6 of 10 networks")
        assert verdict_of("single_palindrome", **self.tables({self.few: [shared] * 10})).verdict is Verdict.IN_PART
        assert verdict_of("single_palindrome", **self.tables({self.few: [self.clean] * 10})).verdict is Verdict.NOT


def sizes(scores):
    """Figure 6, from each size's (RC, standard-16, standard-32) scores."""
    return pd.concat(
        [
            runs(
                {"RC-16": rc, "standard-16": same, "standard-32": double},
                figure="fig6",
                fraction=size,
                chromosomes="train chr19+chr20, valid chr22 (stand-in)",
            )
            for size, (rc, same, double) in scores.items()
        ]
    )


class TestTrainingSize:
    def test_above_at_every_size(self):
        table = sizes({0.05: (ABOVE, BELOW, BELOW), 1.0: (ABOVE, BELOW, BELOW)})
        finding = verdict_of("higher_at_every_size", fig6_runs=table)
        assert finding.verdict is Verdict.HOLDS
        assert [pair.where for pair in finding.comparisons] == ["5%"] * 4 + ["100%"] * 4
        assert finding.ours.startswith("8 of 8 comparisons shown; mean differences +0.1000 to +0.1000")

    def test_above_at_one_size(self):
        table = sizes({0.05: (ABOVE, BELOW, BELOW), 1.0: (BELOW, ABOVE, ABOVE)})
        assert verdict_of("higher_at_every_size", fig6_runs=table).verdict is Verdict.IN_PART
        table = sizes({0.05: (BELOW, BELOW, BELOW), 1.0: (BELOW, ABOVE, ABOVE)})
        assert verdict_of("higher_at_every_size", fig6_runs=table).verdict is Verdict.NOT

    def test_a_loss_is_that_of_a_seed_over_the_small_sizes(self):
        full, half = ABOVE + 0.05, ABOVE
        scores = {
            0.05: (full - 0.04, full - 0.2, full - 0.3),
            0.2: (full - 0.02, full - 0.1, full - 0.1),
            0.4: (half - 9, half, half),  # no small size
            1.0: (full, full, full),
        }
        finding = verdict_of("slower", fig6_runs=sizes(scores))
        assert finding.verdict is Verdict.HOLDS
        assert "RC-16 0.0300 (0.0300 to 0.0300), standard-16 0.1500 (0.1500 to 0.1500)" in finding.ours
        swapped = {size: (double, same, rc) for size, (rc, same, double) in scores.items()}
        assert verdict_of("slower", fig6_runs=sizes(swapped)).verdict is Verdict.NOT

    def test_a_higher_arm_that_falls_alike_does_not_fall_more_slowly(self):
        table = sizes({0.1: (ABOVE - 0.1, BELOW - 0.1, BELOW - 0.1), 1.0: (ABOVE, BELOW, BELOW)})
        assert verdict_of("slower", fig6_runs=table.round(6)).verdict is Verdict.NOT

    def test_seeds_without_all_sizes_do_not_count(self):
        table = sizes({0.1: (ABOVE - 0.1, BELOW - 0.2, BELOW - 0.2), 1.0: (ABOVE, BELOW, BELOW)})
        some = table[(table["fraction"] == 0.1) | (table["seed"] < 4)]
        finding = verdict_of("slower", fig6_runs=some)
        assert {len(pair.values_a) for pair in finding.comparisons} == {4}
        assert "4 of the paper's 10 seeds" in finding.why

    def test_without_small_sizes_it_is_not_measured(self):
        finding = verdict_of("slower", fig6_runs=sizes({0.6: (ABOVE, BELOW, BELOW), 1.0: (ABOVE, BELOW, BELOW)}))
        assert finding.verdict is Verdict.UNKNOWN


class TestWidthsAndFactors:
    widths = {f"RC-{n}": ABOVE for n in (8, 16, 32)} | {f"standard-{n}": BELOW for n in (8, 16, 32, 64)}

    def test_every_width(self):
        finding = verdict_of("every_width", fig7a_runs=runs(self.widths, figure="fig7a"))
        assert finding.verdict is Verdict.HOLDS
        assert len(finding.comparisons) == 12
        assert ("RC-32", "standard-64") in [(pair.a, pair.b) for pair in finding.comparisons]

    def test_a_width_that_is_missing_is_said(self):
        arms = {name: values for name, values in self.widths.items() if name != "standard-64"}
        finding = verdict_of("every_width", fig7a_runs=runs(arms, figure="fig7a"))
        assert finding.verdict is Verdict.IN_PART
        assert finding.why.startswith("2 of 12 comparisons have no data yet.")

    def test_no_width(self):
        arms = {name: BELOW if "RC" in name else ABOVE for name in self.widths}
        assert verdict_of("every_width", fig7a_runs=runs(arms, figure="fig7a")).verdict is Verdict.NOT

    def factors(self, **scores):
        return pd.concat(
            [
                runs({"RC-16": rc, "standard-16": other, "standard-32": other}, figure="fig7b", dataset=factor)
                for factor, (rc, other) in scores.items()
            ]
        )

    def test_factors_are_not_mixed(self):
        good, bad = (ABOVE, BELOW), (BELOW, ABOVE)
        finding = verdict_of("every_factor", fig7b_runs=self.factors(CTCF=good, SPI1=good, MAX=good))
        assert finding.verdict is Verdict.HOLDS
        finding = verdict_of("every_factor", fig7b_runs=self.factors(CTCF=good, SPI1=good, MAX=bad))
        assert finding.verdict is Verdict.IN_PART
        assert {pair.where for pair in finding.comparisons if not pair.shown} == {"MAX"}
        assert "Test chromosomes: shown in 8 of 12" in finding.why
        finding = verdict_of("every_factor", fig7b_runs=self.factors(CTCF=bad, SPI1=bad, MAX=bad))
        assert finding.verdict is Verdict.NOT


def test_a_smaller_scale_is_said():
    finding = verdict_of("best_of_all", fig3_runs=runs(three(ABOVE, BELOW, BELOW), scale="quick"))
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
