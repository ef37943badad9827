"""What the page about other people's tools shows, done as it stands there."""

import re
from pathlib import Path

import pytest

import rcviz

PAGE = Path(__file__).parents[2] / "docs" / "other_tools.md"


@pytest.mark.long
@pytest.mark.filterwarnings("error::RuntimeWarning")  # by which tangermeme says that something does not add up
def test_the_code_on_the_page_runs(model, gata, tmp_path, monkeypatch):
    """Only running it shows that the code of the page works with the tools it names."""
    monkeypatch.chdir(tmp_path)
    scope = {"rcviz": rcviz, "model": model, "data": gata.subset(slice(0, 20))}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    for code in blocks:
        exec(compile(code, PAGE.name, "exec"), scope)
    assert (tmp_path / "modisco" / "attributions.npz").stat().st_size > 1000


def test_every_name_on_the_page_is_there():
    for name in re.findall(r"`(?:rcviz\.)?([a-z]\w+)\b[`(]", PAGE.read_text()):
        assert hasattr(rcviz, name) or name in ("conv1", "norm1", "relu1", "pool", "model", "data"), name
