"""Downloads, from a server on this machine that does what servers do wrong. No real address is visited."""

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import json
import os
import signal
import socket
import struct
import threading

import pytest

from rcviz._core import text_files as reading
from rcviz.genome import download as fetching
from rcviz.genome.download import choose, fetch, read_sources

pytest.importorskip("pooch")


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content``; drops the connection after so many bytes of a reply, as often as ``drops`` has entries."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.drops = []
        self.resets = False
        self.is_gone = False
        self.n_requests = 0
        self.before_body = lambda: None

    def handle_error(self, request, address):
        pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/some/where/peaks.narrowPeak.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.n_requests += 1
        if server.is_gone:
            self.send_error(404, "Not Found")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        server.before_body()
        if server.drops:
            self.wfile.write(server.content[: server.drops.pop(0)])
            self.wfile.flush()
            if server.resets:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_WR) if not server.resets else self.connection.close()
            return
        self.wfile.write(server.content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)  # pooch waits before it tries again
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def source(server, shared_peaks):
    """The real peaks of MAX, as the bundled list knows them, at this machine's address."""
    server.content = shared_peaks["MAX"].read_bytes()
    (listed,) = choose(read_sources("gm12878"), ["MAX"])
    return dataclasses.replace(listed, url=server.url)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_is_unpacked_checked_and_not_fetched_twice(server, source, tmp_path):
    folder = tmp_path / "new"
    first = fetch(source, folder, progress=False)
    assert (first.from_cache, first.checksum, first.sha256) == (False, "listed", source.sha256)
    assert first.path.read_bytes() == gzip.decompress(server.content)
    assert first.path.stat().st_mode & 0o044  # not for its owner alone, as temporary files are
    assert left_in(folder) == [fetching.RECORD, "peaks.narrowPeak"]
    again = fetch(source, folder, progress=False)
    assert (again.from_cache, again.checksum) == (True, "listed")
    assert server.n_requests == 1


def test_a_file_that_is_replaced_keeps_what_it_was(source, tmp_path):
    """But a link is replaced: a folder for downloads may be open to others."""
    folder = tmp_path / "new"
    folder.mkdir()
    real = folder / source.name
    real.write_text("damaged")
    real.chmod(0o400)
    with pytest.raises(ValueError, match="write-protected"):
        fetch(source, folder, progress=False)
    assert real.read_text() == "damaged"
    real.chmod(0o600)
    assert fetch(source, folder, progress=False).sha256 == source.sha256
    assert real.stat().st_mode & 0o777 == 0o600
    real.chmod(0o400)
    assert fetch(source, folder, progress=False).from_cache  # a complete file may be protected
    real.unlink()
    real.mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        fetch(source, folder, progress=False)


@pytest.mark.parametrize("name", ["CTCF", "SPI1", "MAX", "DNase"])
def test_the_listed_checksums_are_those_of_the_shared_files(name, shared_peaks):
    (source,) = choose(read_sources("gm12878"), [name])
    content = gzip.decompress(shared_peaks[name].read_bytes())
    assert source.sha256 == hashlib.sha256(content).hexdigest()
    assert source.size == len(content)
    assert source.url.endswith("/" + shared_peaks[name].name)


def test_a_damaged_file_is_fetched_again(server, source, tmp_path):
    path = fetch(source, tmp_path, progress=False).path
    path.write_bytes(path.read_bytes()[:-1])
    assert not fetch(source, tmp_path, progress=False).from_cache
    assert path.read_bytes() == gzip.decompress(server.content)


@pytest.mark.parametrize("resets", [False, True], ids=["cut off", "connection reset"])
def test_a_broken_download_is_tried_again(server, source, tmp_path, resets):
    server.drops, server.resets = [100_000, 50_000], resets
    assert fetch(source, tmp_path, progress=False).sha256 == source.sha256
    assert server.n_requests == 3
    assert left_in(tmp_path) == [fetching.RECORD, "peaks.narrowPeak"]


def test_a_connection_that_breaks_again_and_again_leaves_nothing(server, source, tmp_path):
    server.drops = [1000] * 3
    with pytest.raises(ConnectionError, match="could not be fetched"):
        fetch(source, tmp_path, progress=False)
    assert left_in(tmp_path) == []
    assert fetch(source, tmp_path, progress=False).sha256 == source.sha256


