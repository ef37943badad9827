"""A card goes into a model's file and comes out of it as data; files without one stay what they were."""

import dataclasses
import html.parser
import json

import pandas as pd
import pytest
import safetensors
import safetensors.torch
import torch

import rcviz
from rcviz.models.card import COLUMNS, ModelCard

EVIL = "<img src=x onerror=alert(1)> `| [a](javascript:b)\n# title ``` \x00"


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.fixture
def card(model):
    """A card written by hand."""
    scores = [("train", "a", 70, 30, 40, 0.9876543210123456, 0.5), ("test", "b", 30, 0, 30, None, None)]
    return ModelCard(
        config=model.config,
        data={"name": "peaks.safetensors", "fingerprint": "ab" * 32, "length": 60},
        split={"train": 0.7, "valid": 0.3, "seed": 0},
        metrics=[dict(zip(COLUMNS, row, strict=True)) for row in scores],
        strand_gap={"part": "test", "n": 30, "max": 1 / 3e7, "mean": 1e-9},
        training={"epochs": 3, "learning_rate": 1e-3, "patience": None, "best_epoch": 2},
        rcviz="9.9.9",
        notes="For two strands.\nNot for one.",
    )


def metadata_of(path):
    with safetensors.safe_open(path, "pt") as file:
        return file.metadata()


def test_a_card_comes_back_and_the_model_with_it(model, card, tmp_path, same_weights):
    path = tmp_path / "model.safetensors"
    rcviz.save_model(model, path, card=card)
    assert rcviz.read_model_card(path) == card
    loaded = rcviz.load_model(path)
    assert loaded.config == model.config
    assert same_weights(loaded.state_dict(), model.state_dict())
    again = tmp_path / "again.safetensors"
    rcviz.save_model(model, again, card=rcviz.read_model_card(path))
    assert again.read_bytes() == path.read_bytes()


def test_it_is_json_that_any_reader_of_the_format_finds(model, card, tmp_path):
    rcviz.save_model(model, tmp_path / "model.safetensors", card=card)
    (text,) = metadata_of(tmp_path / "model.safetensors").values()
    content = json.loads(text)
    assert content["card"]["data"]["name"] == "peaks.safetensors"
    assert content["card"]["metrics"][1]["auroc"] is None
    assert content["card"]["strand_gap"]["max"] == 1 / 3e7
    assert {field.name for field in dataclasses.fields(rcviz.ModelConfig)} | {"card"} == set(content)


@pytest.mark.parametrize("architecture", ["standard", "revcomp"])
def test_a_network_without_a_card_has_its_configuration_alone(make_model, tmp_path, architecture):
    """Byte for byte what versions before the card wrote."""
    model = make_model(architecture)
    path = tmp_path / "model.safetensors"
    rcviz.save_model(model, path)
    assert metadata_of(path) == {"rcviz.model.v1": json.dumps(dataclasses.asdict(model.config))}
    assert rcviz.read_model_card(path) is None
    assert rcviz.load_model(path).config == model.config


