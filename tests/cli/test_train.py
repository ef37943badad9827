"""rcviz train: settings from a file and flags, the same run again, and a run that was killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

import rcviz
from rcviz.cli.settings import divide, read_config, resolve


def trained(path):
    return rcviz.load_model(path).state_dict()


def test_a_model_and_what_is_needed_to_make_it_again(run, dataset, small, work, same_weights):
    result = run("train", dataset, "--out", "a.safetensors", "--config", small, "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert (said["epochs"], said["n_sequences"]) == (3, {"train": 40, "valid": 40, "test": 40})
    names = {"small.toml", "a.safetensors", "a.config.json", "a.history.json", "a.evaluation.csv"}
    assert {path.name for path in work.iterdir()} == names  # no checkpoint is left

    again = run("train", dataset, "--out", "b.safetensors", "--config", "a.config.json", "--json")
    assert json.loads(again.stdout)["settings"] == said["settings"]
    assert same_weights(trained("a.safetensors"), trained("b.safetensors"))
    assert json.loads((work / "a.config.json").read_text()) == json.loads((work / "b.config.json").read_text())
    losses = [rcviz.History.load(f"{name}.history.json").table["loss"].tolist() for name in "ab"]
    assert losses[0] == losses[1]


def test_the_model_has_a_card(run, dataset, small):
    said = json.loads(run("train", dataset, "--out", "a.safetensors", "--config", small, "--json").stdout)
    card = rcviz.read_model_card("a.safetensors")
    assert (card.data["name"], card.split, card.config.n_filters) == (dataset.name, said["settings"]["split"], 3)
    assert card.training == {**said["settings"]["train"], "best_epoch": said["best_epoch"]}
    assert [row["auroc"] for row in card.metrics] == pytest.approx([row["auroc"] for row in said["metrics"]], rel=1e-9)
    assert 0 <= card.strand_gap["max"] < 1e-5


def test_it_is_the_run_that_the_library_makes(run, dataset, small, same_weights):
    """An independent way to the same weights: no settings, no command."""
    run("train", dataset, "--out", "a.safetensors", "--config", small, "--seed", 5)
    data = rcviz.SequenceSet.load(dataset)
    parts = rcviz.split_by_chromosome(data, train="chr1", valid="chr2")
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=3, kernel_sizes=(7,), pool_size=9, sequence_length=60)
    model = rcviz.build_model(config, seed=5)
    training = rcviz.TrainConfig.chipseq(epochs=3, batch_size=20, samples_per_epoch=80, seed=5)
    rcviz.fit(model, parts.train, parts.valid, training, progress=False)
    assert same_weights(trained("a.safetensors"), model.cpu().state_dict())
    table = pd.read_csv("a.evaluation.csv")
    assert table["part"].tolist() == ["train", "valid", "test"]
    expected = rcviz.evaluate(model, parts.test)["auroc"].item()
    assert table["auroc"].iloc[2] == pytest.approx(expected, rel=1e-12)


def settings_of(run, *arguments):
    result = run("train", *arguments, "--out", "x.safetensors", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["settings"]


def test_flags_win_over_the_file(run, dataset, small):
    found = settings_of(
        *(run, dataset, "--config", small, "--architecture", "standard", "--n-filters", 4, "--epochs", 1),
        *("--learning-rate", 0.01, "--batch-size", 10, "--positive-weight", 2, "--augmentation", "revcomp"),
        *("--patience", 7, "--device", "cpu", "--train", "chr2,chr3", "--valid", "chr1", "--seed", 3),
    )
    assert found["model"]["architecture"] == "standard"
    assert (found["model"]["n_filters"], found["model"]["kernel_sizes"], found["model"]["seed"]) == (4, [7], 3)
    assert found["train"] == {
        **{"epochs": 1, "batch_size": 10, "samples_per_epoch": 80, "learning_rate": 0.01, "positive_weight": 2.0},
        **{"patience": 7, "monitor": "auroc", "augmentation": "revcomp", "seed": 3, "device": "cpu"},
        **{"precision": "float32", "loss": "bce"},
    }
    assert found["split"] == {"train": ["chr2", "chr3"], "valid": ["chr1"]}


def test_what_follows_from_the_architecture_follows_the_flag(run, dataset, small):
    settings_of(run, dataset, "--config", small)
    found = settings_of(run, dataset, "--config", "x.config.json", "--architecture", "standard", "--epochs", 1)
    assert (found["model"]["head"], found["model"]["freeze_output"]) == ("flatten", False)


def test_without_a_file_the_paper_is_followed(run, dataset):
    data = rcviz.SequenceSet.load(dataset)
    settings = resolve({}, {"model": {"preset": "simulated"}, "train": {"preset": "simulated"}}, data)
    assert settings.model == rcviz.ModelConfig.simulated("revcomp", sequence_length=60, n_tasks=1)
    assert settings.train == rcviz.TrainConfig.simulated()
    assert settings.split == {"train": 0.7, "valid": 0.15, "test": 0.15, "seed": 0}


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ({"train": 0.5, "valid": 0.25}, (0.5, 0.25, 0.25)),
        ({"train": 0.5}, (0.5, 0.25, 0.25)),
        ({"test": 0.1, "seed": 3}, (0.45, 0.45, 0.1)),
        ({"train": 0.3, "valid": 0.2, "test": 0.1}, (0.3, 0.2, 0.1)),
        ({"seed": 3}, (0.7, 0.15, 0.15)),
        ({"preset": "random"}, (0.7, 0.15, 0.15)),
    ],
)
def test_shares_that_are_left_out_get_the_rest(dataset, given, whole):
    """No sequence is left unused unless all three shares are given."""
    data = rcviz.SequenceSet.load(dataset)
    settings = resolve({"split": given}, {"model": {"preset": "simulated"}}, data)
    assert settings.split == {**dict(zip(("train", "valid", "test"), whole, strict=True)), "seed": given.get("seed", 0)}
    n_used = sum(map(len, divide(data, settings.split)))
    assert n_used == len(data) or sum(whole) < 1


def test_starting_weights_have_the_trainings_seed_or_their_own(dataset):
    data = rcviz.SequenceSet.load(dataset)
    model = {"preset": "simulated"}
    assert resolve({"model": model, "train": {"seed": 5}}, {}, data).model_seed == 5
    assert resolve({"model": {**model, "seed": 6}, "train": {"seed": 5}}, {}, data).model_seed == 6


@pytest.mark.parametrize(
    ("chosen", "same"),
    [
        ({"train": 0.5, "valid": 0.25, "test": 0.25, "seed": 4}, "split"),
        ({"train": ["chr1"], "valid": ["chr2"]}, "chromosomes"),
        ({"train": "chr1", "valid": "chr2", "test": "rest"}, "chromosomes"),
        ({"train": ["rest"], "valid": ["chr2"], "test": ["chr3"]}, "chromosomes"),
    ],
)
def test_the_split_is_the_librarys(dataset, chosen, same):
    data = rcviz.SequenceSet.load(dataset)
    if same == "split":
        wanted = rcviz.split(data, train=0.5, valid=0.25, test=0.25, seed=4)
    else:
        wanted = rcviz.split_by_chromosome(data, train="chr1", valid="chr2", test="chr3")
    for found, part in zip(divide(data, chosen), wanted, strict=True):
        assert found.table["start"].tolist() == part.table["start"].tolist()


OWN = {"train": ["chr21"], "valid": ["chr22"]}


@pytest.mark.parametrize(
    "chosen", [OWN, OWN | {"test": "rest"}, OWN | {"test": ["none"]}, {"preset": "chr21/chr22/rest"}]
)
def test_nothing_left_to_test_on_is_no_mistake(toy, chosen):
    data = rcviz.SequenceSet(toy.codes, toy.labels[:, 0], chrom=["chr21"] * 60 + ["chr22"] * 60)
    assert [len(part) for part in divide(data, chosen)] == [60, 60, 0]


WRONG_FILES = {
    "[model]\nfilters = 3": "bad.toml: [model] has no setting 'filters'",
    "[modle]\nn_filters = 3": "bad.toml has no setting 'modle'",
    "model = 3": "bad.toml: model must be a section",
    "[model": "bad.toml is not TOML",
    '[train]\nepochs = "ten"': "epochs must be a whole number",
    '[train]\nlearning_rate = "quick"': "learning_rate must be",
    "[model]\nsequence_length = 1000": "its sequence_length is 1000, that of the data 60",
    '[model]\nkernel_sizes = [90]\n[split]\ntrain="chr1"': "sequences of 60 bp leave",
    '[split]\ntrain = ["chr9"]\nvalid = ["chr2"]': "chr9",
    '[split]\ntrain = 0.7\nvalid = "chr2"': "both shares and chromosomes",
    "[split]\ntrain = 0.7\nvalid = 0.5": "train, valid and test must be",
    "[split]\ntrain = 0.7\nvalid = 0.3": "nothing for test",
    "[split]\ntrain = 1": "nothing for valid and test",
    "[split]\ntrain = nan\nvalid = 0.1": "train, valid and test must be",
    '[split]\npreset = "chr1"': "preset must be one of chr1/chr17/rest",
    '[split]\ntrain = "chr1"\nvalid = "chr2"\nseed = 3': "[split] has a seed but no shares",
    "[split]\ntrain = [1]": "[split] train must be chromosomes",
    "[split]\ntrain = true\nvalid = true": "[split] train must be chromosomes",
    "[split]\nvalid = {chr1 = 1}": "[split] valid must be chromosomes",
    "[split]\ntest = [[]]": "[split] test must be chromosomes",
    "[split]\npreset = 1": "[split] preset must be text",
    "[split]\nseed = true": "the seed of [split] must be a whole number",
    "[train]\ndevice = 1": "device must be auto",
    '[train]\ndevice = "cuda:300"': "device must be auto",
    "[train]\ndevice = [1]": "device must be auto",
    "[train]\nepochs = true": "epochs must be a whole number",
    "[train]\nseed = 1.5": "seed must be a whole number",
    "[train]\nseed = 9223372036854775808": "seed of [train] has a whole number of 64 bits",
    f"[train]\nlearning_rate = 0x{'f' * 5000}": "learning_rate of [train] has a whole number of 20000 bits",
    f"[train]\nlearning_rate = 1{'0' * 400}": "learning_rate of [train] has a whole number of 1329 bits",
    f"[train]\nepochs = 1{'0' * 5000}": "bad.toml is not TOML",
    "[train]\nsamples_per_epoch = 1000000000000": "samples_per_epoch must be at most 2147483647",
    "[train]\nlearning_rate = nan": "learning_rate must be a positive number",
    "[train]\nloss = {a = 1}": "loss must be one of",
    "[train]\nmonitor = []": "monitor must be one of",
    "[train]\npatience = 1979-05-27": "patience must be a whole number",
    '[model]\nkernel_sizes = "15"': "kernel_sizes is one width per convolution",
    "[model]\nkernel_sizes = [[7]]": "every kernel size must be a whole number",
    '[model]\npreset = "simulated"\nn_filters = 1000000000': "more than this machine's memory",
    "[model]\npool_stride = 1000000000000": "pool_stride must be at most 2147483647",
    "[model]\nsymmetric = 1": "symmetric must be True or False",
    "[model.architecture]\nx = 1": "architecture must be one of",
}


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("text", WRONG_FILES)
def test_wrong_configurations_are_one_sentence(refused, dataset, work, text):
    (work / "bad.toml").write_text(text)
    flags = () if "sizes = [90]" in text or "split" not in text else ("--preset", "simulated")
    flags = ("--train", "chr1", "--valid", "chr2") if "n_filters" in text else flags
    said = refused("train", dataset, "--out", "x.safetensors", "--config", "bad.toml", *flags)
    assert WRONG_FILES[text] in said
    assert [path.name for path in work.iterdir()] == ["bad.toml"]


@pytest.mark.usefixtures("as_users_run")
def test_wrong_flags_are_one_sentence(refused, dataset, small, work, toy):
    (work / "cut.safetensors").write_bytes(dataset.read_bytes()[:-100])
    rcviz.SequenceSet(toy.codes).save(work / "plain.safetensors")
    for arguments, words in [
        ((dataset, "--config", small, "--preset", "chipseq"), "kernel_sizes"),
        ((dataset, "--config", small, "--architecture", "RC"), "architecture must be one of"),
        ((dataset, "--preset", "big"), "preset must be one of"),
        ((dataset, "--out", "nowhere/x.safetensors"), "nowhere"),
        (("nothing.safetensors",), "nothing.safetensors"),
        (("cut.safetensors",), "is truncated"),
        (("plain.safetensors",), "has no labels"),
    ]:
        out = () if "--out" in arguments else ("--out", "x")
        assert words in refused("train", *out, *arguments)


def test_a_checkpoint_of_another_run_is_refused(run, refused, dataset, small, work):
    basis = ("train", dataset, "--config", small, "--checkpoint", "c.safetensors")
    assert run(*basis, "--out", "a.safetensors").exit_code == 0
    assert (work / "c.safetensors").exists()  # asked for, so kept
    result = run(*basis, "--out", "b.safetensors", "--seed", 9)
    assert result.exit_code == 2
    assert "seed was 0 and is 9" in result.stderr


def stopped(arguments, checkpoint, signal_number):
    """Run it in a process of its own until the first checkpoint is there; give exit code and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rcviz", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Background processes of a shell ignore interrupts, and their children inherit this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal_number)
    out, said = process.communicate(timeout=60)
    return process.returncode, out, said


