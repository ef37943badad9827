"""Files from other people: nothing in them is executed, sizes are checked before memory is taken, damage is refused.

The corpus holds files that once went wrong; ``make soak`` looks for more.
"""

import ast
import gzip
import io
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reliability.mutations import mutated
from reliability.readers import READERS, judge

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"

RUNS_CODE = {
    *("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "yaml", "joblib.load"),
    *("torch.load", "torch.jit.load", "torch.package", "torch.hub", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt"),
    *("pandas.read_pickle", "pandas.read_hdf", "pandas.eval", "eval", "exec", "compile", "__import__", "os.system"),
    *("os.popen", "runpy", "tarfile", "zipfile", "shutil.unpack_archive", "xml", "lxml"),
}
"""Names that run code from a file or unpack to paths that it chooses; entities of XML grow without limit."""


ALLOWED = {
    "xml.py": "entities are refused, and expat itself loads none from elsewhere",
    "keras_files.py": "two members of known names and limited size are read, and nothing is unpacked to a path",
}
"""Files of the package with such a name, and why it does no harm there; the corpus and the fuzzer try both."""


pytestmark = pytest.mark.usefixtures("as_users_run")  # readers must refuse by themselves


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("RCVIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Files that each reader reads, by its name."""
    folder = tmp_path_factory.mktemp("seeds")
    return {name: reader.seeds(folder) for name, reader in READERS.items()}


def put(folder, name, content):
    """Write content under the name that a reader expects."""
    path = folder / READERS[name].file
    path.write_bytes(content)
    return path


# ---------------------------------------------------------------- nothing is executed


def dangers(source):
    """List imports and calls that could run code from a file, by line."""
    tree = ast.parse(source)
    full, found = {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
            full |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found += [(node.lineno, name) for name in (node.module, *names.values())]
            full |= names
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            found.append((node.value.lineno, "pickle"))
        if isinstance(node, ast.Call) and ast.unparse(node) != "exec('')":  # which runs nothing
            parts, function = [], node.func
            while isinstance(function, ast.Attribute):
                parts.append(function.attr)
                function = function.value
            if isinstance(function, ast.Name):
                name = full.get(function.id, function.id)
                found.append((node.lineno, ".".join([name, *reversed(parts)])))
                if {"shell"} & {keyword.arg for keyword in node.keywords}:
                    found.append((node.lineno, "os.system"))
    prefixes = tuple(f"{name}." for name in RUNS_CODE)
    return [(line, name) for line, name in found if name in RUNS_CODE or name.startswith(prefixes)]


def test_the_package_has_nothing_that_runs_what_a_file_holds():
    found = {path.name: dangers(path.read_text()) for path in (ROOT / "rcviz").rglob("*.py")}
    assert len(found) > 100
    assert {name: places for name, places in found.items() if places and name not in ALLOWED} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from torch import load\nload(x)",
        "import numpy as np\nnp.load(x)",
        "eval(x)",
        "import yaml as y",
        "import torch\ntorch.load(x)",
        "import pandas as pd\npd.read_pickle(x)",
        "f(allow_pickle=True)",
        "import subprocess as s\ns.run(x, shell=True)",
        "def f():\n from joblib import load as l\n return l(x)",
    ],
)
def test_the_search_finds_examples(source):
    assert dangers(source)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def bombs(marker):
    """A pickle in every wrapping in which models and arrays travel."""
    import torch

    for protocol in (0, 2, 5):
        yield f"pickle {protocol}", pickle.dumps(Bomb(marker), protocol)
    file = io.BytesIO()
    torch.save(Bomb(marker), file)
    yield "torch", file.getvalue()
    array = np.array([Bomb(marker)], dtype=object)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    yield "npy", file.getvalue()
    file = io.BytesIO()
    np.savez(file, codes=array)
    yield "npz", file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../data.pkl", pickle.dumps(Bomb(marker)))
    yield "zip", file.getvalue()
    yield "gzip", gzip.compress(pickle.dumps(Bomb(marker)))


def test_a_bomb_goes_off_where_it_is_unpickled(tmp_path):
    for number, (_, content) in enumerate(bombs(tmp_path / "marker")):
        if number < 3:
            pickle.loads(content)
            (tmp_path / "marker").rmdir()


@pytest.mark.parametrize("name", READERS)
def test_a_pickle_under_any_name_is_refused_in_one_sentence(name, tmp_path):
    for kind, content in bombs(tmp_path / "marker"):
        path = put(tmp_path, name, content)
        assert judge(READERS[name], path) is None, kind
        if name != "run_record":  # a store ignores files that are not records
            with pytest.raises((ValueError, OSError)):
                READERS[name].read(path)
        assert not (tmp_path / "marker").exists(), kind


# ---------------------------------------------------------------- sizes are checked before memory is taken

TOO_LARGE = Path(__file__).with_name("too_large.py")


@pytest.mark.long
def test_files_that_claim_too_much_are_refused_in_little_memory(tmp_path):
    """Only a process with a limit shows it: each file claims, or unpacks to, far more than the process may use."""
    done = subprocess.run(
        [sys.executable, str(TOO_LARGE), str(tmp_path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) >= 14
    for name, (wrong, sentence, expected) in results.items():
        assert wrong is None, name
        assert expected in sentence, name


# ---------------------------------------------------------------- damaged files


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_files_that_once_went_wrong(path, tmp_path):
    name = path.parent.name
    assert judge(READERS[name], put(tmp_path, name, path.read_bytes())) is None


@pytest.mark.parametrize("name", READERS)
def test_readers_read_their_own_seeds(name, seeds, tmp_path):
    for content in seeds[name]:
        READERS[name].read(put(tmp_path, name, content))


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_sentence(name, seeds, tmp_path_factory, private_cache):
    folder = tmp_path_factory.mktemp("damaged")

    @settings(max_examples=20, derandomize=True, database=None, deadline=None)
    @given(st.integers(0, 2**32))
    def check(number):
        chance = random.Random(number)
        content = mutated(chance.choice(seeds[name]), seeds[name], chance)
        assert judge(READERS[name], put(folder, name, content)) is None, number

    check()
