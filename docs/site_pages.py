"""Pages of the site that are made of something else: the API of the stub, the tutorials of the notebooks."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUBJECTS = {
    "sequences": ("Sequences", "Bases, motifs, windows, simulated and real data.", ("sequences.",)),
    "layers": (
        "Layers",
        "Layers whose output for the reverse complement is that of the sequence, reversed.",
        ("layers.",),
    ),
    "models": ("Models", "The paper's networks, anybody's network, and files.", ("models.",)),
    "checks": ("Checks", "Is a model strand-symmetric, and what breaks it?", ("equivariance", "structure")),
    "training": ("Training and scores", "Training by the paper's protocol.", ("training.", "metrics")),
    "analysis": (
        "Analysis",
        "A model and data in, a frozen result with a table and a plot out.",
        ("analysis.", "tables"),
    ),
    "plots": ("Plots", "Arrays and tables in, matplotlib Axes out.", ("plots.",)),
    "widgets": ("Explorers", "Live in a notebook.", ("widgets.",)),
    "convert": ("Conversions", "From and to other networks.", ("convert.",)),
    "experiments": ("Experiments", "The paper's figures, run again.", ("experiments.",)),
}


def write(docs):
    """Write every page that is made; they are not under version control."""
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
        (subject,) = [
            key for key, (*_, starts) in SUBJECTS.items() if f"{module}.".startswith(starts) or module in starts
        ]
        pages.setdefault(subject, []).append(name)
    for subject, names in pages.items():
        title, about, _ = SUBJECTS[subject]
        entries = "\n".join(_entry(name) for name in names)
        _write(
            folder / f"{subject}.md",
            f"# {title}\n\n{about}\n\n```{{eval-rst}}\n.. currentmodule:: rcviz\n\n{entries}\n```\n",
        )
    listed = "\n".join(subject for subject in SUBJECTS if subject in pages)
    _write(
        folder / "index.md",
        f"# Reference\n\nEvery public name, by subject.\n\n```{{toctree}}\n:maxdepth: 2\n\n{listed}\n```\n",
    )


def _entry(name):
    if name[0].isupper():
        return f".. autoclass:: {name}\n   :members:\n"
    return f".. autofunction:: {name}\n"


def copy_tutorials(folder):
    shutil.rmtree(folder, ignore_errors=True)
    found = {
        "Tutorials": sorted((ROOT / "notebooks").glob("*.ipynb")),
        "The paper's figures": sorted((ROOT / "notebooks/paper").glob("*.ipynb")),
    }
    lists = ""
    for title, notebooks in found.items():
        for notebook in notebooks:
            copy = folder / notebook.relative_to(ROOT / "notebooks")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(notebook.read_text().replace("](../docs/", "](../").replace("](../../docs/", "](../../"))
        names = "\n".join(notebook.relative_to(ROOT / "notebooks").with_suffix("").as_posix() for notebook in notebooks)
        lists += f"\n```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n\n{names}\n```\n"
    about = "Each is a notebook: `rcviz lab` opens them to be run. Here they stand as they came out last.\n"
    _write(folder / "index.md", f"# Tutorials\n\n{about}{lists}")


def _write(path, text):
    """Leave a page alone that says the same, so that it is not built again."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
