"""Every public name has an example in its docstring, and the example gives the result that it shows."""

import copy
import doctest
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import rcviz

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NOT_RUN = {
    "export_onnx": "needs an extra; tests/convert/test_onnx.py runs it",
    "load_keras_weights": "needs a file that Keras wrote",
}


@pytest.fixture(scope="module")
def names():
    """The names that the docstring of the package defines: data and models of all examples."""
    scope: dict[str, object] = {}
    (test,) = doctest.DocTestFinder(recurse=False).find(rcviz, globs=scope)
    assert run(test, clear_globs=False) == ""
    return test.globs


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder to write into, with a small genome and peaks."""
    monkeypatch.chdir(tmp_path)
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 8000))
    Path("genome.fa").write_text(f">chr1\n{letters}\n")
    for name, first in (("peaks.narrowPeak", 500), ("open.narrowPeak", 1000)):
        rows = [f"chr1\t{at}\t{at + 200}\tpeak\t0\t.\t1\t-1\t-1\t100" for at in range(first, 7000, 1000)]
        Path(name).write_text("\n".join(rows) + "\n")


def run(test, **options):
    """Run the examples of one docstring; return the differences."""
    messages = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=messages.append, **options)
    return "".join(messages)


@pytest.mark.parametrize("name", rcviz.__all__)
def test_every_public_name_has_an_example(name):
    """A function is called; a class is created, directly or by the function that returns it."""
    public = getattr(rcviz, name)
    assert public.__module__.startswith("rcviz.")
    shown = doctest.DocTestParser().get_examples(inspect.getdoc(public), name)
    assert any(inspect.isclass(public) or f"rcviz.{name}(" in example.source for example in shown)
    skipped = any(example.options.get(doctest.SKIP) for example in shown)
    assert skipped == (name in NOT_RUN)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", rcviz.__all__)
def test_examples_give_what_they_show(name, names):
    torch.manual_seed(0)
    trained = {key: copy.deepcopy(names[key]) for key in ("model", "standard")}  # some examples train them
    tests = doctest.DocTestFinder().find(getattr(rcviz, name), name, globs={**names, **trained})
    assert "".join(run(test) for test in tests) == ""
