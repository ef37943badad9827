"""Forward against reverse predictions, and the gap between them split by filter."""

import matplotlib.figure
import numpy as np
import pytest
import torch
from torch import nn

import rcviz
from rcviz import SequenceSet, TrainConfig, fit, predict, reverse_complement, strand_agreement
from rcviz.analysis.strands import gap_by_filter
from rcviz.symmetry import strands


@pytest.fixture(scope="module")
def agreements(toy):
    found = {}
    for architecture in ("revcomp", "standard"):
        config = rcviz.ModelConfig(
            architecture=architecture,
            sequence_length=60,
            n_filters=3,
            kernel_sizes=(7,),
            pool_size=9,
            pool_stride=9,
            n_tasks=2,
        )
        model = rcviz.build_model(config)
        fit(model, toy, toy, TrainConfig(epochs=3, batch_size=20, samples_per_epoch=100), progress=False)
        found[architecture] = (model, strand_agreement(model, toy))
    return found


@pytest.mark.parametrize("architecture", ["revcomp", "standard"])
def test_both_strands_are_the_predictions_for_both(agreements, toy, architecture):
    model, agreement = agreements[architecture]
    np.testing.assert_array_equal(agreement.forward, predict(model, toy))
    np.testing.assert_array_equal(agreement.reverse, predict(model, reverse_complement(toy.codes)))
    assert agreement.max_gap == np.abs(agreement.forward - agreement.reverse).max()
    assert agreement.mean_gap == pytest.approx(np.abs(agreement.forward - agreement.reverse).mean())


def test_the_other_strands_are_turned_batch_by_batch(agreements, toy, monkeypatch):
    model, _ = agreements["standard"]
    expected = predict(model, reverse_complement(toy.codes), batch_size=7)
    turned = []
    monkeypatch.setattr(strands, "reverse_complement", lambda x: turned.append(len(x)) or reverse_complement(x))
    np.testing.assert_array_equal(strand_agreement(model, toy, batch_size=7).reverse, expected)
    assert (max(turned), sum(turned)) == (7, len(toy))


def test_sharing_closes_the_gap_and_only_sharing(agreements):
    assert agreements["revcomp"][1].max_gap <= 1e-5
    assert agreements["standard"][1].max_gap > 1e-3


def test_table_is_tidy_and_sorted(agreements, toy):
    table = agreements["standard"][1].table
    assert list(table.columns) == ["sequence", "task", "label", "forward", "reverse", "gap", "flips"]
    assert len(table) == 2 * len(toy)
    assert table["gap"].is_monotonic_decreasing
    row = table.iloc[5]
    assert row["label"] == toy.labels[row["sequence"], toy.task_names.index(row["task"])]


class Given(nn.Module):
    """Looks up the logits of a sequence, one per task, in a table by its first base."""

    def __init__(self, logits):
        super().__init__()
        self.register_buffer("logits", torch.tensor(logits, dtype=torch.float64))

    def forward(self, x):
        return x[:, :, 0] @ self.logits


