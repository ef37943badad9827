"""The arms are those that the paper describes."""

import itertools

import pytest

from rcviz.experiments.arms import FIGURES, FRACTIONS, TASKS_APART, arms_of, chosen_arms, every_arm, seeds_of
from rcviz.experiments.counts import TABLE_1, parameter_counts, table_1


def shown(figure, **options):
    return {(arm.name, arm.dataset, arm.fraction) for arm in arms_of(figure, **options) if arm.paper}


def test_figures_2_and_3_are_three_networks_and_their_rivals():
    for figure in ("fig2", "fig3"):
        assert {name for name, *_ in shown(figure)} == {"RC-20", "standard-20", "standard-40"}
        assert {arm.strategy for arm in arms_of(figure) if not arm.paper} == {"augmented", "siamese"}
    for two, three in zip(arms_of("fig2"), arms_of("fig3"), strict=True):
        assert two.trains_as(three)
    for arm in arms_of("fig3"):
        assert (arm.training.batch_size, arm.training.patience, arm.training.samples_per_epoch) == (500, 10, 5000)


def test_figures_4_and_5_train_as_their_captions_say():
    assert [arm.name for arm in arms_of("fig4") if arm.paper] == ["standard-16", "standard-16, augmented", "RC-16"]
    assert [arm.name for arm in arms_of("fig5")] == ["RC-8", "standard-16, augmented", "standard-8, augmented"]
    assert {arm.model.kernel_sizes for arm in arms_of("fig4")} == {(15, 14, 14)}
    assert {arm.model.kernel_sizes for arm in arms_of("fig5")} == {(15,)}
    assert {arm.split for arm in arms_of("fig5")} == {"chr21/chr22/rest"}


def test_figure_6_is_every_share_of_three_networks():
    names = ("RC-16", "standard-16", "standard-32")
    assert shown("fig6") == {(name, "CTCF", fraction) for name in names for fraction in FRACTIONS}
    assert FRACTIONS == (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def test_figure_7_has_all_widths_and_all_factors():
    widths = [*itertools.product(["RC"], (8, 16, 32)), *itertools.product(["standard"], (8, 16, 32, 64))]
    assert {name for name, *_ in shown("fig7a")} == {f"{kind}-{width}" for kind, width in widths}
    names = ("RC-16", "standard-16", "standard-32")
    assert shown("fig7b") == {(name, factor, 1.0) for name in names for factor in ("CTCF", "SPI1", "MAX")}
    assert shown("fig7") == shown("fig7a") | shown("fig7b")
    weights = {arm.dataset: arm.training.positive_weight for arm in arms_of("fig7b")}
    assert weights == {"CTCF": 5, "SPI1": 5, "MAX": 16.5}
    assert {arm.training.epochs for arm in arms_of("fig7")} == {80}


def test_choices_are_figure_3_with_one_thing_changed():
    presets = {arm.name: arm for arm in arms_of("fig3") if arm.paper}
    changed = {}
    for arm in arms_of("choices"):
        name, _, choice = arm.name.partition(", ")
        preset = presets[name]
        assert arm.training == preset.training
        differences = {key: value for key, value in vars(arm.model).items() if value != getattr(preset.model, key)} | (
            {} if arm.dataset == preset.dataset else {"dataset": arm.dataset}
        )
        assert changed.setdefault(choice, differences) == differences
    assert changed == {
        "torch's batch norm": {"batchnorm_eps": 1e-5, "batchnorm_momentum": 0.1},
        "starts of Keras 1": {"initializer": "keras1"},
        "tasks shuffled apart": {"dataset": TASKS_APART},
    }


@pytest.mark.parametrize("figure", FIGURES)
def test_the_quick_scale_has_the_same_arms_and_strategies(figure):
    def kinds(scale):
        return {(arm.name, arm.strategy, arm.fraction, arm.paper, arm.tables) for arm in arms_of(figure, scale=scale)}

    assert kinds("quick") == kinds("paper")
    assert all(arm.model.sequence_length == 200 for arm in arms_of(figure, scale="quick"))


def test_every_arm_is_one_of_its_figure_and_can_be_told_from_the_others():
    names = [(arm.figure, arm.name, arm.dataset, arm.fraction) for arm in every_arm()]
    assert len(set(names)) == len(names)
    for arm in every_arm():
        assert (arm.strategy == "shared") == (arm.model.architecture == "revcomp")
        assert (arm.strategy == "augmented") == (arm.training.augmentation == "revcomp")


def test_arms_are_chosen_by_word_or_by_name():
    arms = arms_of("fig3")
    assert chosen_arms(arms, "all") == arms
    assert [arm.name for arm in chosen_arms(arms, "paper")] == ["RC-20", "standard-20", "standard-40"]
    assert [arm.name for arm in chosen_arms(arms, ["standard-20, siamese", "RC-20"])] == [
        "RC-20",
        "standard-20, siamese",
    ]
    with pytest.raises(ValueError, match="no arm 'RC-21'; choose all, paper, or some of RC-20; standard-20"):
        chosen_arms(arms, "RC-21")


def test_seeds_are_a_number_or_a_list():
    assert seeds_of(3) == (0, 1, 2)
    assert seeds_of([4, 2]) == (4, 2)
    for wrong in (0, [], [1, 1], [-1]):
        with pytest.raises(ValueError, match="seed"):
            seeds_of(wrong)


def test_parameters_are_those_of_section_3_6():
    counts = parameter_counts().set_index(["figure", "arm"])["n_parameters"]
    assert counts["fig3", "standard-20"] == 2283
    assert counts["fig3", "RC-20"] == 1983


def test_networks_of_equal_memory_have_equally_many_channels():
    channels = parameter_counts().set_index(["figure", "arm"])["n_channels"]
    assert channels["fig3", "RC-20"] == channels["fig3", "standard-40"]
    assert channels["fig6", "RC-16"] == channels["fig6", "standard-32"]


def test_table_1_counts_windows_beside_the_papers(tmp_path, toy):
    import rcviz

    for number, factor in enumerate(TABLE_1, start=1):
        labels = toy.labels[:, 0].copy()
        labels[: 2 * number] = 1
        data = rcviz.SequenceSet(toy.codes, labels, task_names=[factor], chrom=["chr1", "chr2"] * 60)
        data.save(tmp_path / f"{factor}.safetensors")
    table = table_1(tmp_path).set_index("factor")
    assert list(table["n_positive"]) == [60 + number for number in (1, 2, 3)]
    assert (table["n_positive"] + table["n_negative"] == 120).all()
    assert table["ratio_paper"].round(2).to_dict() == {"CTCF": 5.01, "SPI1": 4.75, "MAX": 16.47}  # as printed
    assert (table["n_chromosomes"] == 2).all()
