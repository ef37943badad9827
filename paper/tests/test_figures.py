"""The arms are those that the paper describes."""

import dataclasses
import itertools

import pytest

from paper.figures import (
    CHOICES,
    FIGURES,
    FRACTIONS,
    SET_PER_SEED,
    TABLE_1,
    TASKS_SEPARATE,
    arms_of,
    choose_arms,
    figures_of,
)
from rcviz.models.network import build_model, count_parameters


def trained(figure, **options):
    """Arms that are trained: averages of both strands' predictions are left out."""
    return [arm for arm in arms_of(figure, **options) if not arm.strategy.startswith("posthoc")]


def shown(figure):
    return {(arm.name, arm.dataset, arm.arm.fraction) for arm in arms_of(figure) if arm.paper}


def test_figures_2_and_3_are_three_networks_and_their_rivals():
    assert figures_of(["fig2"]) == ("fig3",)
    assert {name for name, *_ in shown("fig3")} == {"RC-20", "standard-20", "standard-40"}
    assert {arm.strategy for arm in trained("fig3") if not arm.paper} == {"augmented", "siamese"}
    for arm in arms_of("fig3"):
        training = arm.arm.training
        assert (training.batch_size, training.patience, training.samples_per_epoch) == (500, 10, 5000)


def test_figures_4_and_5_train_as_their_captions_say():
    assert [arm.name for arm in arms_of("fig4") if arm.paper] == ["standard-16", "standard-16, augmented", "RC-16"]
    assert [arm.name for arm in trained("fig5")] == ["RC-8", "standard-16, augmented", "standard-8, augmented"]
    assert {arm.arm.model.kernel_sizes for arm in arms_of("fig4")} == {(15, 14, 14)}
    assert {arm.arm.model.kernel_sizes for arm in arms_of("fig5")} == {(15,)}
    assert {arm.split for arm in arms_of("fig5")} == {"chr21/chr22/rest"}


