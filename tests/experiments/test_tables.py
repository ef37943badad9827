"""Tables: tidy, the same bytes from the same records, nothing twice."""

import pandas as pd
import pytest

import rcviz
from rcviz.experiments.arms import arms_of
from rcviz.experiments.store import Store
from rcviz.experiments.tables import history_table, runs_table, write_tables


@pytest.fixture
def store(tmp_path, record_of):
    """Figure 4 with two seeds, in no order."""
    store = Store(tmp_path / "store")
    for seed in (1, 0):
        for place, arm in enumerate(reversed(arms_of("fig4"))):
            store.write(record_of(arm, seed, auroc=0.5 + place / 10 + seed / 100))
    return store


def test_a_row_is_a_figure_an_arm_and_a_seed_and_both_averages_of_a_standard_network(store):
    table = runs_table(store.read_all()).query("figure == 'fig4'")
    names = [arm.name for arm in arms_of("fig4")]
    words = ("", ", both strands averaged", ", both strands' probabilities averaged")
    rows = [[f"{name}{more}" for more in words] for name in names[:2]] + [[name] for name in names[2:]]
    assert list(table["arm"]) == [name for group in rows for _seed in (0, 1) for name in group]
    assert not table.duplicated(["arm", "seed"]).any()
    assert set(table["chromosomes"]) == {"train chr19+chr20, valid chr22, test chr21+chrX+chr17 (stand-in)"}
    assert table["cpu_seconds"].isna().all()
    assert dict(zip(table["arm"], table["paper"], strict=True))["standard-16, siamese"] is False


def test_the_history_has_every_epoch_of_both_splits(store):
    table = history_table(store.read_all()).query("figure == 'fig4'")
    assert len(table) == 2 * len(arms_of("fig4")) * 2 * 2
    assert not table.duplicated(["arm", "seed", "epoch", "split"]).any()


def test_what_is_written_depends_on_the_records_alone(store, tmp_path):
    other = Store(tmp_path / "other")
    for record in reversed(store.read_all()):
        record.pop("format")
        other.write(record)
    written = [write_tables("fig4", place.folder, tmp_path / name) for place, name in ((store, "a"), (other, "b"))]
    assert [path.name for path in written[0]] == ["fig4.csv", "fig4_runs.csv", "fig4_strands.csv"]
    for one, two in zip(*written, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_the_files_hold_the_tables(store, tmp_path):
    history, runs, strands = map(pd.read_csv, write_tables("fig4", store.folder, tmp_path))
    records = store.read_all()
    expected = runs_table(records).query("figure == 'fig4'").reset_index(drop=True)
    pd.testing.assert_frame_equal(runs, expected, check_dtype=False, rtol=1e-5)
    assert len(history) == len(history_table(records).query("figure == 'fig4'"))
    assert set(strands["seed"]) == {0}  # of one seed, as the paper shows


def test_figure_7_is_written_in_two_parts(store, tmp_path, record_of):
    for arm in arms_of("fig7b"):
        store.write(record_of(arm, 0))
    names = [path.name for path in write_tables("fig7", store.folder, tmp_path)]
    assert names == ["fig7a.csv", "fig7a_runs.csv", "fig7b.csv", "fig7b_runs.csv"]
    assert set(pd.read_csv(tmp_path / "fig7b_runs.csv")["dataset"]) == {"CTCF", "SPI1", "MAX"}


def test_a_network_of_other_chromosomes_is_of_another_figure(store, tmp_path, record_of):
    """Figures 4 and 7b both have RC-16, on CTCF, with all settings alike."""
    for figure in ("fig4", "fig7b"):
        (arm,) = (arm for arm in arms_of(figure) if arm.name == "RC-16" and arm.dataset == "CTCF")
        store.write(record_of(arm, 0))
    table = runs_table(store.read_all())
    shown = table[table["arm"] == "RC-16"].groupby("figure")["chromosomes"].unique()
    assert shown["fig4"] != shown["fig7b"]
    assert all(len(chromosomes) == 1 for chromosomes in shown)


def test_two_runs_of_one_arm_and_seed_are_not_put_into_one_table(store, tmp_path, record_of):
    store.write(record_of(arms_of("fig4", epochs=3)[0], 0))
    with pytest.raises(ValueError, match=r"two runs of fig4, standard-16, seed 0.*stores of their own"):
        write_tables("fig4", store.folder, tmp_path)


def test_a_store_without_the_figure_is_told(store, tmp_path):
    for figure, scale in (("fig5", "paper"), ("fig4", "quick")):
        with pytest.raises(ValueError, match=f"no run of {figure} at this scale; rcviz experiment {figure} makes them"):
            write_tables(figure, store.folder, tmp_path, scale=scale)


def test_no_records_make_empty_tables_with_columns():
    assert len(runs_table([])) == 0
    assert {"figure", "arm", "valid_auroc"} <= set(runs_table([]).columns)


def test_a_figure_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"figure must be one of fig2, fig3.*got 'fig1'"):
        rcviz.run_experiment("fig1")
