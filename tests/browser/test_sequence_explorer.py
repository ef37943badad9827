"""The sequence explorer as a person uses it: which base flips this prediction? Read, type, see; live and saved."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from frontends import end_kernels, run_cell
from playwright.sync_api import expect

import rcviz

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NAME = "<img src=x onerror='window.pwned=1'>"
ROOT = '.rcviz-explorer[data-kind="sequence"]'
SIZE = {"sequence_length": 120, "pool_size": 53, "n_tasks": 2}
CELLS = [
    f"""
import os, time, numpy as np, rcviz
from rcviz.widgets import sequence
name = {NAME!r}
def wait_for_test():
    while os.path.exists("wait"):
        time.sleep(0.05)
def predict_when_told(*args, pack=sequence.pack_predictions):
    while os.path.exists("do not predict"):
        time.sleep(0.05)
    return pack(*args)
sequence.pack_predictions = predict_when_told
codes = np.random.default_rng(0).integers(0, 4, (5, 120), dtype=np.uint8)
data = rcviz.SequenceSet(codes, chrom=["chr1"] * 5, start=[1000] * 5, end=[1120] * 5)
size = {SIZE!r}
models = {{
    "RC": rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=4, **size)),
    name: rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=9, **size)),
}}
""",
    "explorer = rcviz.SequenceExplorer(models, data, sequence=2, threshold=THRESHOLD)\n"
    "explorer.state.model = name\nexplorer",
]


def plain_model():
    return rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=9, **SIZE), seed=0).eval()


def plain(codes):
    """Probabilities of both strands of sequences by the standard model, for the first task, in plain torch."""
    x = torch.nn.functional.one_hot(torch.from_numpy(codes.astype(np.int64)), 4).transpose(1, 2).float()
    with torch.no_grad():
        return np.stack([plain_model()(strand)[:, 0].sigmoid().numpy() for strand in (x, x.flip(1, 2))])


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(0).integers(0, 4, (5, 120), dtype=np.uint8)


@pytest.fixture(scope="module")
def threshold(codes):
    """Near the prediction of one strand, so that some changes flip it."""
    return round(float(plain(codes[2:3])[1, 0]) + 0.002, 4)


@pytest.fixture(scope="module")
def lab(notebook, threshold):
    """A page of JupyterLab that has run all cells."""
    cells = [cell.replace("THRESHOLD", str(threshold)) for cell in CELLS]
    return notebook("sequence.ipynb", cells, height=1400)


def ready(page):
    """The explorer, when all of the sequence that is shown is computed and painted."""
    explorer = page.locator(ROOT)
    explorer.scroll_into_view_if_needed()
    expect(explorer).to_have_attribute("data-state", "ready", timeout=120_000)
    return explorer


def predictions(explorer, key):
    """Both predictions of the standard model, once those of a sequence with its changes are painted."""
    expect(explorer.locator(".rcviz-predictions")).to_have_attribute("data-key", key, timeout=120_000)
    row = explorer.locator(".rcviz-prediction[data-model]").nth(1)
    return [float(row.locator(f"[data-strand={strand}]").inner_text()) for strand in ("forward", "reverse")]


def test_which_base_flips_this_prediction(lab, codes, threshold):
    """Read the answer, choose its row, type the base: the prediction crosses the threshold on the strand it names."""
    explorer, page = ready(lab), lab
    before = predictions(explorer, '[2,"alternative",[]]')
    assert before == pytest.approx(plain(codes[2:3])[:, 0], abs=6e-4)
    answer = explorer.locator(".rcviz-answer").inner_text()
    said = re.search(r"([ACGT])→([ACGT]) at (\d+), on (both strands|the forward strand|the reverse strand): ", answer)
    here, base, position, strands = said[1], said[2], int(said[3]), said[4]
    assert "ACGT"[codes[2, position]] == here
    row = explorer.locator(".rcviz-flip").first
    assert (row.get_attribute("data-position"), row.get_attribute("data-base")) == (str(position), base)

    every = np.repeat(codes[2:3], 480, axis=0)
    every[np.arange(480), np.repeat(np.arange(120), 4)] = np.tile(np.arange(4), 120)
    flipped = (plain(every) >= threshold) != (plain(codes[2:3]) >= threshold)
    assert f"{flipped.any(axis=0).sum()} of 360 changes" in answer
    assert answer.count(NAME) == 1

    row.click()
    expect(explorer.locator(".rcviz-edit")).to_contain_text(f"Position {position} · chr1:{1000 + position + 1:,}")
    expect(explorer.locator(".rcviz-change")).to_contain_text(f"{here}→{base} at {position}")
    page.keyboard.press(base.lower())
    after = predictions(explorer, f'[2,"alternative",[[{position},"{base}"]]]')
    changed = codes[2:3].copy()
    changed[0, position] = "ACGT".index(base)
    assert after == pytest.approx(plain(changed)[:, 0], abs=6e-4)
    crossed = [bool((one >= threshold) != (other >= threshold)) for one, other in zip(before, after, strict=True)]
    expected = {"both strands": [True, True], "the forward strand": [True, False], "the reverse strand": [False, True]}
    assert crossed == expected[strands] == flipped[:, 4 * position + "ACGT".index(base)].tolist()
    expect(explorer.locator(".rcviz-prediction[data-model] .rcviz-moved").nth(1)).to_contain_text(f"flips {strands}")

    ready(page)
    expect(explorer.locator(".rcviz-earlier")).to_have_count(0)
    page.keyboard.press("Backspace")
    assert predictions(explorer, '[2,"alternative",[]]') == before
    assert page.evaluate("window.pwned") is None


def test_cells_are_read_with_keys_and_pointer(lab, codes):
    """A cell's sentence has the numbers of plain torch; the arrow keys move, and what is chosen stays in sight."""
    explorer, page = ready(lab), lab
    explorer.locator(".rcviz-sequence-keys").focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(explorer.locator(".rcviz-edit")).to_contain_text("Position 3 ")
    page.keyboard.press("ArrowDown")
    expect(explorer.locator(".rcviz-change")).to_contain_text(" at 3: forward ")
    said = explorer.locator(".rcviz-change").inner_text()
    base = re.search(r"→([ACGT]) at 3", said)[1]
    changed = codes[2:3].copy()
    changed[0, 3] = "ACGT".index(base)
    numbers = [float(number) for number in re.findall(r" to (\d\.\d+)", said)]
    assert numbers == pytest.approx(plain(changed)[:, 0], abs=1.1e-3)
    page.keyboard.press("End")
    expect(explorer.locator(".rcviz-edit")).to_contain_text("Position 119 ")
    expect(explorer.locator(".rcviz-overview")).to_have_attribute("aria-valuenow", "60")
    box = explorer.locator(".rcviz-map canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 120, box["y"] + 14 + 6)  # the first column of the window, row A
    expect(explorer.locator(".rcviz-readout")).to_contain_text("60")
    page.keyboard.press("s")
    path = explorer.get_by_label("File name")
    path.fill("now.fa")
    path.press("Enter")
    expect(explorer.locator(".rcviz-said")).to_contain_text("now.fa")


def test_nothing_is_stale_without_a_word(lab, server, codes):
    """While the kernel is busy, after the model has changed, and after the kernel is gone."""
    explorer, page = ready(lab), lab
    files = server.folder / "wait", server.folder / "do not predict"
    for file in files:
        file.touch()
    run_cell(page, "wait_for_test(); next(models[name].parameters()).data.add_(0.1)")
    page.locator(".jp-InputPrompt").filter(has_text="[*]").wait_for()
    explorer.locator(".rcviz-sequence-keys").focus()
    page.keyboard.press("Home")
    base = "ACGT"[(codes[2, 0] + 1) % 4]
    page.keyboard.press(base)
    expect(explorer.locator(".rcviz-predictions")).to_contain_text("Predicting")
    expect(explorer.locator(".rcviz-earlier").first).to_contain_text("of the sequence before its last change")
    files[1].unlink()
    predictions(explorer, f'[2,"alternative",[[0,"{base}"]]]')
    files[0].unlink()
    expect(explorer).to_have_attribute("data-state", "stale", timeout=120_000)
    explorer.get_by_role("button", name="Refresh").click()
    expect(explorer).to_have_attribute("data-state", "ready", timeout=120_000)
    end_kernels(page, server)
    expect(explorer).to_have_attribute("data-state", "disconnected", timeout=60_000)
    expect(explorer.locator(".rcviz-fixed")).to_contain_text("needs a kernel")
    explorer.locator(".rcviz-sequence-keys").focus()
    page.keyboard.press("ArrowRight")
    expect(explorer.locator(".rcviz-edit")).to_contain_text("Position 1 ")


@pytest.fixture(scope="module")
def saved(tmp_path_factory, codes, threshold):
    """A page of two models, with two sequences that were looked at."""
    models = {"RC": rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=4, **SIZE)), NAME: plain_model()}
    data = rcviz.SequenceSet(codes, np.zeros((5, 2)), task_names=(NAME, "other"), names=[NAME] * 5)
    explorer = rcviz.SequenceExplorer(models, data, threshold=threshold, motifs=[])
    explorer.state.model = NAME
    explorer.wait(300)
    explorer.state.sequence = 2
    path = tmp_path_factory.mktemp("saved") / "sequence.html"
    explorer.to_html(path)
    explorer.close()
    return path