def test_the_same_model_gives_the_same_file(model, tmp_path):
    for name in ("one", "two"):
        rcviz.save_model(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_of_an_earlier_version_holds_the_gap_without_a_card(model, tmp_path):
    path = tmp_path / "model.safetensors"
    rcviz.save_model(model, path)
    gap = {"part": "random", "n": 8, "max": 1e-7, "mean": None}
    rewrite_settings(path, lambda settings: settings | {"strand_gap": gap})
    assert rcviz.load_model(path).config == model.config
    assert rcviz.read_model_card(path) is None


def test_a_model_of_two_types_is_refused_as_loading_would_make_it_one(model, tmp_path):
    model.dense.double()
    with pytest.raises(ValueError, match=r"conv1.weight.* float32 .*dense.weight.* float64"):
        rcviz.save_model(model, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_numbers(card):
    assert card.table.columns.tolist() == list(COLUMNS)
    assert card.table["auroc"].isna().tolist() == [False, True]
    pd.testing.assert_series_equal(card.table["n"], pd.Series([70, 30], name="n"))


def test_the_markdown_says_it_all(card):
    text = card.markdown()
    for words in (
        *("A revcomp network for sequences of 60 bp", "`9.9.9`", "`peaks.safetensors`", "ab" * 32, "length = 60"),
        *("| `train` | `a` | 70 | 30 | 40 | 0.9877 | 0.5000 |", "| `test` | `b` | 30 | 0 | 30 |  |  |"),
        *(
            "learning_rate = 0.001",
            "best_epoch = 2",
            "valid = 0.3",
            "30 sequences of `test`",
            "3.3e-08",
            "Not for one.",
        ),
    ):
        assert words in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {8}
    assert card._repr_markdown_() == text


def test_names_cannot_become_markup(card):
    """Code spans and fenced blocks hold everything that a stranger may have written, and nothing in it closes them."""
    rows = [{**row, "part": EVIL, "task": EVIL} for row in card.metrics]
    spoilt = dataclasses.replace(
        card,
        data={"name": EVIL, "fingerprint": EVIL, EVIL: EVIL},
        split={EVIL: [EVIL]},
        metrics=rows,
        strand_gap={**card.strand_gap, "part": EVIL},
        training={EVIL: EVIL},
        rcviz=EVIL,
        notes=EVIL,
    )
    fenced, outside = False, []
    for line in spoilt.markdown().splitlines():
        if line.startswith("```"):
            assert line in ("```text", "```")
            fenced = not fenced
        elif not fenced:
            outside.append(line)
            assert line.count("`") % 2 == 0
    assert not fenced
    found = html.parser.HTMLParser()
    found.handle_starttag = lambda tag, attributes: pytest.fail(f"<{tag}> outside of code")
    for line in outside:
        found.feed("".join(line.split("`")[::2]))  # what is not in a code span
    assert all("](" not in "".join(line.split("`")[::2]) for line in outside)
    headings = [line for line in outside if line.startswith("#")]
    assert headings == ["# Model card", "## Data", "## Split", "## Strands", "## Training", "## Notes"]


def test_a_card_of_another_model_is_refused(make_model, card, tmp_path):
    with pytest.raises(ValueError, match="card must have the same configuration"):
        rcviz.save_model(make_model(n_filters=4), tmp_path / "model.safetensors", card=card)
    assert list(tmp_path.iterdir()) == []


def test_what_json_cannot_hold_is_refused(card):
    with pytest.raises(ValueError, match="training must hold"):
        dataclasses.replace(card, training={"model": torch.nn.ReLU()})
    with pytest.raises(ValueError, match="strand_gap must hold"):
        dataclasses.replace(card, strand_gap={**card.strand_gap, "max": float("nan")})
    with pytest.raises(ValueError, match="data must have name, fingerprint"):
        dataclasses.replace(card, data={"name": "x"})


def rewrite(path, change):
    """Write the file again with another card."""
    rewrite_settings(path, lambda settings: settings | {"card": change(settings["card"])})


def rewrite_settings(path, change):
    """Write the file again with other content in its one entry."""
    with safetensors.safe_open(path, "pt") as file:
        ((key, text),) = file.metadata().items()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    safetensors.torch.save_file(tensors, path, {key: json.dumps(change(json.loads(text)))})


SPOILT = {
    "a list": lambda card: [card],
    "a number": lambda card: 3,
    "no data": lambda card: {name: value for name, value in card.items() if name != "data"},
    "data of another kind": lambda card: card | {"data": "peaks"},
    "scores of another kind": lambda card: card | {"metrics": {"a": 1}},
    "a row that lacks a score": lambda card: card | {"metrics": [{"part": "train"}]},
    "a text for a count": lambda card: card | {"metrics": [{**card["metrics"][0], "n": "many"}]},
    "a text for a gap": lambda card: card | {"strand_gap": {**card["strand_gap"], "max": "small"}},
    "notes of another kind": lambda card: card | {"notes": ["x"]},
}


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_card_is_refused_by_name_and_the_model_still_loads(model, card, tmp_path, spoil):
    path = tmp_path / "kept.safetensors"
    rcviz.save_model(model, path, card=card)
    rewrite(path, spoil)
    with pytest.raises(ValueError, match=r"the card in .*kept\.safetensors cannot be read"):
        rcviz.read_model_card(path)
    assert rcviz.load_model(path).config == model.config


def test_what_a_later_version_adds_to_a_card_is_passed_over(model, card, tmp_path):
    path = tmp_path / "model.safetensors"
    rcviz.save_model(model, path, card=card)
    rewrite(path, lambda content: content | {"licence": "MIT"})
    assert rcviz.read_model_card(path) == card


def test_no_model_no_card(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        rcviz.read_model_card(tmp_path / "none")
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="not a model"):
        rcviz.read_model_card(tmp_path / "other")
    (tmp_path / "text").write_text("not a model")
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        rcviz.read_model_card(tmp_path / "text")