@pytest.mark.parametrize("moment", ["downloading", "unpacking"])
def test_a_killed_download_leaves_nothing_that_is_taken_for_whole(server, source, tmp_path, monkeypatch, moment):
    def killed(path, file):
        if moment == "unpacking":
            yield next(reading.unpacked(path, file))
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        monkeypatch.setattr(fetching, "unpacked", killed)
        with contextlib.suppress(Exception):
            fetch(source, tmp_path, progress=False)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert source.name not in left_in(tmp_path)
    assert not fetch(source, tmp_path, progress=False).from_cache
    left = [tmp_path / name for name in left_in(tmp_path) if name not in (fetching.RECORD, source.name)]
    assert sum(path.stat().st_size for path in left) == 0  # pooch's own empty file, which the unpacked one replaces


def test_two_processes_may_fetch_the_same_file_at_once(server, source, tmp_path):
    both_ask = threading.Barrier(2)
    server.before_body = lambda: both_ask.wait(timeout=30)
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(Exception):
            code = 0 if fetch(source, tmp_path, progress=False).sha256 == source.sha256 else 1
        os._exit(code)
    assert fetch(source, tmp_path, progress=False).sha256 == source.sha256
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.n_requests == 2
    assert left_in(tmp_path) == [fetching.RECORD, "peaks.narrowPeak"]
    assert json.loads((tmp_path / fetching.RECORD).read_text()) == {"peaks.narrowPeak": source.sha256}


@pytest.mark.parametrize(("listens", "message"), [(True, "404"), (False, "could not be fetched")])
def test_nothing_is_left_of_a_file_that_is_not_there(server, source, tmp_path, listens, message):
    server.is_gone = True
    if not listens:
        server.shutdown()
        server.server_close()
    with pytest.raises(ConnectionError, match=message):
        fetch(source, tmp_path, progress=False)
    assert left_in(tmp_path) == []


def other_content(content):
    return gzip.compress(gzip.decompress(content)[:-1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_content, "does not match the known hash"),
        (lambda content: content[:-20], "damaged gzip file"),
        (lambda content: content[:5000] + b"\0\1\2" + content[5003:], "damaged gzip file|known hash"),
        (lambda content: b"<html>The file has moved.</html>", "damaged gzip file"),
    ],
    ids=["other content", "cut off on the server", "flipped bytes", "an HTML page"],
)
def test_nothing_is_kept_of_wrong_content(server, source, tmp_path, spoil, message):
    good, server.content = server.content, spoil(server.content)
    with pytest.raises(ValueError, match=message):
        fetch(source, tmp_path, progress=False)
    assert left_in(tmp_path) == []
    server.content = good
    assert fetch(source, tmp_path, progress=False).sha256 == source.sha256


def test_a_good_file_stays_when_what_should_replace_it_is_wrong(server, source, tmp_path):
    path = fetch(source, tmp_path, progress=False).path
    before = path.read_bytes()
    server.content = other_content(server.content)
    with pytest.raises(ValueError, match="known hash"):
        fetch(dataclasses.replace(source, sha256="0" * 64), tmp_path, progress=False)
    assert path.read_bytes() == before


def test_without_a_known_checksum_the_first_download_is_trusted_and_recorded(server, source, tmp_path):
    unknown = dataclasses.replace(source, sha256=None)
    first = fetch(unknown, tmp_path, progress=False)
    assert (first.checksum, first.sha256) == ("new", source.sha256)
    assert json.loads((tmp_path / fetching.RECORD).read_text()) == {"peaks.narrowPeak": source.sha256}
    assert fetch(unknown, tmp_path, progress=False).checksum == "recorded"
    first.path.unlink()
    server.content = other_content(server.content)
    with pytest.raises(ValueError, match="known hash"):
        fetch(unknown, tmp_path, progress=False)
    assert left_in(tmp_path) == [fetching.RECORD]


