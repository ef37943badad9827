"""The code on the pages of the site runs; a block of a how-to page marked "py" needs more, such as a cluster."""

import inspect
import itertools
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from sphinx.cmd.build import build_main

import rcviz
from rcviz.plots.colors import MODEL_COLORS, NEGATIVE, POSITIVE, letter_colors

DOCS = Path(__file__).parents[1] / "docs"
BASES = np.array(list("ACGT"))


@pytest.fixture
def with_files(tmp_path, monkeypatch):
    """A small genome, peaks, open chromatin and files of models, with the names of the pages."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"chr{number}" for number in (1, 2, 3, 4)]
    sequences = {name: "".join(rng.choice(BASES, 20_000)) for name in names}
    Path("genome.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    for file, first in (("peaks", 0), ("open", 250)):
        lines = [
            f"{name}\t{at}\t{at + 200}\t.\t0\t.\t1\t-1\t-1\t100"
            for name in names
            for at in range(500 + first, 19_000, 500)
        ]
        Path(f"{file}.narrowPeak").write_text("\n".join(lines) + "\n")
    layers = {"scan": torch.nn.Conv1d(4, 6, 11), "head": torch.nn.Linear(6, 1)}
    weights = {f"{name}.{key}": value for name, layer in layers.items() for key, value in layer.state_dict().items()}
    torch.save(weights, "own.pt")
    torch.save({"epoch": 3, "state_dict": {f"net.{key}": value for key, value in weights.items()}}, "last.ckpt")
    Path("hub").mkdir()
    Path("hub", "hubconf.py").write_text(
        "from torch import nn\n\n\ndef small():\n"
        "    layers = nn.Conv1d(4, 6, 9), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 1)\n"
        "    return nn.Sequential(*layers)\n"
    )


@pytest.mark.parametrize("page", sorted((DOCS / "howto").glob("*.md")), ids=lambda page: page.stem)
@pytest.mark.usefixtures("with_files")
def test_the_code_of_a_page_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks or page.stem == "index"
    code = "\n".join(blocks).replace("epochs=30", "epochs=1")
    exec(compile(code, page.name, "exec"), {"__name__": "__page__"})


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_site_is_built_without_a_warning(tmp_path):
    """Only a build shows that references lead somewhere and that the code of explanations and gallery runs."""
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", DOCS, tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "howto" / "own_peaks.html").read_text()
    assert "Train on your own peaks" in page
    gallery = (tmp_path / "site" / "gallery" / "index.html").read_text()
    assert 'showSaved(widget, document.getElementById("rcviz-explorer-0")' in gallery
    assert len(gallery) < 500_000
    fetched = re.compile(r'<(?:script|link rel="stylesheet"|img)[^>]* (?:src|href)="https?:')
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert [page.name for page in pages if fetched.search(page.read_text())] == []


@pytest.fixture
def docs_modules(monkeypatch):
    """Make the modules under docs/ importable."""
    monkeypatch.syspath_prepend(DOCS)


@pytest.mark.usefixtures("docs_modules")
def test_the_figure_of_two_strands_is_what_the_layers_compute():
    import two_strands

    layers = two_strands.tied_layers()
    readings = [two_strands.SEQUENCE, rcviz.reverse_complement(two_strands.SEQUENCE)]
    forward, reverse = (two_strands.feature_maps(layers, reading) for reading in readings)
    for layer, rows in enumerate(two_strands.connections(layers), start=1):
        for channel, neurons in enumerate(rows):
            for at, inputs in enumerate(neurons):
                mirrored = rows[-1 - channel][-1 - at]
                own, other = forward[layer][channel][at], reverse[layer][-1 - channel][-1 - at]
                assert own == other
                for maps, read, value in ((forward, inputs, own), (reverse, mirrored, other)):
                    total = sum(weight * maps[layer - 1][source][place] for source, place, weight, _ in read)
                    assert value == (max(total, 0) if layer < 3 else total)
                # Each stored weight is multiplied with the same value in both readings.
                met = [
                    sorted((stored, weight, maps[layer - 1][source][place]) for source, place, weight, stored in read)
                    for maps, read in ((forward, inputs), (reverse, mirrored))
                ]
                assert met[0] == met[1]


@pytest.mark.usefixtures("docs_modules")
def test_code_of_a_page_is_run_like_cells():
    import running
    from matplotlib.figure import Figure

    page = {}
    assert running.execute("a = 1\nprint(a)", "page", page) == ("1", [])
    printed, drawn = running.execute("import rcviz\nrcviz.plot_logo(rcviz.load_motif('CTCF_known1'))", "page", page)
    assert (printed, [type(picture) for picture in drawn]) == ("", [Figure])
    assert running.execute("'<svg></svg>' * a", "page", page) == ("", ["<svg></svg>"])
    with pytest.raises(ZeroDivisionError):
        running.execute("a / 0", "page", page)


def test_code_that_fails_and_pictures_that_some_cannot_read_fail_the_build(tmp_path, capsys):
    """Built in this process, which has imported all that the pages use."""
    drawn = "import rcviz\nax = rcviz.plot_logo(rcviz.load_motif('CTCF_known1'))"
    grey = f"{drawn}\nfor name in 'ab': ax.plot([1, 2], color='#777777', label=name)\nax.legend()"
    pages = {"fails": "1 / 0", "no_words": drawn, "grey": f":alt: Lines.\n{grey}", "good": f":alt: A logo.\n{drawn}"}
    for name, code in pages.items():
        (tmp_path / f"{name}.md").write_text(f"# Page\n\n```{{run}}\n{code}\n```\n")
    listed = "\n".join(pages)
    (tmp_path / "index.md").write_text(f"# Site\n\n```{{toctree}}\n{listed}\n```\n")
    path = f"import sys\nsys.path.insert(0, {str(DOCS)!r})\n"
    (tmp_path / "conf.py").write_text(path + 'extensions = ["myst_nb", "running"]\nnb_execution_mode = "off"\n')
    threads = torch.get_num_threads()  # a build takes one
    code = build_main(["--quiet", "--fail-on-warning", "--keep-going", str(tmp_path), str(tmp_path / "site")])
    torch.set_num_threads(threads)
    assert code != 0
    messages = capsys.readouterr().err
    errors = dict(re.findall(r"(\w+)\.md:\d+: ERROR: (.*?) \[", messages))
    assert errors.keys() == {"fails", "no_words", "grey"}, messages
    assert "ZeroDivisionError" in errors["fails"]
    assert ":alt:" in errors["no_words"]
    assert re.search("'a'.*'b'", errors["grey"])
    images = sorted(path.name for path in (tmp_path / "site" / "_images").iterdir())
    assert images == ["good-0-dark.svg", "good-0-light.svg"]


@pytest.mark.usefixtures("docs_modules")
def test_short_fractions():
    from mathml import mathml

    for formula in (r"\tfrac12 x", r"\frac12 x", r"\frac{1}{2} x"):
        assert re.search(r"<mfrac>\s*<mn>1</mn>\s*<mn>2</mn>\s*</mfrac>\s*<mi>x</mi>", mathml(formula)), formula


@pytest.mark.usefixtures("docs_modules")
def test_colours_of_the_gallery_stay_apart_on_dark_pages():
    import looks

    def luminance(color):
        return ((looks.lab(color)[0] + 16) / 116) ** 3 + 0.05  # above L = 8, as WCAG adds it

    letters = [letter_colors("colorblind")[letter] for letter in "ACGT"]
    for palette in (letters, [POSITIVE, NEGATIVE], MODEL_COLORS[:3]):
        dark = [looks.dark_color(color) for color in palette]
        assert min(abs(looks.lab(a)[0] - looks.lab(b)[0]) for a, b in itertools.combinations(dark, 2)) > 14
        assert min(luminance(color) for color in dark) / luminance(looks.DARK_PAGE) > 2.7
    assert looks.lab(looks.dark_color("#333333"))[0] > 70
    assert looks.dark_color("#ffffff") == looks.DARK_PAGE
    np.testing.assert_allclose(looks.lab("red"), [53.24, 80.09, 67.20], atol=0.05)


@pytest.mark.usefixtures("docs_modules")
def test_the_dark_picture_changes_colours_and_no_words():
    import looks

    dark = looks.dark('<svg><path style="fill: #ffffff"/><use href="#f0123456789-a"/><text>#ffffff</text></svg>')
    assert f"fill: {looks.DARK_PAGE}" in dark
    assert 'href="#f0123456789-a"' in dark
    assert "<text>#ffffff</text>" in dark


@pytest.mark.usefixtures("docs_modules")
@pytest.mark.parametrize(
    ("look", "other", "apart"),
    [
        ({"color": POSITIVE}, {"color": NEGATIVE}, True),
        ({"color": "#777777"}, {"color": "#7a7a7a"}, False),
        ({"color": "green", "marker": "o"}, {"color": "green", "marker": "s"}, True),
        ({"color": "green", "linestyle": "--"}, {"color": "green", "linestyle": ":"}, True),
        ({"color": "green", "marker": "o"}, {"color": "green", "marker": "o", "markerfacecolor": "none"}, True),
        ({"color": "#2f9e82"}, {"color": "#c06a5a"}, False),
    ],
)
def test_entries_alike_in_grey_are_found(look, other, apart):
    import looks
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], label="one", **look)
    axes.plot([1, 0], label="other", **other)
    axes.legend()
    assert looks.alike_in_grey(figure) == ([] if apart else [("one", "other")])


def test_the_gallery_shows_every_plot_and_explorer():
    import ipywidgets

    shown = (DOCS / "gallery" / "index.md").read_text()
    for name in rcviz.__all__:
        public = getattr(rcviz, name)
        if (
            name.startswith("plot_")
            or name == "logo_svg"
            or (inspect.isclass(public) and issubclass(public, ipywidgets.Widget))
        ):
            assert re.search(rf"rcviz\.{name}[`(]", shown), f"{name} has no picture in docs/gallery/index.md"
        elif hasattr(public, "plot"):
            assert f"`{name}.plot`" in shown, f"{name}.plot has no picture in docs/gallery/index.md"


LINK = re.compile(
    r"\]\(<?((?:[a-z]+:)?//[^\s>]*?)>?\)|<((?:[a-z]+:)?//[^\s>]+)>|(?<!xmlns=)(?<!xmlns=\\)\"(https?:/[^\s\"]*)\"",
    re.IGNORECASE,
)


def test_links_to_the_web_are_https_and_whole():
    root = DOCS.parent
    pages = [
        *root.glob("*.md"),
        *(page for page in DOCS.rglob("*.md") if not {"api", "tutorials"} & set(page.relative_to(DOCS).parts)),
        *(root / "notebooks").rglob("*.ipynb"),
    ]
    links = [(page.name, *filter(None, found)) for page in pages for found in LINK.findall(page.read_text())]
    assert len(links) > 5
    for page, link in links:
        parts = urlsplit(link)
        whole = parts.scheme == "https" and re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", parts.netloc)
        assert whole, f"{page}: {link}"
        assert not re.search(r"[\\,]|\.$", link), f"{page}: {link}"
