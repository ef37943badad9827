"""What a card says, against counts, scores and predictions made otherwise."""

import dataclasses
import hashlib

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

import rcviz


@pytest.fixture
def trained(toy, make_model):
    """A model, its parts and its history."""
    parts = rcviz.split(toy, train=0.5, valid=0.2, test=0.3, seed=1)
    model = make_model("standard")
    config = rcviz.TrainConfig.simulated(epochs=3, batch_size=30, samples_per_epoch=120)
    return model, parts, rcviz.fit(model, parts.train, parts.valid, config, progress=False)


def test_scores_counts_and_gap(trained):
    model, parts, history = trained
    card = rcviz.model_card(model, parts, name="toy", training=history, split={"seed": 1}, notes="tiny")
    rows = {(row["part"], row["task"]): row for row in card.metrics}
    assert set(rows) == {(part, task) for part in ("train", "valid", "test") for task in ("GATA", "starts with A")}
    for part, data in parts._asdict().items():
        logits = rcviz.predict(model, data, output="logit")
        for index, task in enumerate(data.task_names):
            row, labels = rows[part, task], data.labels[:, index]
            assert (row["n"], row["n_positive"]) == (len(labels), int(labels.sum()))
            assert row["n_negative"] == int((labels == 0).sum())
            assert row["auroc"] == pytest.approx(roc_auc_score(labels, logits[:, index]), rel=1e-9)
            assert row["auprc"] == pytest.approx(average_precision_score(labels, logits[:, index]), rel=1e-9)
    both = [rcviz.predict(model, strand) for strand in (parts.test, parts.test.reverse_complement())]
    assert card.strand_gap["part"] == "test"
    assert card.strand_gap["n"] == len(parts.test)
    assert card.strand_gap["max"] == pytest.approx(float(np.abs(both[0] - both[1]).max()), rel=1e-6)
    assert card.strand_gap["max"] > 1e-3  # an ordinary network has one
    assert (card.split, card.notes, card.config) == ({"seed": 1}, "tiny", model.config)
    assert card.training == {**dataclasses.asdict(history.config), "best_epoch": history.best_epoch}


def test_the_gap_is_that_of_float32(trained, make_model):
    _, parts, history = trained
    model = make_model("revcomp").double()
    card = rcviz.model_card(model, parts, name="toy", training=history)
    assert 0 < card.strand_gap["max"] < 1e-5  # in float64 it would be some 1e-16
    assert next(model.parameters()).dtype.itemsize == 8
    assert rcviz.strand_agreement(model, parts.test).max_gap < 1e-12


def test_the_fingerprint_tells_data_apart(trained):
    model, parts, history = trained

    def fingerprint(parts):
        return rcviz.model_card(model, parts, name="toy", training=history).data["fingerprint"]

    digest = hashlib.sha256()
    for data in parts:
        digest.update(
            repr((data.codes.shape, data.labels.shape)).encode() + data.codes.tobytes() + data.labels.tobytes()
        )
    assert fingerprint(parts) == digest.hexdigest()
    codes = parts.test.codes.copy()
    codes[0, 0] = (codes[0, 0] + 1) % 4
    other = rcviz.SequenceSet(codes, parts.test.labels, task_names=parts.test.task_names)
    assert fingerprint(parts._replace(test=other)) != fingerprint(parts)


def test_parts_may_be_empty_and_one_class_has_no_score(trained):
    model, parts, history = trained
    only = parts.valid.subset(parts.valid.labels[:, 0] == 0)
    fewer = parts._replace(valid=only, test=parts.test.subset([]))
    card = rcviz.model_card(model, fewer, name="x", training=history.config)
    assert [row["part"] for row in card.metrics] == ["train", "train", "valid", "valid"]
    assert card.metrics[2]["n_positive"] == 0
    assert card.metrics[2]["auroc"] is None
    assert card.strand_gap["part"] == "valid"
    assert card.training["best_epoch"] is None
    nothing = parts.train.subset([])
    with pytest.raises(ValueError, match="parts must have sequences"):
        rcviz.model_card(model, type(parts)(nothing, nothing, nothing), name="x", training=history)


def test_the_model_is_left_as_found(trained, same_weights):
    model, parts, history = trained
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rcviz.model_card(model, parts, name="x", training=history)
    assert model.training
    assert same_weights(before, model.state_dict())


def test_the_card_of_values(toy, make_model, tmp_path):
    labels = np.stack([(toy.codes == base).mean(axis=1) for base in (2, 0)], axis=1) * 4
    labels[::7, 1] = np.nan
    data = rcviz.SequenceSet(toy.codes, labels, task_names=["G", "A"], label_kind="value")
    parts = rcviz.split(data, train=0.5, valid=0.2, test=0.3, seed=1)
    model = rcviz.build_model(dataclasses.replace(make_model("standard").config, output_is="value"))
    training = rcviz.TrainConfig(epochs=1, batch_size=20, samples_per_epoch=60, loss="mse")
    history = rcviz.fit(model, parts, config=training, progress=False)
    rcviz.save_model(model, tmp_path / "m.safetensors", card=rcviz.model_card(model, parts, name="x", training=history))
    card = rcviz.read_model_card(tmp_path / "m.safetensors")
    assert card.table.columns.tolist() == ["part", "task", "n", "pearson", "spearman", "mse"]
    predicted = rcviz.predict(model, parts.test).astype(float)
    row = card.table.query("part == 'test' and task == 'A'").iloc[0]
    known = ~np.isnan(parts.test.labels[:, 1])
    of_task, values = parts.test.labels[known, 1].astype(float), predicted[known, 1]
    assert row["n"] == known.sum() < len(parts.test)
    assert row["pearson"] == pytest.approx(pearsonr(of_task, values).statistic)
    assert row["spearman"] == pytest.approx(spearmanr(of_task, values).statistic)
    assert row["mse"] == pytest.approx(((of_task - values) ** 2).mean())
    both = [rcviz.predict(model, strand) for strand in (parts.test, parts.test.reverse_complement())]
    assert card.strand_gap["max"] == pytest.approx(float(np.abs(both[0] - both[1]).max()), rel=1e-6)
    assert (card.training["loss"], card.training["monitor"]) == ("mse", "loss")
    text = card.markdown()
    assert "Pearson correlation" in text
    assert "values of the two strands" in text
    assert "probabilities" not in text
    rows = [dict(card.metrics[0], pearson="high"), {"part": "test", "task": "G", "pearson": 0.5}]
    for wrong in rows:
        with pytest.raises(ValueError, match="metrics"):
            dataclasses.replace(card, metrics=[wrong])
