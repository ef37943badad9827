"""What the how-to pages show is run; a block marked "py" needs what a test has not, such as a cluster."""

import re
import subprocess
import sys
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


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", DOCS, tmp_path / "site"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert told.returncode == 0, told.stderr
    page = (tmp_path / "site" / "howto" / "own_peaks.html").read_text()
    assert "Train on your own peaks" in page