def test_figure_6_is_every_share_of_three_networks():
    names = ("RC-16", "standard-16", "standard-32")
    assert shown("fig6") == {(name, "CTCF", fraction) for name in names for fraction in FRACTIONS}
    assert FRACTIONS == (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def test_figure_7_has_all_widths_and_all_factors():
    assert figures_of(["fig7"]) == ("fig7a", "fig7b")
    widths = [*itertools.product(["RC"], (8, 16, 32)), *itertools.product(["standard"], (8, 16, 32, 64))]
    assert {name for name, *_ in shown("fig7a")} == {f"{kind}-{width}" for kind, width in widths}
    names = ("RC-16", "standard-16", "standard-32")
    assert shown("fig7b") == {(name, factor, 1.0) for name in names for factor in ("CTCF", "SPI1", "MAX")}
    weights = {arm.dataset: arm.arm.training.positive_weight for arm in arms_of("fig7b")}
    assert weights == {"CTCF": 5, "SPI1": 5, "MAX": 16.5}
    assert {arm.arm.training.epochs for arm in (*arms_of("fig7a"), *arms_of("fig7b"))} == {80}


def test_choices_are_figure_3_with_one_thing_changed():
    presets = {arm.name: arm for arm in arms_of("fig3") if arm.paper}
    changed = {}
    for arm in trained("choices"):
        name, _, choice = arm.name.partition(", ")
        preset = presets[name]
        assert arm.arm.training == preset.arm.training
        before = vars(preset.arm.model)
        differences = {key: value for key, value in vars(arm.arm.model).items() if value != before[key]}
        assert changed.setdefault(choice, (differences, arm.dataset)) == (differences, arm.dataset)
    assert changed == {
        choice: (changes, TASKS_SEPARATE if choice == "tasks shuffled separately" else "simulated")
        for choice, changes in CHOICES.items()
    }


def test_matched_is_figure_3_with_both_heads_for_every_arm():
    """Each strategy has a network with either head, and nothing else about it or its training is changed."""
    presets = {(arm.name, arm.strategy): arm.arm for arm in trained("fig3")}
    heads = {}
    for arm in trained("matched"):
        name = arm.name.rpartition(", ")[0]
        assert arm.dataset == SET_PER_SEED
        heads.setdefault(name, []).append(arm.arm.model.head)
        if (name, arm.strategy) in presets:
            preset = presets[name, arm.strategy]
            assert arm.arm == dataclasses.replace(preset, model=dataclasses.replace(preset.model, head=heads[name][-1]))
    names = ["standard-20", "standard-40", "RC-20", "standard-20, siamese", "standard-40, siamese"]
    assert heads == {name: ["flatten", "weighted_sum"] for name in names}


@pytest.mark.parametrize("figure", FIGURES)
def test_the_quick_scale_has_the_same_arms_and_strategies(figure):
    def kinds(scale):
        return {(arm.name, arm.strategy, arm.arm.fraction, arm.paper) for arm in arms_of(figure, scale=scale)}

    assert kinds("quick") == kinds("paper")
    assert all(arm.arm.model.sequence_length == 200 for arm in arms_of(figure, scale="quick"))


@pytest.mark.parametrize("figure", FIGURES)
def test_every_arm_of_a_figure_has_its_own_name_and_is_what_it_is_called(figure):
    arms = arms_of(figure)
    assert len({(arm.name, arm.dataset, arm.arm.fraction) for arm in arms}) == len(arms)
    for arm in trained(figure):
        assert (arm.strategy == "shared") == (arm.arm.model.architecture == "revcomp")
        assert (arm.strategy == "augmented") == (arm.arm.training.augmentation == "revcomp")
        assert (arm.strategy == "siamese") == (arm.arm.strategy == "siamese")


def test_averages_of_both_strands_follow_standard_networks_and_share_their_training():
    arms = [arm for arm in arms_of("fig4") if arm.name.startswith("standard-16")][:3]
    assert [arm.strategy for arm in arms] == ["none", "posthoc", "posthoc_probability"]
    assert [arm.arm.average for arm in arms[1:]] == ["logit", "probability"]
    assert len({arm.training for arm in arms}) == 1
    assert not any(arm.strategy.startswith("posthoc") for arm in arms_of("fig4") if arm.name.startswith("RC"))


def test_arms_are_chosen_by_word_or_by_name():
    arms = arms_of("fig3")
    assert choose_arms(arms, "all") == arms
    assert {arm.name for arm in choose_arms(arms, "paper") if arm.paper} == {"RC-20", "standard-20", "standard-40"}
    assert [arm.name for arm in choose_arms(arms, ["standard-20, siamese", "RC-20"])] == [
        "RC-20",
        "standard-20, siamese",
    ]
    with pytest.raises(ValueError, match=r"RC-21.*standard-20"):
        choose_arms(arms, "RC-21")


@pytest.mark.parametrize(
    ("figure", "options", "argument"),
    [("fig1", {}, "figure"), ("fig4", {"scale": "small"}, "scale"), ("fig4", {"epochs": 0}, "epochs")],
)
def test_wrong_options_are_refused(figure, options, argument):
    with pytest.raises(ValueError, match=argument):
        arms_of(figure, **options)


def test_parameters_and_channels_are_those_of_section_3_6():
    models = {arm.name: arm.arm.model for arm in (*arms_of("fig3"), *arms_of("fig6"))}
    assert count_parameters(build_model(models["standard-20"])) == 2283
    assert count_parameters(build_model(models["RC-20"])) == 1983
    assert models["RC-20"].n_channels == models["standard-40"].n_channels
    assert models["RC-16"].n_channels == models["standard-32"].n_channels


def test_ratios_of_table_1_are_as_printed():
    ratios = {factor: round(negatives / positives, 2) for factor, (positives, negatives) in TABLE_1.items()}
    assert ratios == {"CTCF": 5.01, "SPI1": 4.75, "MAX": 16.47}
