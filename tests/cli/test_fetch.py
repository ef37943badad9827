"""rcviz fetch at the command line; tests/genome/test_download.py tests the downloads."""

import gzip
import hashlib
import http.server
import json
import threading
from functools import partial

import pytest

pytest.importorskip("pooch")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder served on this machine, with a list of the two files in it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)  # pooch waits before it tries again
    folder = tmp_path / "served"
    folder.mkdir()
    content = {"a.bed": b"chr1\t1\t2\n", "b.fa": b">chr1\nACGT\n"}
    for name, text in content.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(text))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}"
    known = hashlib.sha256(content["a.bed"]).hexdigest()
    (tmp_path / "mine.toml").write_text(
        f'[[file]]\nkey = "a"\nabout = "peaks"\nsize = 9\nurl = "{root}/a.bed.gz"\nsha256 = "{known}"\n'
        f'[[file]]\nkey = "b"\nabout = "genome"\nsize = 4\nurl = "{root}/b.fa.gz"\n'
    )
    monkeypatch.chdir(tmp_path)
    yield folder
    server.shutdown()
    server.server_close()


def test_files_are_downloaded_and_it_is_reported_what_their_checksums_were_compared_with(run, served, tmp_path):
    result = run("fetch", "mine.toml", "--to", "here", "--json")
    assert result.exit_code == 0, result.output
    rows = {row["key"]: row for row in json.loads(result.stdout)["files"]}
    assert {key: (row["from_cache"], row["checksum"]) for key, row in rows.items()} == {
        "a": (False, "listed"),
        "b": (False, "new"),
    }
    assert (tmp_path / "here" / "b.fa").read_text() == ">chr1\nACGT\n"
    again = run("fetch", "mine.toml", "--to", "here")
    assert "here/b.fa: already there; its checksum is that of the first download" in again.stderr
    assert again.stdout == "2 files in here.\n"


def test_by_default_the_folder_is_named_as_the_collection(run, served, tmp_path):
    assert run("fetch", "mine.toml", "--only", "b").exit_code == 0
    assert (tmp_path / "mine" / "b.fa").exists()
    assert not (tmp_path / "mine" / "a.bed").exists()


def test_a_dry_run_lists_and_fetches_nothing(run, work):
    result = run("fetch", "gm12878", "--dry-run", "--json")
    files = json.loads(result.stdout)["files"]
    assert len(files) == 27
    assert set(files[0]) == {"key", "url", "size", "sha256", "about"}
    assert files[-1]["sha256"] is None
    listing = run("fetch", "gm12878", "--dry-run", "--only", "MAX,chr21").stdout
    assert listing.count("https://hgdownload.soe.ucsc.edu/") == 2
    assert "not known" in listing
    assert not list(work.iterdir())


def test_errors_of_the_network_exit_with_1_and_those_of_the_user_with_2(run, refused, served):
    assert "there is no collection 'hg38'" in refused("fetch", "hg38")
    assert "there is no c: choose from a, b" in refused("fetch", "mine.toml", "--only", "c")
    (served / "b.fa.gz").unlink()
    assert "404" in refused("fetch", "mine.toml", "--only", "b", code=1)
    (served / "b.fa.gz").write_bytes(b"<html>")
    result = run("fetch", "mine.toml", "--only", "b")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("rcviz: http://127.0.0.1")
