"""The sequence explorer driven by its state, its numbers against plain torch, and what it sends to its page."""

import gc
import json
import weakref

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import torch
from architectures import ARCHITECTURES, LENGTH, built
from torch import nn

import rcviz
from rcviz import SequenceExplorer, SequenceSet, StrandAttributions, as_sequence_model, encode
from rcviz.widgets.data import unpack

LONG = 300  # seconds; machines that run tests are busy
CTCF = [rcviz.load_motif("CTCF_known1")]


@pytest.fixture
def opened():
    """Open explorers, wait for them, and close them after the test."""
    explorers = []

    def open_explorer(*args, **options):
        explorers.append(SequenceExplorer(*args, motifs=CTCF, **options))
        explorers[-1].wait(LONG)
        return explorers[-1]

    yield open_explorer
    for explorer in explorers:
        explorer.close()


@pytest.fixture
def models(make_model):
    return {"RC": make_model("revcomp").double().eval(), "<b>standard</b>": make_model("standard").double().eval()}


def choose(explorer, **choices):
    """What the page does when somebody chooses."""
    explorer.set_state({"_state": {**explorer._state, **choices}})
    explorer.wait(LONG)


def plain_outputs(model, codes):
    """Outputs of both strands in plain torch: one-hot by hand, the reverse complement by two flips."""
    x = torch.zeros(len(codes), 4, codes.shape[1], dtype=torch.float64)
    for row, sequence in enumerate(codes):
        for position, code in enumerate(sequence):
            if code < 4:
                x[row, code, position] = 1
    with torch.no_grad():
        return np.stack([model(x).numpy(), model(x.flip(1, 2)).numpy()])


def brute_force(model, codes, task):
    """Output of every changed sequence, by position and base, on both strands; computed one by one."""
    changed = [
        np.where(np.arange(len(codes)) == position, base, codes).astype(np.uint8)
        for position in range(len(codes))
        for base in range(4)
        if base != codes[position]
    ]
    at = [(p, "ACGT"[b]) for p in range(len(codes)) for b in range(4) if b != codes[p]]
    return pd.DataFrame(
        plain_outputs(model, np.stack(changed))[:, :, task].T,
        index=pd.MultiIndex.from_tuples(at, names=["position", "alternative"]),
        columns=["output_forward", "output_reverse"],
    )


