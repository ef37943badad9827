"""How modules and style sheets become the page of an explorer."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from rcviz.plots.glyphs import glyph
from rcviz.widgets import front_end
from rcviz.widgets.data import block, unpack

MODULES = sorted(front_end.STATIC.glob("*.js"))
ENTRIES = ("filters.js", "strands.js", "sequence.js", "training.js")
TESTS = front_end.STATIC.parents[2] / "tests" / "javascript" / "pure.test.js"


@pytest.mark.skipif(
    shutil.which("node") is None, reason="no node: tests/browser/test_front_end.py runs them in Chromium"
)
def test_the_pure_parts_in_node():
    code = f"const tests = await import({TESTS.as_uri()!r}); const result = tests.run(); console.log(result.number); "
    code += "if (result.failures.length) throw new Error(result.failures.join('\\n'));"
    ended = subprocess.run(["node", "--input-type=module", "-e", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= 15


def test_every_module_is_used():
    joined = "".join(front_end.script(entry) for entry in ENTRIES)
    unused = [path.name for path in MODULES if path.read_text().splitlines()[0] not in joined]
    assert unused == ["saved.js"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_modules_are_joined_each_once_in_the_order_of_need(entry):
    joined = front_end.script(entry)
    for path in MODULES:
        assert joined.count(path.read_text().splitlines()[0]) <= 1, path
    data = {"filters.js": "filtersOf", "strands.js": "strandsOf", "sequence.js": "sequenceOf", "training.js": "runsOf"}[
        entry
    ]
    assert joined.index("function unpack") < joined.index(f"function {data}") < joined.index("const widget =")
    assert not re.search(r"^import ", joined, re.MULTILINE)
    assert re.findall(r"^export .*", joined, re.MULTILINE) == ["export default widget;"]


def test_names_are_unique_in_all_modules():
    """In one module a name that two declare is an error of syntax; this says which."""
    declared = {}
    for path in MODULES:
        found = re.findall(
            r"^(?:export )?(?:async )?(?:function|class|const|let) ([A-Za-z_]\w*)", path.read_text(), re.MULTILINE
        )
        for name in found:
            declared.setdefault(name, []).append(path.name)
    del declared["widget"]  # in every explorer's own module, which no other imports
    assert {name: files for name, files in declared.items() if len(files) > 1} == {}


@pytest.mark.parametrize(
    "source", ['import * as all from "./text.js";\n', 'export { one } from "./two.js";\n', 'import x from "y";\n']
)
def test_what_cannot_be_joined_is_refused(source, tmp_path, monkeypatch):
    (tmp_path / "odd.js").write_text(source)
    monkeypatch.setattr(front_end, "STATIC", tmp_path)
    with pytest.raises(ValueError, match=r"odd\.js cannot be joined"):
        front_end.script("odd.js")


def test_text_is_never_markup():
    for path in MODULES:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", path.read_text()), path
        assert "</script" not in path.read_text()


def test_nothing_is_fetched():
    """VS Code and Colab load an explorer from memory into a frame that may refuse every address."""
    for path in [*MODULES, *front_end.STATIC.glob("*.css")]:
        text = path.read_text()
        addresses = set(re.findall(r"""https?://[^\s"'`]*""", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses == set(), path
        assert not re.search(
            r"\b(fetch|XMLHttpRequest|WebSocket|Worker|importScripts)\b|\bimport\(|@import|url\(", text
        )


def test_every_style_is_inside_the_explorer():
    for sheet in front_end.STATIC.glob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
        for selector in re.findall(r"([^{};]+)\{", text):
            parts = re.split(r",(?![^(]*\))", selector.strip())
            assert all(part.strip().startswith((".rcviz-explorer", "@container")) for part in parts), selector


def test_explorers_that_are_open_together_keep_their_styles():
    """All of their sheets are on one page, and use the same names."""
    shared = front_end.style("filters", "explorer.css")
    assert front_end.style("filters", "explorer.css", "filters.css").startswith(shared)
    for kind, sheets in (("filters", ["filters.css"]), ("strands", ["strands.css"]), ("training", ["training.css"])):
        text = re.sub(r"/\*.*?\*/", "", front_end.style(kind, *sheets), flags=re.DOTALL)
        assert text.count(".rcviz-explorer") > 20
        assert re.findall(rf"\.rcviz-explorer(?!:where\(\[data-kind=\"{kind}\"\]\)).*", text) == []


def test_letters_are_those_of_all_other_logos():
    source = (front_end.STATIC / "logo.js").read_text()
    commands = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CLOSEPOLY: "Z"}
    for letter in "ACGT":
        outline = re.search(rf'^  {letter}: "(.*)",$', source, re.MULTILINE)[1]
        parts = [(part[0], np.array(part[1:].split(), float)) for part in re.findall(r"[MLQZ][^MLQZ]*", outline)]
        expected = list(glyph(letter).iter_segments(simplify=False))
        assert [command for command, _ in parts] == [commands[code] for _, code in expected]
        for (command, numbers), (points, _) in zip(parts, expected, strict=True):
            if command != "Z":
                np.testing.assert_allclose(numbers / 1000, points, atol=6e-4)


@pytest.mark.parametrize("kind", ["f4", "f2", "u1", "i4"])
def test_blocks_hold_their_arrays(kind):
    values = np.arange(24).reshape(2, 3, 4)
    packed = block(values[:, ::-1], kind)
    assert packed["shape"] == [2, 3, 4]
    assert packed["data"].nbytes == 24 * np.dtype(kind).itemsize
    np.testing.assert_array_equal(unpack(packed), values[:, ::-1])