def test_correlation_flips_and_names_by_hand():
    """Six sequences A....., whose RCs begin with the complement of their last base."""
    model = Given([[2.0, 1.0], [-1.0, 1.0], [0.5, 1.0], [-3.0, 1.0]])  # A, C, G, T
    data = SequenceSet(["AC", "AA", "AT", "CG", "GG", "TT"], [1, 1, 0, 0, np.nan, 0], names=list("uvwxyz"))
    with pytest.raises(ValueError, match=r"2 outputs .* 1 tasks"):
        strand_agreement(model, data)
    data = SequenceSet(data.codes, np.repeat(data.labels, 2, axis=1), names=list("uvwxyz"))
    found = strand_agreement(model, data, output="logit")
    forward, reverse = [2, 2, 2, -1, 0.5, -3], [0.5, -3, 2, -1, -1, 2]
    np.testing.assert_array_equal(found.forward[:, 0], forward)
    np.testing.assert_array_equal(found.reverse[:, 0], reverse)
    assert found.threshold == 0
    assert found.flips[:, 0].tolist() == [False, True, False, False, True, True]
    assert not found.flips[:, 1].any()
    np.testing.assert_allclose(found.correlation, [np.corrcoef(forward, reverse)[0, 1], np.nan])
    flipped = found.flipped
    assert list(flipped.columns) == ["sequence", "name", "task", "label", "forward", "reverse", "gap"]
    assert flipped["name"].tolist() == ["v", "z", "y"]  # the largest gap first
    assert flipped["label"].tolist()[:2] == [1, 0]
    assert np.isnan(flipped["label"][2])
    assert flipped[["forward", "reverse"]].to_numpy().tolist() == [[2, -3], [-3, 2], [0.5, -1]]
    summary = found.summary()
    assert summary["task"].tolist() == ["task_0", "task_1"]
    assert summary["n"].tolist() == [6, 6]
    assert summary["n_flips"].tolist() == [3, 0]
    assert summary["share_flips"].tolist() == [0.5, 0]
    assert summary["max_gap"].tolist() == [5, 0]
    np.testing.assert_allclose(summary["mean_gap"], [(1.5 + 5 + 0 + 0 + 1.5 + 5) / 6, 0])


def test_the_threshold_is_that_of_the_predictions():
    model = Given([[2.0], [-1.0], [0.5], [-3.0]])
    codes = ["AC", "AA", "GG"]  # logits 2 and 0.5, 2 and -3, 0.5 and -1
    for settings, flips in (
        ({}, [False, True, True]),
        ({"output": "logit"}, [False, True, True]),
        ({"threshold": 0.7}, [True, True, False]),  # probabilities 0.88 and 0.62, 0.88 and 0.05, 0.62 and 0.27
        ({"output": "logit", "threshold": 0.5}, [False, True, True]),  # at least, not above
        ({"output": "logit", "threshold": 3.0}, [False, False, False]),
    ):
        assert strand_agreement(model, codes, **settings).flips[:, 0].tolist() == flips


def test_values_are_compared_as_they_are():
    """Log counts of 5.00 and 0.41: a gap of 4.59, which no sigmoid touches and no threshold divides."""
    model = rcviz.as_sequence_model(Given([[5.0], [0.1], [0.2], [0.41]]), output_is="value")
    found = strand_agreement(model, ["AA", "AC", "GG"])
    assert (found.scale, found.threshold) == ("value", None)
    np.testing.assert_allclose(found.gap[:, 0], [4.59, 4.8, 0.1], atol=1e-12)
    assert not found.flips.any()
    assert list(found.table.columns) == ["sequence", "task", "label", "forward", "reverse", "gap"]
    assert not any("flips" in name for name in found.summary())
    with pytest.raises(ValueError, match="threshold"):
        _ = found.flipped
    ax = found.plot()
    assert ax.get_xlabel() == "value, forward strand"
    note = ax.get_legend().get_title().get_text()
    assert "largest gap 4.8" in note
    assert "flip" not in note
    chosen = strand_agreement(model, ["AA", "AC", "GG"], threshold=0.15)
    assert chosen.flips[:, 0].tolist() == [False, False, True]
    assert strand_agreement(model, ["AA", "AC", "GG"], threshold=0.3).summary()["n_flips"].item() == 1


def test_the_scale_is_written_at_the_axes(agreements, toy):
    model, agreement = agreements["standard"]
    assert agreement.plot().get_xlabel() == "probability, forward strand"
    assert strand_agreement(model, toy, output="logit").plot().get_ylabel() == "logit, reverse complement"
    values = rcviz.as_sequence_model(model, output_is="value")
    assert gap_by_filter(model, toy).plot().get_xlabel().startswith("logit")
    assert gap_by_filter(values, toy).plot().get_xlabel().startswith("value")
    assert rcviz.strand_attributions(values, toy.subset([0])).plot().get_xlabel().endswith("of the value")
    assert rcviz.filter_contributions(values, toy).plot().get_xlabel().endswith("to the value")


