"""rcviz lab: copies of the tutorials that nothing overwrites, and a server for this machine and its token alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import rcviz.cli.lab
import rcviz.cli.tutorials

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
QUICKSTART = "rcviz-tutorials/01_quickstart.ipynb"


@pytest.fixture
def shipped(monkeypatch, tmp_path):
    """An installed package with two tutorials; its folder of notebooks."""
    package = tmp_path / "site-packages" / "rcviz"
    (package / "notebooks" / "paper").mkdir(parents=True)
    for name in ("01_quickstart.ipynb", "paper/fig2.ipynb"):
        (package / "notebooks" / name).write_text("first")
    monkeypatch.setattr(rcviz.cli.tutorials, "__file__", str(package / "cli" / "tutorials.py"))
    monkeypatch.setattr(rcviz.cli.tutorials, "version", lambda _: "1.2.0")
    return package / "notebooks"


def contents(folder):
    """What the notebooks in a folder hold, by name."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.ipynb")}


def said(result):
    """What the command printed before the last line, which names the folder."""
    *lines, folder = result.stderr.splitlines()
    assert "rcviz-tutorials" in folder
    return lines


def test_it_opens_a_copy_on_this_machine_alone_and_hands_options_on(calls, run, work):
    result = run("lab", "--no-browser", "--port", "8890")
    assert result.exit_code == 3  # JupyterLab's own
    (command,) = calls
    options = ["--no-browser", "--port", "8890", "--ServerApp.ip=localhost"]
    assert command[1:] == ["-m", "jupyterlab", f"./{QUICKSTART}", *options]
    assert (work / QUICKSTART).read_bytes() == (NOTEBOOKS / "01_quickstart.ipynb").read_bytes()
    assert contents(work / "rcviz-tutorials") == contents(NOTEBOOKS)


@pytest.mark.parametrize("asked", [["--ip=0.0.0.0"], ["--ip", "0.0.0.0"], ["--ServerApp.ip=0.0.0.0"]])
def test_only_a_person_opens_it_to_others(calls, run, work, asked):
    run("lab", *asked)
    assert calls[0][4:] == asked  # Jupyter takes one address and no more


def test_root_may_open_it_too(calls, run, work, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    run("lab")
    assert calls[0][-1] == "--allow-root"


def test_no_name_of_a_notebook_is_an_option(calls):
    with pytest.raises(rcviz.cli.lab.typer.Exit):
        rcviz.cli.lab.open_lab(Path("--ServerApp.token=.ipynb"), [])
    assert calls[0][3] == "./--ServerApp.token=.ipynb"


def test_without_jupyterlab_the_command_that_installs_it_is_shown(calls, run, work, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("lab")
    assert result.exit_code == 1
    assert 'pip install "rcviz[lab]"' in result.output
    assert not calls
    assert not list(work.iterdir())


def test_what_a_person_changed_is_kept_and_what_is_new_comes_beside_it(calls, run, work, shipped):
    folder = work / "rcviz-tutorials"
    run("lab")
    assert contents(folder) == {"01_quickstart.ipynb": "first", "paper/fig2.ipynb": "first"}
    (folder / "01_quickstart.ipynb").write_text("mine")
    assert said(run("lab")) == []
    assert contents(folder) == {"01_quickstart.ipynb": "mine", "paper/fig2.ipynb": "first"}

    for name in ("01_quickstart.ipynb", "paper/fig2.ipynb"):
        (shipped / name).write_text("second")
    (shipped / "02_new.ipynb").write_text("second")
    (message,) = said(run("lab"))
    beside = "01_quickstart.rcviz-1.2.0.ipynb"
    assert message.endswith(f"the new ones were written beside them: rcviz-tutorials/{beside}.")
    now = {"01_quickstart.ipynb": "mine", beside: "second", "paper/fig2.ipynb": "second", "02_new.ipynb": "second"}
    assert contents(folder) == now
    assert said(run("lab")) == []  # the message is printed once
    (folder / beside).write_text("mine, too")
    assert said(run("lab")) == []
    assert contents(folder) == now | {beside: "mine, too"}

    (shipped / "01_quickstart.ipynb").write_text("third")  # of the same version, as in development
    assert "01_quickstart.rcviz-1.2.0-2.ipynb" in run("lab").stderr
    third = {"01_quickstart.rcviz-1.2.0-2.ipynb": "third"}
    assert contents(folder) == now | {beside: "mine, too"} | third
    (folder / "02_new.ipynb").unlink()
    run("lab")
    assert contents(folder) == now | {beside: "mine, too"} | third


@pytest.mark.parametrize("record", [None, "{", "[]", '{"01_quickstart.ipynb": 3}', "[" * 99_999])
def test_without_a_record_whatever_differs_counts_as_changed(calls, run, work, shipped, record):
    folder = work / "rcviz-tutorials"
    folder.mkdir()
    (folder / "01_quickstart.ipynb").write_text("of an earlier rcviz, or mine")
    if record is not None:
        (folder / rcviz.cli.tutorials.RECORD).write_text(record)
    assert "01_quickstart.rcviz-1.2.0.ipynb" in run("lab").stderr
    assert contents(folder)["01_quickstart.ipynb"] == "of an earlier rcviz, or mine"
    assert contents(folder)["01_quickstart.rcviz-1.2.0.ipynb"] == "first"


def test_a_file_in_the_way_is_said(refused, work, calls):
    (work / "rcviz-tutorials").write_text("a file")
    assert "rcviz-tutorials" in refused("lab")
    assert not calls


def answer(address, token=None):
    """Status of a request for the quickstart; the folder of the notebook is all that is served."""
    headers = {"Authorization": f"token {token}"} if token else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(
            urllib.request.Request(f"{address}api/contents/01_quickstart.ipynb?content=0", headers=headers), timeout=20
        ) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def own_addresses():
    """Addresses of this machine that others can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return []
        address = probe.getsockname()[0]
    return [] if address.startswith("127.") else [address]


@pytest.mark.skipif(os.name == "nt", reason="signals are those of Unix")
def test_the_real_server_has_a_token_listens_here_alone_and_ends_when_told(tmp_path):
    settings = tmp_path / "config"
    settings.mkdir()
    # As some images for containers have it: the whole network may come.
    (settings / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": {"ip": "0.0.0.0"}}))
    folders = {"JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    environment = {name: value for name, value in os.environ.items() if name != "JUPYTER_TOKEN"} | folders
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "rcviz", "lab", "--no-browser", f"--port={port}"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        while not (found := list((tmp_path / "runtime").glob("jpserver-*.json"))):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        known = json.loads(found[0].read_text())
        assert known["hostname"] == "localhost"
        assert len(known["token"]) >= 32
        assert known["url"] == f"http://localhost:{port}/"
        while True:
            try:
                statuses = answer(known["url"]), answer(known["url"], "0" * 48), answer(known["url"], known["token"])
                break
            except urllib.error.URLError:  # it does not listen yet
                assert server.poll() is None, log.read_text()
                time.sleep(0.2)
        assert statuses == (403, 403, 200)
        printed = f"{known['url']}lab/tree/01_quickstart.ipynb?token={known['token']}"
        while printed not in log.read_text():  # the address of the quickstart, also without a browser
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        for address in own_addresses():
            with pytest.raises(ConnectionRefusedError), socket.create_connection((address, port), timeout=5):
                pass
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM, 128 + signal.SIGTERM), log.read_text()
        assert not list((tmp_path / "runtime").glob("jpserver-*.json"))
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    assert contents(tmp_path / "rcviz-tutorials") == contents(NOTEBOOKS)
    assert "Traceback" not in log.read_text()