def check_against(explorer, name, model, codes, task, *, threshold=0.0):
    """All numbers of a model's tables, of a sequence whose codes are given, equal brute force."""
    outputs = plain_outputs(model, codes[None])[:, 0, task]
    every = brute_force(model, codes, task)
    for table in (explorer.table, explorer.flips):
        rows = table[table["model"] == name].set_index(["position", "alternative"])
        expected = every.loc[rows.index]
        np.testing.assert_allclose(rows[["output_forward", "output_reverse"]], expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(rows[["forward", "reverse"]], expected - outputs, rtol=0, atol=1e-10)
        flipped = (expected.to_numpy() >= threshold) != (outputs >= threshold)
        np.testing.assert_array_equal(rows[["flips_forward", "flips_reverse"]], flipped)
    all_rows = explorer.table[explorer.table["model"] == name]
    assert len(all_rows) == len(every)
    # The first change is a flip whenever there is one, and else the one that comes nearest.
    flipped = (every.to_numpy() >= threshold) != (outputs >= threshold)
    side = np.where(outputs >= threshold, 1, -1)
    left = (side * (every.to_numpy() - threshold)).min(axis=1)
    best = np.lexsort((left, -flipped.sum(axis=1)))[0]
    first = explorer.flips[explorer.flips["model"] == name].iloc[0]
    assert (first["position"], first["alternative"]) == every.index[best]
    return flipped


@pytest.mark.parametrize("name", ["basset", "bpnet", "beluga"])
def test_numbers_are_those_of_plain_torch_for_published_architectures(opened, name):
    """Basset ends in a sigmoid, BPNet predicts values behind control tracks, Beluga has another order of bases."""
    architecture, network = ARCHITECTURES[name], built(name)
    codes = np.random.default_rng(2).integers(0, 4, (2, LENGTH), dtype=np.uint8)
    explorer = opened({name: as_sequence_model(network, **architecture.declared)}, codes, task=0, threshold=None)

    def plain(x):
        return architecture.plain(network, x)

    if architecture.scale == "value":
        outputs = plain_outputs(plain, codes[:1])[:, 0, 0]
        assert explorer.predictions[["forward", "reverse"]].iloc[0].tolist() == pytest.approx(outputs, abs=1e-10)
        every, table = brute_force(plain, codes[0], 0), explorer.table.set_index(["position", "alternative"])
        np.testing.assert_allclose(table[every.columns], every.loc[table.index], rtol=0, atol=1e-10)
        assert not explorer.table[["flips_forward", "flips_reverse"]].to_numpy().any()
        largest = (every - outputs).abs().max(axis=1).idxmax()
        assert (table.index[0]) == largest
        return
    check_against(explorer, name, plain, codes[0], 0)
    outputs = plain_outputs(plain, codes[:1])[:, 0]
    np.testing.assert_allclose(explorer.predictions["forward"], 1 / (1 + np.exp(-outputs[0])), rtol=0, atol=1e-10)
    np.testing.assert_allclose(explorer.predictions["reverse"], 1 / (1 + np.exp(-outputs[1])), rtol=0, atol=1e-10)


def test_numbers_of_an_rc_network_and_a_standard_one_through_edits(opened, models, toy):
    """After each change, and after it was taken back, everything is that of the sequence that is shown."""
    explorer = opened(models, toy, sequence=8, task="starts with A")
    codes = np.array(toy.codes[8])
    seen = set()
    for step in ("as given", "edited", "again", "undone"):
        if step in ("edited", "again"):
            row = explorer.flips[explorer.flips["model"] == "<b>standard</b>"].iloc[0]
            explorer.edit(int(row["position"]), row["alternative"])
            codes[row["position"]] = "ACGT".index(row["alternative"])
        elif step == "undone":
            (position, _), *_ = explorer.state.edits[-1:]
            explorer.undo()
            codes[position] = explorer._results.codes(explorer._question())[position]
        explorer.wait(LONG)
        assert explorer.letters == rcviz.decode(codes[None])[0]
        for name, model in models.items():
            check_against(explorer, name, model, codes, 1)
            attributions = rcviz.strand_attributions(model, codes[None], task=1)
            sent = unpack(explorer._tracks["models"][name]["attributions"])
            np.testing.assert_allclose(sent[0], attributions.forward[0].sum(axis=0), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(sent[1], attributions.reverse[0].sum(axis=0), rtol=1e-5, atol=1e-6)
        now, start = (
            np.stack([plain_outputs(model, each[None])[:, 0] for model in models.values()])
            for each in (codes, toy.codes[8])
        )
        table = explorer.predictions
        for strand, column in enumerate(("forward", "reverse")):
            expected, before = (1 / (1 + np.exp(-each[:, strand].ravel())) for each in (now, start))
            np.testing.assert_allclose(table[column], expected, rtol=0, atol=1e-10)
            np.testing.assert_allclose(table[f"change_{column}"], expected - before, rtol=0, atol=1e-10)
            np.testing.assert_array_equal(table[f"flips_{column}"], (expected >= 0.5) != (before >= 0.5))
        key = json.loads(explorer._mutations["key"])
        assert key == [8, "alternative", [list(edit) for edit in explorer.state.edits]]
        assert explorer._predictions["key"] == explorer._tracks["key"] == explorer._mutations["key"]
        seen.add(explorer._mutations["key"])
    assert len(seen) == 3
    for name in models:
        rc = explorer.table[explorer.table["model"] == name]
        gap = (rc["forward"] - rc["reverse"]).abs().max()
        assert (gap < 1e-10) == (name == "RC")


def test_a_named_flip_is_what_happens_when_its_base_is_typed(opened, models, toy):
    """The threshold lies between two predictions, so that changes flip one strand, or both."""
    model = models["<b>standard</b>"]
    outputs = plain_outputs(model, toy.codes[:1])[:, 0, 0]
    threshold = float(1 / (1 + np.exp(-outputs.mean())))
    explorer = opened(model, toy, threshold=threshold)
    limit = float(outputs.mean())
    flipped = check_against(explorer, "model", model, toy.codes[0], 0, threshold=limit)
    assert flipped.any(axis=0).all()
    row = explorer.flips.iloc[0]
    assert row[["flips_forward", "flips_reverse"]].any()
    choose(explorer, edits=[[int(row["position"]), row["alternative"]]])
    after = explorer.predictions.iloc[0]
    assert after[["forward", "reverse"]].tolist() == pytest.approx(
        row[["forward_after", "reverse_after"]].tolist(), abs=1e-12
    )
    assert after[["flips_forward", "flips_reverse"]].tolist() == row[["flips_forward", "flips_reverse"]].tolist()


def test_the_page_is_sent_what_the_tables_hold(opened, models, toy):
    explorer = opened(models, toy)
    sent = explorer._mutations["models"]["RC"]
    assert [row["position"] for row in sent["nearest"]] == explorer.flips["position"].head(12).tolist()
    assert sent["nearest"][0]["after"] == explorer.flips.loc[0, ["forward_after", "reverse_after"]].tolist()
    effects, flips = unpack(sent["effects"]), unpack(sent["flips"])
    for row in explorer.table.query("model == 'RC'").to_dict("records"):
        base, position = "ACGT".index(row["alternative"]), row["position"]
        assert effects[0, base, position] == pytest.approx(row["forward"], rel=1e-5, abs=1e-6)
        assert flips[base, position] == row["flips_forward"] + 2 * row["flips_reverse"]
    each = explorer._predictions["models"]["RC"]
    assert (each["scale"], each["unit"], each["threshold"], each["limit"]) == ("probability", "logit", 0.5, 0.0)
    assert each["now"] == explorer.predictions.query("model == 'RC'")[["forward", "reverse"]].T.to_numpy().tolist()
    json.dumps(explorer._state)


def test_long_sequences_are_changed_in_their_middle_or_where_asked(opened):
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))

        def forward(self, x):
            return (x * self.weight[:, None]).sum(dim=(1, 2))[:, None]

    codes = np.zeros((1, 2500), np.uint8)
    explorer = opened(Mean(), codes)
    assert explorer._about["region"] == [250, 2250]
    assert len(explorer.table) == 6000
    part = opened(Mean(), codes, region=(10, 12), batch_size=7)
    table = part.table.sort_values(["position", "alternative"])
    assert table["position"].tolist() == [10] * 3 + [11] * 3
    np.testing.assert_allclose(table["forward"], [1, 2, 3] * 2, atol=1e-9)
    np.testing.assert_allclose(table["reverse"], [-1, -2, -3] * 2, atol=1e-9)


