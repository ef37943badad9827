"""rcviz experiment: killed, interrupted, given twice at once, the tables are the same."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from sweeps import MAY_DIFFER

from rcviz.experiments.store import Store

SMALL = [
    *("fig7a", "--scale", "quick", "--epochs", "3", "--seeds", "1"),
    *("--arms", "RC-16", "--arms", "standard-8", "--jobs", "1"),
]
SHORT = [*SMALL, "--epochs", "1"]


@pytest.fixture
def start():
    """Start the command in a process of its own; whatever is left of it is ended with the test."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "rcviz", "experiment", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(found, process):
    while not found():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def without_times(path):
    """The file's own text in every column that does not say how long it took or how much memory."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.drop(columns=[name for name in MAY_DIFFER if name in table]).to_csv()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Tables of the same sweep, not killed: by name, without times."""
    from typer.testing import CliRunner

    from rcviz.cli import app

    folder = tmp_path_factory.mktemp("whole")
    result = CliRunner().invoke(app, ["experiment", *SMALL, "--store", str(folder / "store"), "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return {path.name: without_times(path) for path in folder.glob("*.csv")}


def test_the_same_command_finishes_what_was_killed(start, run, work, uninterrupted):
    options = ["--store", "store", "--out", "out"]
    process = start(*SMALL, *options)
    wait_for(lambda: list((work / "store").glob("*.checkpoint.safetensors")), process)
    process.kill()
    process.wait()
    assert Store(work / "store").read_all() == []
    assert not (work / "out").exists()
    assert run("experiment", *SMALL, *options).exit_code == 0
    assert {path.name: without_times(path) for path in (work / "out").iterdir()} == uninterrupted
    assert pd.read_csv(work / "out" / "fig7a_runs.csv")["cpu_seconds"].isna().any()  # one was really resumed


def test_interrupted_or_terminated_it_leaves_a_valid_store_and_no_process(start, work):
    """Ctrl-C in a terminal reaches the workers as well; a scheduler tells the first process alone."""
    ends = {signal.SIGINT: 130, signal.SIGTERM: 143}
    processes = {
        how: start(*SMALL[:-1], n, "--epochs", "99", "--store", how.name, "--out", "out")
        for how, n in zip(ends, (2, 1), strict=True)
    }
    for how, process in processes.items():
        folder = work / how.name
        wait_for(lambda folder=folder: list(folder.glob("*.checkpoint.safetensors")), process)
        os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
    for how, process in processes.items():
        said = process.communicate()
        assert process.returncode == ends[how], said
        assert "Traceback" not in said[1]
        assert {path.suffix for path in (work / how.name).iterdir()} == {".safetensors"}
        with pytest.raises(ProcessLookupError):
            for _ in range(500):
                os.killpg(process.pid, 0)
                time.sleep(0.01)
    assert not (work / "out").exists()


def test_two_sweeps_in_one_store_lose_nothing_and_double_nothing(start, work, uninterrupted):
    options = ["--store", "store", "--out"]
    processes = [start(*SMALL, *options, out) for out in ("one", "two")]
    for process in processes:
        said = process.communicate()
        assert process.returncode == 0, said
    assert len(Store(work / "store").read_all()) == 2
    for out in ("one", "two"):
        assert {path.name: without_times(path) for path in (work / out).iterdir()} == uninterrupted


def test_what_is_there_is_written_as_tables_at_once(run, work, uninterrupted):
    arguments = ["experiment", *SHORT, "--store", "store", "--json"]
    first = run(*arguments, "--out", "one")
    again = run(*arguments, "--out", "two")
    told = json.loads(again.stdout)
    assert told["tables"] == ["two/fig7a.csv", "two/fig7a_runs.csv"]
    assert told["runs"] == json.loads(first.stdout)["runs"]
    for name in uninterrupted:
        assert (work / "one" / name).read_bytes() == (work / "two" / name).read_bytes()


def test_a_failure_is_said_and_the_others_are_written(run, work, monkeypatch):
    from rcviz.experiments import runner

    measure = runner.measure

    def failing(run, checkpoint):
        if run.arm.strategy == "none":
            raise MemoryError("there is no room")
        return measure(run, checkpoint)

    monkeypatch.setattr(runner, "measure", failing)
    result = run("experiment", *SHORT, "--store", "store", "--out", "out")
    assert result.exit_code == 1
    assert "1 of 2 runs of fig7a failed, the first with: MemoryError: there is no room" in result.stderr
    assert set(pd.read_csv(work / "out" / "fig7a_runs.csv")["arm"]) == {"RC-16"}


def test_chipseq_at_paper_scale_without_data_is_one_sentence(refused, work):
    assert "rcviz windows" in refused("experiment", "fig4")
    assert not (work / "runs").exists()


@pytest.mark.parametrize("seeds", ["ten", "", "1,x", "1.5"])
def test_seeds_that_are_no_numbers_are_refused(refused, work, seeds):
    assert "--seeds must be how many, such as 10" in refused("experiment", "fig3", "--seeds", seeds)