@pytest.fixture
def long(small):
    """A configuration whose training can be interrupted."""
    text = small.read_text().replace("epochs = 3", "epochs = 15").replace("epoch = 80", "epoch = 400")
    small.write_text(text)
    return small


@pytest.mark.long
def test_a_run_that_was_killed_goes_on_with_the_same_numbers(run, dataset, long, work, same_weights):
    """Only a process that is really killed shows that its checkpoint continues the same run."""
    arguments = ["train", str(dataset), "--config", str(long), "--out"]
    assert run(*arguments, "whole.safetensors").exit_code == 0
    checkpoint = work / "killed.checkpoint.safetensors"
    assert stopped([*arguments, "killed.safetensors"], checkpoint, signal.SIGKILL)[:2] == (-signal.SIGKILL, "")
    assert not (work / "killed.safetensors").exists()

    result = run(*arguments, "killed.safetensors")
    assert "continuing from the checkpoint killed.checkpoint.safetensors" in result.stderr
    assert same_weights(trained("whole.safetensors"), trained("killed.safetensors"))
    assert not checkpoint.exists()
    tables = [rcviz.History.load(f"{name}.history.json").table for name in ("whole", "killed")]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.long
@pytest.mark.parametrize(("sent", "ends_with"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_schedulers_keep_the_checkpoint_and_nothing_half_written(dataset, long, work, sent, ends_with):
    """Only a process of its own shows exit code and last words, and what is left."""
    checkpoint = work / "a.checkpoint.safetensors"
    arguments = ["train", str(dataset), "--config", str(long), "--out", "a.safetensors", "--json"]
    code, out, said = stopped(arguments, checkpoint, sent)
    assert (code, out) == (ends_with, "")
    assert said.splitlines()[-1] == "rcviz: interrupted" or sent == signal.SIGTERM
    assert "Traceback" not in said
    assert {path.name for path in work.iterdir()} == {checkpoint.name, long.name}


def test_an_interrupt_inside_exec_ends_with_130(work):
    """Imports make data classes by exec(); only the end of a process shows the code."""
    (work / "interrupted.py").write_text(
        "import sys, typer\nfrom rcviz.cli.messages import answering\n"
        "try:\n    with answering():\n        exec('raise KeyboardInterrupt')\n"
        "except typer.Exit as end:\n    sys.exit(end.exit_code)\n"
    )
    paths = os.pathsep.join([str(work), str(Path(rcviz.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-m", "interrupted"], env=environment, timeout=60, check=False)
    assert done.returncode == 130


def test_json_configurations_are_told_by_their_ending(work):
    (work / "a.json").write_text("[1]")
    with pytest.raises(ValueError, match="must hold the sections"):
        read_config(work / "a.json")
    (work / "b.json").write_text("[model]")
    with pytest.raises(ValueError, match="is not JSON"):
        read_config(work / "b.json")


def test_the_page_about_the_command_line_says_what_works(run, work):
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (work / "page.toml").write_text(text)
    assert set(read_config(work / "page.toml")) == {"model", "train", "split"}
    commands = [
        line
        for block in re.findall(r"```sh\n(.*?)```", page.replace("\\\n", ""), re.DOTALL)
        for line in block.splitlines()
    ]
    named = {line.split()[1] for line in commands if line.startswith("rcviz")}
    assert named == {"windows", "train", "predict", "inspect", "compare", "fetch", "variants"}
    for line in commands:
        name = re.match(r"rcviz (\w+)", line)
        known = run(name[1] if name else "train", "--help").stdout
        for option in re.findall(r"--[\w-]+", line.partition("#")[0]):
            assert f"{option} " in known, line


@pytest.mark.parametrize("name", ["config.json", "history.json", "evaluation.csv", "checkpoint.safetensors"])
def test_files_beside_the_model_are_checked_before_training(run, refused, dataset, small, work, name):
    asked = ("train", dataset, "--config", small, "--out")
    beside = work / f"a.{name}"
    beside.mkdir()
    assert f"a.{name}: it is a folder" in refused(*asked, "a.safetensors")
    beside.rmdir()
    beside.write_text("mine")
    beside.chmod(0o400)
    assert f"a.{name}: the existing file is write-protected" in refused(*asked, "a.safetensors")
    assert beside.read_text() == "mine"
    data = work / f"b.{name}"
    data.write_bytes(dataset.read_bytes())
    assert f"would overwrite b.{name}" in refused("train", data.name, "--config", small, "--out", "b.safetensors")
    assert "too long" in refused(*asked, "x" * 240 + ".safetensors")
    assert {path.name for path in work.iterdir()} == {small.name, beside.name, data.name}


def test_a_configuration_of_ones_own_is_not_written_over(run, refused, dataset, small, work):
    own = {"model": {"preset": "one_layer", "n_filters": 3, "kernel_sizes": [7], "pool_size": 9}}
    own |= {"train": {"epochs": 1}, "split": {"train": "chr1", "valid": "chr2"}}
    (work / "a.config.json").write_text(json.dumps(own))
    assert "would overwrite a.config.json" in refused(
        "train", dataset, "--config", "a.config.json", "--out", "a.safetensors"
    )
    assert json.loads((work / "a.config.json").read_text()) == own
    assert run("train", dataset, "--config", "a.config.json", "--out", "b.safetensors").exit_code == 0
    assert run("train", dataset, "--config", "b.config.json", "--out", "b.safetensors").exit_code == 0  # its own run


@pytest.mark.parametrize("out", [".", "..", "/", "", "\udce9.safetensors", "folder/"])
def test_an_output_that_cannot_be_is_one_sentence(refused, dataset, small, work, out):
    (work / "folder").mkdir()
    assert "\n" not in refused("train", dataset, "--config", small, "--out", out)


def test_too_little_memory_is_one_sentence(refused, dataset, small, work, monkeypatch):
    from rcviz.training import loop

    for error in (MemoryError("Unable to allocate 8 GiB"), RuntimeError("DefaultCPUAllocator: can't allocate memory")):

        def fit(*arguments, error=error, **options):
            raise error

        monkeypatch.setattr(loop, "fit", fit)
        said = refused("train", dataset, "--config", small, "--out", "a.safetensors", code=1)
        assert said.startswith("not enough memory")


def test_the_dataset_is_not_written_over(refused, dataset, small, work):
    before = dataset.read_bytes()
    said = refused("train", dataset, "--out", dataset, "--config", small)
    assert "would overwrite" in said
    assert dataset.read_bytes() == before


def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_first_epoch(refused, dataset, small, work):
    asked = ("train", dataset, "--out", "a.safetensors", "--config", small)
    for path in ("no/x", "."):
        assert "cannot write the checkpoint" in refused(*asked, "--checkpoint", path)
    assert "would overwrite a.safetensors" in refused(*asked, "--checkpoint", "a.safetensors")
    assert not (work / "a.safetensors").exists()


def test_values_are_learned_as_values(run, values, small, same_weights):
    result = run("train", values, "--out", "a.safetensors", "--config", small, "--json")
    assert result.exit_code == 0, result.stderr
    assert "the labels are values" in result.stderr
    settings = json.loads(result.stdout)["settings"]
    assert (settings["model"]["output_is"], settings["model"]["freeze_output"]) == ("value", False)
    assert (settings["train"]["loss"], settings["train"]["positive_weight"]) == ("mse", 1.0)
    parts = rcviz.split_by_chromosome(rcviz.SequenceSet.load(values), train="chr1", valid="chr2")
    size = {"n_filters": 3, "kernel_sizes": (7,), "pool_size": 9, "sequence_length": 60}
    model = rcviz.build_model(
        rcviz.ModelConfig.one_layer("revcomp", output_is="value", freeze_output=False, **size), seed=0
    )
    training = rcviz.TrainConfig(epochs=3, batch_size=20, samples_per_epoch=80, loss="mse")
    rcviz.fit(model, parts, config=training, progress=False)
    assert same_weights(trained("a.safetensors"), model.cpu().state_dict())
    table = pd.read_csv("a.evaluation.csv")
    assert table.columns.tolist() == ["part", "task", "n", "pearson", "spearman", "mse"]
    assert table["mse"].iloc[2] == pytest.approx(rcviz.evaluate(model, parts.test)["mse"].item())
    assert "pearson" in run("train", values, "--out", "b.safetensors", "--config", "a.config.json").stdout
    assert same_weights(trained("a.safetensors"), trained("b.safetensors"))


def test_losses_and_scales_that_do_not_fit_the_labels(run, refused, values, dataset, small):
    basis = ("--out", "a.safetensors", "--config", small)
    found = settings_of(run, values, "--config", small, "--loss", "poisson", "--epochs", 1)
    assert found["train"]["loss"] == "poisson"
    for option, given, word in (("--loss", "bce", "loss='mse'"), ("--output-is", "logit", "output_is='value'")):
        result = run("train", values, *basis, option, given)
        assert result.exit_code == 2
        assert word in result.stderr
    assert "label_kind" in refused("train", dataset, *basis, "--loss", "mse")
    assert "label_kind" in refused("train", dataset, *basis, "--output-is", "value")