def test_state_is_checked_and_observed(opened, models, toy):
    explorer = opened(models, toy)
    seen = []
    explorer.state.observe(lambda change: seen.append(change["new"]), "edits")
    explorer.state.edits = ((0, "A"), (5, "C"))
    assert explorer._state["edits"] == [[0, "A"], [5, "C"]]
    explorer.state.sequence = 3  # its changes are not those of another sequence
    assert (explorer.state.edits, seen) == ((), [((0, "A"), (5, "C")), ()])
    explorer.wait(LONG)
    assert explorer._bases["sequence"] == 3
    explorer.edit(7, "g")
    explorer.edit(7, "G")  # is there already
    assert explorer.state.edits == (((7, "G"),) if toy.codes[3, 7] != 2 else ())
    explorer.reset()
    before = dict(explorer._state)
    for change, message in (
        ({"edits": ((60, "A"),)}, "there is no position 60: choose 0 to 59"),
        ({"edits": ((3, "N"),)}, "base must be one of"),
        ({"edits": (3,)}, r"an edit must be \(position, base\)"),
        ({"sequence": 120}, "no sequence 120: choose 0 to 119"),
        ({"task": 2}, "no task 2"),
        ({"model": "x"}, "model must be one of"),
        ({"allele": "reference"}, "allele must be one of alternative"),
        ({"cursor": -1}, "there is no position -1"),
    ):
        (name, value), *_ = change.items()
        with pytest.raises(ValueError, match=message):
            setattr(explorer.state, name, value)
        assert explorer._state == before == explorer.state.as_dict()
    choose(explorer, cursor=99)
    assert "no position 99" in explorer._status["message"]
    assert explorer._state == before


