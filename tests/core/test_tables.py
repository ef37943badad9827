"""Tables of every kind of result, written and read back."""

import csv
import sys

import numpy as np
import pandas as pd
import pytest

import rcviz
from rcviz._core.tables import save_table


@pytest.fixture
def results(toy, make_model):
    """One result of each kind, by its name."""
    model = make_model()
    bank = rcviz.filter_bank(model)
    config = rcviz.TrainConfig.simulated(epochs=2, batch_size=30, samples_per_epoch=60)
    return {
        "history": rcviz.fit(make_model(), toy, toy, config, progress=False),
        "contributions": rcviz.filter_contributions(model, toy),
        "profiles": rcviz.activation_profiles(model, toy, bins=4),
        "agreement": rcviz.strand_agreement(model, toy),
        "gap": rcviz.gap_by_filter(model, toy),
        "attributions": rcviz.strand_attributions(model, toy.subset(slice(0, 2))),
        "palindromes": rcviz.palindromes(bank, toy),
        "sites": bank.activating_sites(toy, top=3),
        "bank": bank,
    }


def test_every_result_comes_back(results, tmp_path):
    for name, found in results.items():
        save_table(found, tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), found.table, obj=name)
        save_table(found, tmp_path / f"{name}.csv")
        read = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, na_values=[""])
        pd.testing.assert_frame_equal(read, found.table, check_dtype=False, rtol=1e-6, obj=name)


def test_numbers_are_written_in_full(tmp_path):
    table = pd.DataFrame({"x": [1 / 3, np.pi * 1e-200, np.nan, np.inf], "n": [2**53 + 1, 0, 1, 2], "yes": [True] * 4})
    for ending, read in {".csv": pd.read_csv, ".parquet": pd.read_parquet}.items():
        save_table(table, tmp_path / f"table{ending}")
        pd.testing.assert_frame_equal(read(tmp_path / f"table{ending}"), table, check_exact=True)
    text = (tmp_path / "table.csv").read_bytes()
    assert text.startswith(b"x,n,yes\n0.3333333333333333,9007199254740993,True\n")


@pytest.mark.parametrize("text", ["a\rb", "\r", "a\r\nb", 'a\r"b"', "a\nb", "a,b", '"'])
def test_line_ends_in_cells_come_back(tmp_path, text):
    table = pd.DataFrame({"n": [1, 2], "name": [text, "c"], f"header{text}": [0.1, np.nan]})
    save_table(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table, check_exact=True)
    with (tmp_path / "table.csv").open(newline="") as file:
        assert [row[1] for row in csv.reader(file)] == ["name", text, "c"]


def test_a_column_of_several_kinds_becomes_text(tmp_path, make_model):
    table = rcviz.parameter_table(make_model())
    save_table(table, tmp_path / "a.parquet")
    read = pd.read_parquet(tmp_path / "a.parquet")
    assert read["shape"].tolist() == [str(shape) for shape in table["shape"]]
    assert read["parameters"].tolist() == table["parameters"].tolist()
    save_table(pd.DataFrame({"filter": [0, 1, "rest"]}), tmp_path / "b.parquet")
    assert pd.read_parquet(tmp_path / "b.parquet")["filter"].tolist() == ["0", "1", "rest"]


def test_an_index_is_kept_where_it_has_a_name(tmp_path, make_model):
    frame = rcviz.filter_bank(make_model()).frame(0)
    save_table(frame, tmp_path / "frame.csv")
    assert pd.read_csv(tmp_path / "frame.csv").columns.tolist() == ["pos", "A", "C", "G", "T"]
    save_table(frame.rename_axis(None), tmp_path / "plain.csv")
    assert pd.read_csv(tmp_path / "plain.csv").columns.tolist() == ["A", "C", "G", "T"]


@pytest.mark.usefixtures("as_users_run")
def test_what_cannot_be_written_is_refused_in_one_sentence(tmp_path, monkeypatch):
    table = pd.DataFrame({"x": [1]})
    with pytest.raises(ValueError, match=r"its ending must be one of \.csv, \.parquet"):
        save_table(table, tmp_path / "table.xlsx")
    with pytest.raises(ValueError, match=r"folder .* does not exist"):
        save_table(table, tmp_path / "nowhere" / "table.csv")
    with pytest.raises(ValueError, match="expected a DataFrame or a result with a table, got list"):
        save_table([1], tmp_path / "table.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "rcviz\[tables\]", or write \.csv'):
        save_table(table, tmp_path / "table.parquet")
    assert list(tmp_path.iterdir()) == []