def stranded(permutation=(1, 0)):
    """Both strands of a network with two tasks, which the reverse complement exchanges."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv1d(4, 5, 7), nn.Tanh(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(5, 2)
    ).double()
    return rcviz.RevCompConjoined(network, output_kind="stranded", permutation=permutation).eval()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        nn.DataParallel,
        rcviz.as_sequence_model,
        lambda model: rcviz.as_sequence_model(model, output_is="value"),
        lambda model: rcviz.as_sequence_model(model, output=lambda y: 2 * y[:, [0]]),
    ],
)
def test_exchanged_tasks_are_compared_with_their_partners(wrap, toy):
    codes, model = toy.codes[:20], wrap(stranded())
    agreement = strand_agreement(model, codes)
    assert agreement.max_gap < 1e-12
    np.testing.assert_array_equal(agreement.forward, predict(model, codes))
    assert np.abs(predict(model, reverse_complement(codes)) - agreement.forward).max() > 1e-3
    split = gap_by_filter(model, codes, layer=next(m for m in model.modules() if isinstance(m, nn.Conv1d)))
    for each in (split.difference, split.logit_difference, split.rest):
        assert np.abs(each).max() < 1e-12
    attributions = rcviz.strand_attributions(model, codes)
    np.testing.assert_allclose(attributions.reverse, attributions.forward, atol=1e-12)
    one, both = (rcviz.hypothetical_attributions(model, codes, strands=strands) for strands in ("forward", "both"))
    np.testing.assert_allclose(both, one, atol=1e-12)
    assert np.abs(one).max() > 1e-4


class Profile(nn.Module):
    """Declares that its two channels are exchanged and its positions reversed, though its layers do not do that."""

    symmetry = rcviz.Symmetry(input="paired", output="paired")

    def __init__(self):
        super().__init__()
        self.body = nn.Conv1d(4, 2, 7, padding=3)

    def forward(self, x):
        return self.body(x)


def test_profiles_by_hand(toy):
    model = Profile().double()
    data = toy.subset(range(8))
    with torch.no_grad():
        forward, reverse = (
            model(torch.from_numpy(each.one_hot()).double()) for each in (data, data.reverse_complement())
        )
    reverse = reverse.numpy()[:, [1, 0], ::-1]
    found = strand_agreement(model, data)
    assert (found.scale, found.threshold) == ("logit", None)
    np.testing.assert_array_equal(found.forward, forward)
    np.testing.assert_array_equal(found.reverse, reverse)
    gap = np.abs(forward.numpy() - reverse).mean(axis=2)
    np.testing.assert_allclose(found.gap, gap)
    assert found.max_gap == gap.max() > 0.1
    row = found.table.iloc[0]
    task = data.task_names.index(row["task"])
    assert (row["gap"], len(found.table)) == (gap.max(), 16)
    np.testing.assert_allclose(row["forward"], forward[row["sequence"], task].mean())
    np.testing.assert_allclose(row["reverse"], reverse[row["sequence"], task].mean())
    flat = forward[:, 1].numpy().ravel(), reverse[:, 1].ravel()
    np.testing.assert_allclose(found.correlation[1], np.corrcoef(*flat)[0, 1])
    assert "n = 480" in found.plot(task=1).get_legend().get_title().get_text()
    likely = strand_agreement(model, data, output="probability")
    np.testing.assert_allclose(likely.forward, forward.sigmoid(), rtol=1e-12)
    with pytest.raises(ValueError, match="threshold"):
        strand_agreement(model, data, threshold=0.5)
    conjoined = rcviz.RevCompConjoined(Profile().double(), output_kind="profile", permutation=(1, 0))
    assert strand_agreement(conjoined, data).max_gap < 1e-12


def test_the_picture_counts_the_flips(agreements):
    agreement = agreements["standard"][1]
    note = agreement.plot(task=1).get_legend().get_title().get_text()
    assert f"{agreement.flips[:, 1].sum()} decision" in note
    assert "of 120 flip at 0.5" in note


def test_plot_takes_the_task_and_the_axes(agreements):
    agreement = agreements["standard"][1]
    axes = matplotlib.figure.Figure().add_subplot()
    assert agreement.plot(axes, task=1) is axes
    with pytest.raises(ValueError, match=r"no task 2: .*GATA, starts with A"):
        agreement.plot(axes, task=2)


def test_strings_without_labels(agreements):
    model, _ = agreements["standard"]
    agreement = strand_agreement(model, ["ACGT" * 15, "GGCA" * 15], output="logit")
    assert agreement.forward.shape == (2, 2)
    assert agreement.forward[0] == pytest.approx(agreement.reverse[0])  # its own reverse complement
    assert agreement.table["label"].isna().all()


def test_labels_of_other_tasks_are_refused(agreements, toy):
    model, agreement = agreements["standard"]
    other = SequenceSet(toy.codes, toy.labels[:, :1])
    with pytest.raises(ValueError, match=r"2 outputs .* 1 tasks"):
        strand_agreement(model, other)
    with pytest.raises(ValueError, match="has no sequences"):
        strand_agreement(model, toy.subset(np.zeros(len(toy), bool)))
    assert agreement.plot(task="starts with A").get_xlabel()


def by_hand(model, codes, task):
    """Contribution of each filter of a one-layer network, from its arithmetic alone: the pooled maxima times weights.

    Without hooks or gradients; the output bias is what is left of the logit.
    """
    parts = list(model.children())
    convolution, norm, pool, head = parts[0], parts[1], parts[3], parts[-1]
    with torch.no_grad():
        x = torch.from_numpy(rcviz.one_hot(codes, dtype="float64"))
        pooled = pool(torch.relu(norm(convolution(x))))
        weight = head.weight.reshape(head.weight.shape[0], pooled.shape[1], pooled.shape[2])
        return (pooled * weight[task]).sum(dim=2).numpy()


@pytest.fixture
def plain():
    """A standard network of plain torch layers: conv, norm, ReLU, max-pool, linear."""
    torch.manual_seed(0)
    layers = [nn.Conv1d(4, 5, 7), nn.BatchNorm1d(5), nn.ReLU(), nn.MaxPool1d(9), nn.Flatten(), nn.Linear(30, 2)]
    model = nn.Sequential(*layers).double()
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(16, 4, 60, dtype=torch.float64))
    return model.eval()


@pytest.mark.parametrize("task", [0, 1])
def test_split_is_that_of_the_arithmetic(plain, toy, task):
    found = gap_by_filter(plain, toy, task=task)
    np.testing.assert_allclose(found.forward, by_hand(plain, toy.codes, task), atol=1e-12)
    np.testing.assert_allclose(found.reverse, by_hand(plain, reverse_complement(toy.codes), task), atol=1e-12)
    logits = [predict(plain, codes, output="logit")[:, task] for codes in (toy.codes, reverse_complement(toy.codes))]
    np.testing.assert_allclose(found.logit_difference, logits[0] - logits[1], atol=1e-12)


@pytest.mark.parametrize("architecture", ["standard", "revcomp"])
@pytest.mark.parametrize("head", ["flatten", "weighted_sum"])
def test_the_split_is_complete_for_one_convolution(make_model, toy, architecture, head):
    model = make_model(architecture, head=head).double()
    found = gap_by_filter(model, toy)
    assert np.abs(found.rest).max() <= 1e-9
    np.testing.assert_allclose(found.table["difference"].sum(), found.logit_difference.mean(), atol=1e-9)


def test_every_filter_agrees_with_itself_under_sharing(make_model, toy):
    found = gap_by_filter(make_model("revcomp").double(), toy)
    assert np.abs(found.difference).max() <= 1e-12
    assert np.abs(found.forward).max() > 1e-3


def test_deeper_networks_say_what_is_left(make_model, toy):
    model = make_model("standard", kernel_sizes=(7, 5)).double()
    with torch.no_grad():
        for name, bias in model.named_parameters():
            if name.endswith("bias"):
                bias += 0.3  # a shift before the second nonlinearity belongs to no filter
    found = gap_by_filter(model, toy)
    assert np.abs(found.rest).max() > 1e-6
    np.testing.assert_allclose(found.difference.sum(axis=1) + found.rest, found.logit_difference, atol=1e-12)


def test_table_of_one_and_of_several(plain, toy):
    several, one = gap_by_filter(plain, toy), gap_by_filter(plain, toy.subset([7]))
    assert list(several.table.columns) == ["filter", "forward", "reverse", "difference", "magnitude"]
    for found in (several, one):
        assert found.table["magnitude"].is_monotonic_decreasing
        assert sorted(found.table["filter"]) == list(range(5))
    np.testing.assert_allclose(one.table["magnitude"], one.table["difference"].abs())
    row = several.table.iloc[2]
    np.testing.assert_allclose(row["magnitude"], np.abs(several.difference[:, int(row["filter"])]).mean())
    np.testing.assert_allclose(row["difference"], several.difference[:, int(row["filter"])].mean())
    np.testing.assert_allclose(one.difference, several.difference[[7]], atol=1e-12)


def test_the_other_strand_turns_the_split_round(plain, toy):
    found, turned = gap_by_filter(plain, toy), gap_by_filter(plain, toy.reverse_complement())
    np.testing.assert_allclose(turned.difference, -found.difference, atol=1e-12)
    np.testing.assert_allclose(turned.logit_difference, -found.logit_difference, atol=1e-12)


def test_gap_by_filter_needs_no_labels_and_explains_bad_input(plain, toy):
    assert gap_by_filter(plain, ["ACGT" * 15], task=1).task == "task_1"
    assert gap_by_filter(plain, toy, task="starts with A").task == "starts with A"
    for data, settings, message in (
        (toy, {"task": 2}, "there is no task 2: choose 0 to 1"),
        (["ACGT" * 15], {"task": 5}, "no task 5: choose 0 to 1"),
        (["ACGT" * 15], {"task": "GATA"}, "no task 'GATA': .*no labels"),
        (toy.subset([]), {}, "no sequences"),
        (toy, {"layer": "9"}, "no layer named '9'"),
    ):
        with pytest.raises(ValueError, match=message):
            gap_by_filter(plain, data, **settings)


def test_gap_by_filter_draws_itself(plain, toy):
    axes = matplotlib.figure.Figure().add_subplot()
    assert gap_by_filter(plain, toy).plot(axes, top=2) is axes
    assert [label.get_text() for label in axes.get_yticklabels()][2:] == ["3 others", "rest"]


def test_an_agreement_knows_that_its_labels_are_values(toy, make_model):
    data = SequenceSet(toy.codes, toy.labels, task_names=toy.task_names, label_kind="value")
    model = make_model()
    agreement = strand_agreement(model, data)
    assert agreement.label_kind == "value"
    assert strand_agreement(model, toy).label_kind == "binary"
    ax = agreement.plot(task="starts with A")
    assert len(ax.child_axes) == 1  # the colour bar
    assert ax.get_legend().get_texts() == []
    rows = agreement.table.query("task == 'GATA'").set_index("sequence").sort_index()
    np.testing.assert_array_equal(rows["label"], toy.labels[:, 0])


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("threshold", ["half", True, float("nan")])
def test_a_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        rcviz.strand_agreement(torch.nn.Linear(4, 1), ["ACGT"], threshold=threshold)