def test_what_the_page_chooses_together_is_not_sent_back_in_steps(opened, models, toy):
    """A key that is pressed while the kernel is busy would be undone by the answer to the one before it."""
    explorer = opened(models, toy)
    explorer.state.position = 30
    sent = []
    explorer.observe(lambda change: sent.append(change["new"]), "_state")
    wanted = {**explorer._state, "cursor": 3, "position": 0, "window": 20}
    choose(explorer, **wanted)
    assert sent == [wanted]
    assert explorer.state.as_dict() == wanted
    choose(explorer, sequence=4, edits=[[3, "A"]], position=55)  # 40 is the last where 20 positions fit
    assert explorer._state == explorer.state.as_dict() == {**wanted, "sequence": 4, "edits": [[3, "A"]], "position": 40}


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        ("ACGTX" + 55 * "A", {}, "invalid nucleotide 'X' at position 4 of the sequence: write A, C, G, T"),
        ("ACGT", {}, r"RC does not read sequences of 4 bp: .*60"),
        ("", {}, "at least one base"),
        (None, {"sequence": 120}, "there is no sequence 120: choose 0 to 119"),
        (None, {"task": "MAX"}, "no task 'MAX'"),
        (None, {"region": (50, 70)}, "region must be"),
        (None, {"threshold": 1.5}, "threshold must be a probability between 0 and 1"),
        (None, {"reference": "ACGT"}, "reference must have one sequence of 60 bp for each of the 120 sequences"),
        (None, {"output": "value"}, "output must be a scale that the model has"),
        (None, {"attributions": {"RC": (np.zeros((120, 59)), np.zeros((120, 59)))}}, r"attributions of RC: .*120, 60"),
        (None, {"attributions": {"x": 1}}, "attributions names a model 'x'"),
        (None, {"motifs": ["CTCF"]}, "motifs must be Motifs"),
        (None, {"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_input_is_explained_before_any_work(as_users_run, models, toy, data, settings, message):
    with pytest.raises(ValueError, match=message):
        SequenceExplorer(models, toy if data is None else data, **settings)


def test_models_that_do_not_fit_together_are_named(as_users_run, models, toy, make_model):
    unlabelled = toy.codes[:2]
    with pytest.raises(ValueError, match="different numbers of outputs: RC 2, single 1"):
        SequenceExplorer({"RC": models["RC"], "single": make_model(n_tasks=1)}, unlabelled)
    with pytest.raises(ValueError, match=r"short does not read sequences of 60 bp: .*50"):
        SequenceExplorer({"RC": models["RC"], "short": make_model(sequence_length=50)}, unlabelled)
    with pytest.raises(ValueError, match="single does not read sequences of 60 bp: expected one output"):
        SequenceExplorer({"single": make_model(n_tasks=1)}, toy)


def test_own_attributions_are_said_to_be_of_the_sequence_without_changes(opened, models, toy):
    own = rcviz.strand_attributions(models["RC"], toy)
    given = 3 * own.forward, 5 * own.reverse
    explorer = opened(models, toy, sequence=4, attributions={"RC": given})
    for edits in ((), ((2, "T"), (3, "A"))):
        explorer.state.edits = edits
        explorer.wait(LONG)
        sent = explorer._tracks["models"]["RC"]
        np.testing.assert_allclose(unpack(sent["attributions"])[1], given[1][4].sum(axis=0), rtol=1e-5)
        assert (sent["own"], sent["unedited"]) == (True, bool(edits))
        assert not explorer._tracks["models"]["<b>standard</b>"]["own"]
    explorer.state.task = 1
    explorer.wait(LONG)
    assert explorer._tracks["models"]["RC"]["no_attributions"] == "those that were given are of GATA"
    assert isinstance(own, StrandAttributions)


def test_hits_are_where_filters_fire_and_motifs_match(opened, make_model, toy):
    model = make_model("standard")
    site = rcviz.decode(CTCF[0].probabilities.argmax(axis=0).astype(np.uint8)[None])[0]
    text = "A" * 10 + rcviz.reverse_complement(site) + "A" * (50 - len(site))
    explorer = opened(model, text)
    hits = explorer.hits
    motif = hits[hits["model"] == ""].iloc[0]
    assert motif[["name", "start", "end", "strand"]].tolist() == [CTCF[0].alternative_name, 10, 10 + len(site), "-"]
    bank = rcviz.filter_bank(model)
    x = torch.from_numpy(rcviz.one_hot([text]))
    with torch.no_grad():
        activations = {
            "+": model.get_submodule(bank.layer)(x)[0],
            "-": model.get_submodule(bank.layer)(x.flip(1, 2))[0],
        }
    for hit in hits[hits["model"] == "model"].itertuples():
        values = activations[hit.strand][int(hit.name)]
        at = hit.start if hit.strand == "+" else 60 - hit.end
        assert values[at] == values.max()
        assert hit.score == pytest.approx(float(values[at] - bank.firing.threshold[int(hit.name)]), abs=1e-4)


def test_a_reference_is_what_is_compared_with(opened, models, toy):
    reference = toy.codes.copy()
    reference[:, 30] = (reference[:, 30] + 1) % 4
    explorer = opened(models, SequenceSet(toy.codes, toy.labels, task_names=toy.task_names), reference=reference)
    row = explorer.predictions.iloc[2]
    one, other = (plain_outputs(models["<b>standard</b>"], codes[:1])[0, 0, 0] for codes in (toy.codes, reference))
    assert row["change_forward"] == pytest.approx(1 / (1 + np.exp(-one)) - 1 / (1 + np.exp(-other)), abs=1e-10)
    explorer.state.allele = "reference"
    explorer.wait(LONG)
    assert explorer.letters == rcviz.decode(reference[:1])[0]
    assert explorer.predictions["change_forward"].abs().max() == 0


@pytest.fixture
def genome(tmp_path):
    letters = rcviz.decode(np.random.default_rng(0).integers(0, 4, (1, 400), dtype=np.uint8))[0]
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{letters}\n")
    return path, letters


def test_variants_have_the_effects_of_variant_effects(make_model, genome):
    path, letters = genome
    table = pd.DataFrame(
        {"chrom": "chr1", "pos": [150, 200], "id": ["rs1", "."], "ref": [letters[149], letters[199:202]]}
    )
    table["alt"] = ["ACGT"[("ACGT".index(letters[149]) + 1) % 4], letters[199]]
    model = make_model("standard", n_tasks=1).double()
    expected = rcviz.variant_effects(model, table, path, progress=False).table
    explorer = SequenceExplorer.of_variants(model, table, path, motifs=CTCF, output="logit")
    for number in (0, 1):
        explorer.state.sequence = number
        explorer.wait(LONG)
        row, given = explorer.predictions.iloc[0], expected.iloc[number]
        assert row["change_forward"] == pytest.approx(given["effect_forward"], abs=1e-10)
        assert row["change_reverse"] == pytest.approx(given["effect_reverse"], abs=1e-10)
    assert explorer._sequences["names"] == [
        f"rs1 chr1:150 {table.ref[0]}>{table.alt[0]}",
        f"chr1:200 {table.ref[1]}>{table.alt[1]}",
    ]
    assert explorer._sequences["shifted"] == [1]  # what is right of a deletion is elsewhere in the genome
    assert unpack(explorer._sequences["origin"]).tolist() == [119, 169]
    explorer.close()
    single = SequenceExplorer.of_variants(model, expected.iloc[0], path, motifs=CTCF)
    assert single._about["alleles"] == ["alternative", "reference"]
    single.close()
    with pytest.raises(ValueError, match="reference cannot be given"):
        SequenceExplorer.of_variants(model, table, path, reference="ACGT")
    with pytest.raises(ValueError, match="reference allele"):
        SequenceExplorer.of_variants(model, table.assign(ref=[table.alt[0], "AAA"]), path)


def test_a_changed_model_is_said_and_nothing_mixed_until_refresh(opened, models, toy):
    explorer = opened(models, toy)
    before = explorer.predictions["forward"].tolist()
    with torch.no_grad():
        for parameter in models["RC"].parameters():
            parameter.add_(0.3)
    assert explorer.stale
    explorer._on_message(explorer, {"kind": "check"}, [])
    assert explorer._status["state"] == "stale"
    explorer.edit(20, "ACGT"[(toy.codes[0, 20] + 1) % 4])
    explorer.undo()
    explorer.wait(LONG)
    assert explorer.predictions["forward"].tolist() == before
    explorer.refresh()
    explorer.wait(LONG)
    assert not explorer.stale
    expected = 1 / (1 + np.exp(-plain_outputs(models["RC"], toy.codes[:1])[0, 0]))
    np.testing.assert_allclose(explorer.predictions["forward"][:2], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("use", ["refresh", "undo", "table", "letters"])
def test_a_closed_explorer_says_so(models, toy, use):
    explorer = SequenceExplorer(models, toy, motifs=CTCF)
    explorer.close()
    with pytest.raises(RuntimeError, match="SequenceExplorer is closed"):
        explorer.undo() if use == "undo" else explorer.refresh() if use == "refresh" else getattr(explorer, use)


def test_closing_frees_everything(models, toy):
    registered = set(ipywidgets.widget._instances)
    explorer = SequenceExplorer(models, toy, motifs=CTCF)
    explorer.wait(LONG)
    explorer.edit(3, "A")
    weak = [weakref.ref(each) for each in (explorer, explorer._results)]
    explorer.close()
    del explorer
    gc.collect()
    assert [each() for each in weak] == [None, None]
    assert set(ipywidgets.widget._instances) == registered


def test_files(opened, models, toy, tmp_path):
    explorer = opened(models, toy, sequence=2)
    explorer.edit(0, "ACGT"[(toy.codes[2, 0] + 1) % 4])
    for name in ("a.csv", "a.flips.csv", "a.predictions.parquet", "a.fa", "a.svg", "a.html"):
        explorer.export(tmp_path / name)
    assert len(pd.read_csv(tmp_path / "a.csv")) == 2 * 180
    assert pd.read_csv(tmp_path / "a.flips.csv")["forward_after"].notna().all()
    assert len(pd.read_parquet(tmp_path / "a.predictions.parquet")) == 4
    assert encode([(tmp_path / "a.fa").read_text().splitlines()[1]]).tolist() == [
        encode([explorer.letters])[0].tolist()
    ]
    assert "<b>standard" not in (tmp_path / "a.html").read_text().split('type="application/json"')[0]
    with pytest.raises(ValueError, match="ending must be one of"):
        explorer.export(tmp_path / "a.doc")


def test_the_saved_page_holds_what_was_looked_at(opened, models, toy):
    explorer = opened(models, toy)
    explorer.state.sequence = 7
    explorer.wait(LONG)
    explorer.state.edits = ((1, "A"), (2, "C"))
    page = "".join(explorer.html_parts())
    data = json.loads(page.split('id="rcviz-data">')[1].split("</script>")[0])
    assert sorted(data["_visited"]) == ['[0,"alternative",[]]', '[7,"alternative",[]]']
    assert data["_predictions"]["key"] == '[7,"alternative",[[1,"A"],[2,"C"]]]'
    assert "".join(explorer.html_parts()) == page


def test_no_notebook_is_needed_and_a_still_picture_is_there(opened, models, toy):
    explorer = opened(models["RC"], "N" * 10 + "ACGTA" * 10)
    bundle = explorer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "the explorer itself needs a running kernel" in data["image/svg+xml"]
    assert len(explorer.table) == 10 * 4 + 50 * 3  # at an N all four bases are changes
    assert len(explorer.picture().axes) >= 1
