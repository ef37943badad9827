"""A run's name says what determines its numbers: no more, and no less."""

import dataclasses
import subprocess
import sys

import pytest

from rcviz.experiments.arms import FIGURES, arms_of, every_arm
from rcviz.experiments.runs import Run, run_id, runs_of
from rcviz.experiments.sources import Source

PARTS = (("chr1",), ("chr17",), ("chr2", "chr3"))


def ids_of(arms, seed=0):
    return [run_id(arm, seed, "data", PARTS) for arm in arms]


def test_different_trainings_have_different_names_and_equal_ones_the_same():
    arms = every_arm()
    for one, first in zip(arms, ids_of(arms), strict=True):
        for other, second in zip(arms, ids_of(arms), strict=True):
            on_one_factor = one.dataset == other.dataset
            same = dataclasses.replace(one, split=other.split).trains_as(other)  # the parts stand for the split here
            assert not on_one_factor or (first == second) == same


def test_all_of_the_training_set_is_one_run_in_figures_4_6_and_7a():
    names = {
        figure: {arm.name: run_id(arm, 3, "data", PARTS) for arm in arms_of(figure) if arm.fraction == 1}
        for figure in FIGURES
    }
    assert names["fig4"]["RC-16"] == names["fig6"]["RC-16"] == names["fig7a"]["RC-16"]
    assert names["fig6"]["standard-32"] == names["fig7a"]["standard-32"]
    assert names["fig2"] == names["fig3"]
    assert names["fig5"]["RC-8"] != names["fig7a"]["RC-8"]


def test_every_setting_changes_the_name():
    arm = arms_of("fig7a")[0]
    changed = [
        dataclasses.replace(arm, model=dataclasses.replace(arm.model, batchnorm_momentum=0.1)),
        dataclasses.replace(arm, model=dataclasses.replace(arm.model, kernel_sizes=(14, 15, 14))),
        dataclasses.replace(arm, training=dataclasses.replace(arm.training, epochs=81)),
        dataclasses.replace(arm, training=dataclasses.replace(arm.training, device="cuda")),
        dataclasses.replace(arm, fraction=0.5),
        dataclasses.replace(arm, strategy="siamese"),
    ]
    ids = [
        *ids_of([arm, *changed]),
        run_id(arm, 1, "data", PARTS),
        run_id(arm, 0, "other data", PARTS),
        run_id(arm, 0, "data", (*PARTS[:2], ("chr2",))),
        run_id(arm, 0, "data", (0.4, 0.3, 0.3)),
    ]
    assert len(set(ids)) == len(ids)


def test_what_determines_nothing_does_not():
    arm = arms_of("fig7a")[0]
    renamed = dataclasses.replace(arm, figure="fig4", name="another", paper=False, tables=("strands",))
    seeded = dataclasses.replace(arm, training=dataclasses.replace(arm.training, seed=9))
    assert len(set(ids_of([arm, renamed, seeded]))) == 1
    turned = (*PARTS[:2], ("chr3", "chr2"))
    assert run_id(arm, 0, "data", turned) == run_id(arm, 0, "data", PARTS)


def test_a_setting_that_rcviz_learns_later_leaves_names_as_they_are():
    arm = arms_of("fig7a")[0]
    later = dataclasses.make_dataclass(
        "Later", [("dilation", int, 1)], bases=(type(arm.model),), frozen=True, kw_only=True
    )
    values = dataclasses.asdict(arm.model)
    assert ids_of([dataclasses.replace(arm, model=later(**values))]) == ids_of([arm])
    assert ids_of([dataclasses.replace(arm, model=later(**values, dilation=2))]) != ids_of([arm])


def test_names_are_the_same_in_every_process(quick_runs):
    script = """
from rcviz.experiments.arms import arms_of
from rcviz.experiments.runs import runs_of
for run in runs_of(arms_of("fig4", scale="quick", epochs=1), (0, 1), scale="quick", data=None): print(run.id)
"""
    printed = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert printed == [run.id for run in quick_runs(seeds=2)]


def test_all_arms_of_one_seed_come_before_the_next_seed(quick_runs):
    runs = quick_runs("fig6", seeds=3)
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert [run.arm for run in runs[: len(runs) // 3]] == list(arms_of("fig6", scale="quick", epochs=1))
    assert len({run.id for run in runs}) == len(runs)


@pytest.mark.parametrize("figure", ["fig4", "fig6", "fig7a"])
def test_whichever_figure_asks_first_the_run_has_what_all_of_them_show(quick_runs, figure):
    tables = {run.arm.name: run.tables for run in quick_runs(figure) if run.arm.fraction == 1}
    assert tables["RC-16"] == ("strands",)
    assert tables.get("standard-32", ()) == ()


def test_the_training_of_a_run_has_its_seed():
    arm = arms_of("fig3")[0]
    source = Source(kind="simulated", place="10", parts=(0.4, 0.3, 0.3))
    assert Run(arm=arm, seed=5, source=source, scale="paper").training == dataclasses.replace(arm.training, seed=5)


def test_without_data_chipseq_at_paper_scale_is_refused_with_the_mend():
    with pytest.raises(ValueError, match=r"fig4 at scale 'paper' needs a folder with CTCF.safetensors.*rcviz windows"):
        runs_of(arms_of("fig4"), (0,), scale="paper", data=None)
