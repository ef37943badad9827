"""What the how-to pages show is run; a block marked "py" needs what a test has not, such as a cluster."""

import re
from pathlib import Path

import numpy as np
import pytest

DOCS = Path(__file__).parents[1] / "docs"
BASES = np.array(list("ACGT"))


@pytest.fixture
def with_files(tmp_path, monkeypatch):
    """A small genome, peaks and open chromatin, under the names that the pages use."""
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


@pytest.mark.parametrize("page", sorted((DOCS / "howto").glob("*.md")), ids=lambda page: page.stem)
@pytest.mark.usefixtures("with_files")
def test_what_a_page_shows_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks or page.stem == "index"
    code = "\n".join(blocks).replace("epochs=30", "epochs=1")
    exec(compile(code, page.name, "exec"), {"__name__": "__page__"})


def test_every_page_is_in_a_table_of_contents():
    for folder in ("howto", "explanation"):
        listed = set(
            re.search(r"\{toctree\}.*?\n\n(.*?)```", (DOCS / folder / "index.md").read_text(), re.DOTALL)[1].split()
        )
        assert listed == {page.stem for page in (DOCS / folder).glob("*.md")} - {"index"}