@pytest.mark.parametrize(("width", "scheme"), [(953, "light"), (550, "dark"), (400, "light")])
def test_the_saved_page_needs_no_network(offline, saved, codes, width, scheme):
    """Choosing and zooming work from a file with the network off; changing a base is refused with the reason."""
    page, asked = offline(saved, width + 34, scheme)
    explorer = ready(page)
    expect(explorer).to_have_attribute("data-theme", scheme)
    assert predictions(explorer, '[2,"alternative",[]]') == pytest.approx(plain(codes[2:3])[:, 0], abs=6e-4)
    explorer.locator(".rcviz-flip").first.click()
    expect(explorer.locator(".rcviz-flip").first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("a")
    expect(explorer.locator(".rcviz-change")).to_contain_text("needs a kernel")
    assert explorer.locator(".rcviz-bases button").evaluate_all("all => all.every((one) => one.disabled)")
    before = explorer.locator(".rcviz-overview").get_attribute("aria-valuetext")
    page.keyboard.press("+")
    expect(explorer.locator(".rcviz-overview")).not_to_have_attribute("aria-valuetext", before)
    explorer.get_by_label("Sequence", exact=True).select_option("0")
    assert predictions(explorer, '[0,"alternative",[]]') == pytest.approx(plain(codes[:1])[:, 0], abs=6e-4)
    assert explorer.get_by_label("Sequence", exact=True).locator("option").count() == 2
    explorer.locator("select[aria-label='Effects of']").select_option("RC")
    expect(explorer.locator(".rcviz-answer")).to_contain_text("RC")
    expect(explorer.locator(".rcviz-map-letters span")).to_have_count(4)  # both strands of an RC network alike
    assert page.evaluate("window.pwned") is None
    assert asked == [saved.as_uri()]
    painted = explorer.locator("canvas").evaluate(
        """one => { const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
          return data.filter((value, place) => place % 4 === 3 && value > 0).length; }"""
    )
    assert painted > 1000
    inside = explorer.evaluate(
        """root => [...root.querySelectorAll("*")].filter((part) => {
          const box = part.getBoundingClientRect();
          return box.width && box.right > root.getBoundingClientRect().right + 1;
        }).map((part) => part.outerHTML.slice(0, 80))"""
    )
    assert inside == []


TRAINED = """
import numpy as np, rcviz
parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15)
size = {"sequence_length": 200, "pool_size": 31}
models = {
    "RC": rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8, **size)),
    "standard": rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=16, **size)),
}
for model in models.values():
    training = rcviz.TrainConfig.chipseq(epochs=12, samples_per_epoch=1750, learning_rate=0.01)
    rcviz.fit(model, parts, config=training, progress=False)
agreement = rcviz.strand_agreement(models["standard"], parts.test)
weaker = np.minimum(agreement.forward, agreement.reverse)[:, 0]
sequence = int(np.where((weaker > 0.55) & (weaker < 0.65), agreement.gap[:, 0], 0).argmax())
"""

if "RCVIZ_PICTURES" in os.environ:

    def test_picture(run_cells, page):
        """The picture of the docs: a change that flips one strand of a standard network."""
        page.set_viewport_size({"width": 1400, "height": 1500})
        opening = "explorer = rcviz.SequenceExplorer(models, parts.test, sequence=sequence)"
        run_cells([TRAINED, f"{opening}\nexplorer.state.model = 'standard'\nexplorer"])
        explorer = page.locator(f'{ROOT}[data-state="ready"]')
        explorer.wait_for(timeout=300_000)
        explorer.locator(".rcviz-flip").first.click()
        page.mouse.move(0, 0)
        explorer.screenshot(path=Path(os.environ["RCVIZ_PICTURES"]) / "sequence_explorer.png")