def test_the_bundled_list_names_what_the_paper_used():
    sources = read_sources("gm12878")
    assert [source.key for source in sources[:4]] == ["CTCF", "SPI1", "MAX", "DNase"]
    assert [source.key for source in sources[4:]] == [f"chr{name}" for name in [*range(1, 23), "X"]]
    assert all(source.url.startswith("https://hgdownload.soe.ucsc.edu/goldenPath/hg19/") for source in sources)
    assert [source.sha256 is None for source in sources] == [False] * 4 + [True] * 23
    assert len({source.name for source in sources}) == len(sources)


def test_sizes_of_chromosomes_are_those_of_the_assembly():
    bioframe = pytest.importorskip("bioframe")
    sizes = bioframe.assembly_info("hg19").chromsizes
    assert all(source.size == sizes[source.key] for source in read_sources("gm12878")[4:])


NO_NAMES = r"""..  a\\..\\b  C:chr1.fa  a\u0000b  con  LPT1.fa  -rf  checksums.json  CHECKSUMS.json  a..b  .hidden  a\nb
    a\u001b[2Jb  a?b  a%2fb  \u00e9  x.part:y  a\u202eb  ~root  $HOME"""  # as TOML spells them


def listing(name):
    """A list of one file."""
    return f'[[file]]\nkey="a"\nabout="b"\nsize=1\nurl="https://host/some/{name}.gz"'


def sources_of(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_sources(str(path))


@pytest.mark.parametrize("name", [*NO_NAMES.split(), "a b"])
def test_names_that_are_paths_or_taken_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"mine\.toml: entry 1 (has the url|would be saved as)") as raised:
        sources_of(tmp_path, listing(name))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["../chr1.fa", "/etc/chr1.fa", "a/../../chr1.fa"])
def test_what_stands_before_the_last_slash_is_a_place_on_the_server(tmp_path, name):
    assert [source.name for source in sources_of(tmp_path, listing(name))] == ["chr1.fa"]


@pytest.mark.parametrize(("key", "name"), [("a", "other"), ("b", "x"), ("b", "X")])
def test_two_files_are_not_kept_as_one(tmp_path, key, name):
    entry = '[[file]]\nkey="{}"\nabout="b"\nsize=1\nurl="https://host/{}.gz"\n'
    with pytest.raises(ValueError, match=r"two entries .* (key|file name) '[ax]'"):
        sources_of(tmp_path, entry.format("a", "x") + entry.format(key, name))


def test_a_server_that_sends_far_more_than_the_list_says_is_hung_up_on(server, source, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_SMALLEST_LIMIT", 1 << 17)
    server.content = bytes(1 << 20)
    with pytest.raises(ValueError, match="more than 131,072 bytes"):
        fetch(dataclasses.replace(source, size=9), tmp_path, progress=False)
    assert left_in(tmp_path) == []


def test_nothing_is_written_through_a_link(server, source, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "peaks.narrowPeak").symlink_to(mine)
    assert fetch(source, folder, progress=False).path.read_bytes() == gzip.decompress(server.content)
    assert mine.read_text() == "kept"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file = [", "not TOML"),
        ("file = 3", "lists no files"),
        ("file = [1]", "entry 1 has '1', expected key"),
        ('[[file]]\nkey=1\nabout="b"\nsize=1\nurl="https://h/a.gz"', "has the key '1', expected text"),
        ('[[file]]\nkey="a"\nabout="b"\nsize=-1\nurl="https://h/a.gz"', "has the size '-1', expected a whole number"),
        ('[[file]]\nkey="a"\nabout="b"\nsize=1\nsha256="x"\nurl="https://h/a.gz"', "has the sha256 'x', expected 64"),
        ("", "lists no files"),
        ('[[file]]\nkey = "a"', "entry 1 has key"),
        ('[[file]]\nkey="a"\nabout="b"\nsize=1\nurl="file:///etc/passwd"', "expected http"),
        ('[[file]]\nkey="a"\nabout="b"\nsize=1\nurl="https://host/...gz"', "expected http"),
    ],
)
def test_a_malformed_list_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        sources_of(tmp_path, text)


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="give gm12878"):
        read_sources("hg38")
    with pytest.raises(ValueError, match="there is no chr23: choose from CTCF, SPI1"):
        choose(read_sources("gm12878"), ["chr21", "chr23"])


def test_a_missing_pooch_is_named(source, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "rcviz\[fetch\]"'):
        fetch(source, tmp_path)
