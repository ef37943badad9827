"""Generated pages of the site: the reference from the stub of the package, the tutorials from the notebooks."""

import json
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUBJECTS = {
    "sequences": ("Sequences", "Bases, sets of sequences, splits, examples."),
    "genome": ("Genome", "From peaks and a genome to windows and their negatives."),
    "motifs": ("Motifs", "Known motifs, their files, and simulated data."),
    "layers": ("Layers", "Layers whose output for the reverse complement is the output for the sequence, reversed."),
    "models": ("Models", "The networks of the 2017 paper, adapters for any other network, files, predictions."),
    "symmetry": ("Symmetry", "Is a model strand-symmetric, and which module breaks the symmetry?"),
    "training": ("Training", "Training by the protocol of the paper, histories and checkpoints."),
    "metrics": ("Metrics", "The exact rank-sum test; `evaluate` computes auROC and auPRC."),
    "convert": ("Conversions", "To plain modules, to ONNX, and from networks of other libraries."),
    "analysis": ("Analysis", "A model and sequences in; out comes a result with a `.table` and a `.plot()`."),
    "plots": ("Plots", "Arrays, tables or results in, matplotlib Axes out."),
    "widgets": ("Explorers", "What a network has learned, to click through in a notebook."),
    "sweeps": ("Sweeps", "Many models, seeds and data sets, compared by exact tests."),
}
"""Title and first line of a page of the reference, by the package or module that public names come from."""

EXAMPLES = "api_examples.md"

NOTEBOOKS = {"Tutorials": ("notebooks", "."), "The paper's figures": ("paper/notebooks", "paper")}
"""Folders of notebooks, and where their copies go under ``tutorials/``."""


def write(docs):
    """Write every generated page; they are not under version control."""
    write_api(docs / "api")
    copy_tutorials(docs / "tutorials")


def public_names():
    """Modules and names of the public surface, in the stub's order."""
    stub = (ROOT / "rcviz" / "__init__.pyi").read_text()
    return re.findall(r"from \.([\w.]+) import (\w+) as", stub)


def write_api(folder):
    folder.mkdir(exist_ok=True)
    pages = {}
    for module, name in public_names():
        package = module.partition(".")[0]
        pages.setdefault("analysis" if package == "_core" else package, []).append(name)
    examples = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", (ROOT / "docs" / EXAMPLES).read_text(), re.M | re.S))
    pictures = gallery_pictures((ROOT / "docs" / "gallery" / "index.md").read_text())
    for subject, names in pages.items():
        title, about = SUBJECTS[subject]
        entries = "\n".join(_entry(name, pictures) for name in names)
        _write(
            folder / f"{subject}.md",
            f"# {title}\n\n{about}\n\n{examples[subject]}```{{eval-rst}}\n.. currentmodule:: rcviz\n\n{entries}\n```\n",
        )
    for page in folder.glob("*.md"):
        if page.stem not in ("index", *pages):
            page.unlink()  # of an earlier build, about a package that is gone
    listed = "\n".join(subject for subject in SUBJECTS if subject in pages)
    _write(
        folder / "index.md",
        f"# Reference\n\nEvery public name, by subject.\n\n```{{toctree}}\n:maxdepth: 2\n\n{listed}\n```\n",
    )


def gallery_pictures(page):
    """Number of the picture of each plot in the gallery, and the heading that it stands under."""
    pictures, count = {}, 0
    for section in re.split(r"^###? ", page, flags=re.M)[1:]:
        title, _, text = section.partition("\n")
        for part in text.split("\n:alt: ")[1:]:
            for name in re.findall(r"rcviz\.(plot_\w+|logo_svg)|`(\w+)\.plot`", part):
                pictures.setdefault("".join(name), (count, title))
            count += 1
    return pictures


def _entry(name, pictures):
    """Write the entry of a name; plots and results have their picture above it, which leads to the gallery."""
    kind = "class" if name[0].isupper() else "function"
    entry = f".. auto{kind}:: {name}\n" + ("   :members:\n" if kind == "class" else "")
    if name not in pictures:
        return entry
    number, title = pictures[name]
    images = "".join(
        f'<img class="drawn only-{look}" src="../_images/gallery-index-{number}-{look}.svg" loading="lazy" '
        f'alt="{title}">'
        for look in ("light", "dark")
    )
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    link = f'<p class="of-gallery"><a href="../gallery/index.html#{anchor}">{images}</a></p>'
    return f".. raw:: html\n\n   {link}\n\n{entry}"


def copy_tutorials(folder):
    shutil.rmtree(folder, ignore_errors=True)
    lists = ""
    for title, (source, target) in NOTEBOOKS.items():
        (folder / target).mkdir(parents=True)
        names = []
        for notebook in sorted((ROOT / source).glob("*.ipynb")):
            up = "../" * len(Path(source).parts)
            text = notebook.read_text().replace(f"]({up}docs/", f"]({up}")
            (folder / target / notebook.name).write_text(without_live_widgets(text))
            names.append((Path(target) / notebook.stem).as_posix())
        listed = "\n".join(names)
        lists += f"\n```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n\n{listed}\n```\n"
    about = "Each tutorial is a notebook: `rcviz lab` opens them, ready to run. Here they are with their last output.\n"
    _write(folder / "index.md", f"# Tutorials\n\n{about}{lists}")


def without_live_widgets(text):
    """Drop outputs that only a kernel can show: of progress bars, and of explorers that have no picture yet."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None) and output["data"].pop(
                "text/plain"
            )
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("data", True)]
    return json.dumps(notebook, indent=1)


def _write(path, text):
    """Write a page only if its text changes, so that Sphinx does not build it again."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
