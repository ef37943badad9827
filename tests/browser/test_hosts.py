"""The filter explorer in marimo and Voila, by the rules of VS Code and Colab, and in a notebook opened again."""

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from frontends import KILL_KERNELS, free_port, open_notebook, serving, write_notebook
from playwright.sync_api import expect

import rcviz

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PICTURES = Path(__file__).parents[2] / "runs" / "browser"
DATA = """import numpy as np, rcviz
codes = np.random.default_rng(0).integers(0, 4, (80, 60), dtype=np.uint8)
config = rcviz.ModelConfig.one_layer("revcomp", n_filters=8, sequence_length=60, pool_size=23)
explorer = rcviz.FilterExplorer(rcviz.build_model(config), rcviz.SequenceSet(codes, np.arange(80) % 2 * 1.0))"""
MARIMO = """import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo as mo
    {data}
    return explorer, mo


@app.cell
def _(explorer, mo):
    mo.ui.anywidget(explorer)


@app.cell
def _(explorer):
    explorer
""".format(data=DATA.replace("\n", "\n    "))


def marimo(folder, port):
    """An app of three cells: the model, the explorer as marimo's documentation shows widgets, and as a last line."""
    (folder / "app.py").write_text(MARIMO)
    return ["marimo", "run", "app.py", "--headless", "--no-token", "--host=127.0.0.1", f"--port={port}"]


def voila(folder, port):
    """A notebook as a dashboard."""
    write_notebook(folder / "app.ipynb", [DATA, "explorer", "explorer"])
    return ["voila", "app.ipynb", "--no-browser", f"--port={port}", KILL_KERNELS]


@pytest.fixture(params=[marimo, voila], ids=lambda host: host.__name__)
def address(request, tmp_path):
    """The address of an app; in CI the host must be installed."""
    name = request.param.__name__
    if find_spec(name) is None:
        message = f"{name} is not installed; make test installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    with serving(request.param(tmp_path, port), port, tmp_path, {"OMP_NUM_THREADS": "1"}):
        yield address


def test_choosing_saving_and_two_views(page, address, tmp_path, request):
    """Only a real host shows that computing in the background reaches its page, and a choice of the page the kernel."""
    page.goto(address)
    explorers = page.locator('.rcviz-explorer[data-kind="filters"]')
    expect(explorers).to_have_count(2, timeout=180_000)
    first, again = explorers.nth(0), explorers.nth(1)
    expect(first).to_have_attribute("data-state", "ready", timeout=180_000)
    options = first.locator("[role=option]")
    expect(options).to_have_count(8)
    options.nth(3).click()
    page.keyboard.press("ArrowDown")
    chosen = options.nth(4).get_attribute("data-id")
    for view in (first, again):
        expect(view.locator("[data-filter]")).to_have_attribute("data-filter", chosen)
    page.keyboard.press("s")
    path = first.get_by_label("File name")
    path.fill("chosen.html")
    path.press("Enter")
    expect(first.locator(".rcviz-said")).to_contain_text(str(tmp_path.resolve() / "chosen.html"))
    saved = re.search(r'id="rcviz-data">(.*?)</script>', (tmp_path / "chosen.html").read_text())
    assert json.loads(saved[1])["_state"]["filter"] == int(chosen)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{request.node.callspec.id}.png")


# What VS Code and Colab have in common: an explorer is a module without imports, loaded from memory into a frame whose
# policy lets it fetch nothing, run no text as code and load no picture, font or frame.
POLICY = "default-src 'none'; script-src 'nonce-test' blob:; style-src 'unsafe-inline'"
FRAME = """<!doctype html><meta http-equiv="Content-Security-Policy" content="{policy}"><div id="at"></div>
<script type="application/json" id="data">{data}</script><script type="application/json" id="code">{code}</script>
<script type="module" nonce="test">
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => window.refused.push(event.effectiveDirective));
const text = (id) => JSON.parse(document.getElementById(id).textContent);
const {{ script, style }} = text("code");
const sheet = document.createElement("style");
sheet.textContent = style;
document.head.append(sheet);
const module = await import(URL.createObjectURL(new Blob([script], {{ type: "text/javascript" }})));
const traits = text("data");
const [set, sent] = [[], []];
const model = {{
  get: (name) => traits[name],
  set: (name, value) => {{ traits[name] = value; set.push(name); }},
  save_changes: () => sent.push("changes"), send: (content) => sent.push(content.kind), on() {{}}, off() {{}},
}};
module.default.render({{ model, el: document.getElementById("at") }});
window.test = {{ set, sent }};
</script>"""


def test_vs_code_and_colab_by_their_rules(page, tmp_path):
    """Only a browser tells what a policy refuses; of a front end it needs no more than anywidget's documented model."""
    explorer = small_explorer()
    explorer.to_html(tmp_path / "page.html")
    data = re.search(r'id="rcviz-data">(.*?)</script>', (tmp_path / "page.html").read_text())[1]
    code = json.dumps({"script": explorer._esm, "style": explorer._css}).replace("<", "\\u003c")
    explorer.close()
    frame = FRAME.format(policy=POLICY, data=data, code=code)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.route("http://rcviz.test/", lambda route: route.fulfill(content_type="text/html", body=frame))
    page.goto("http://rcviz.test/")
    root = page.locator(".rcviz-explorer")
    expect(root).to_have_attribute("data-state", "ready")
    root.locator("[role=option]").nth(2).click()
    assert "_state" in page.evaluate("window.test.set")
    root.get_by_role("button", name="Help").click()
    page.keyboard.press("Escape")
    root.get_by_role("button", name="Save").click()
    root.get_by_role("button", name=".csv").click()
    root.get_by_role("button", name="Save", exact=True).last.click()
    assert {"changes", "save"} <= set(page.evaluate("window.test.sent"))
    assert page.evaluate("window.refused") == []
    assert [url for url in asked if not url.startswith("blob:")] == ["http://rcviz.test/"]
    # The same policy does refuse: a module that fetches is found.
    page.evaluate("fetch('http://rcviz.test/other').catch(() => null)")
    page.wait_for_function("window.refused.length === 1")


def small_explorer():
    codes = np.random.default_rng(0).integers(0, 4, (80, 60), dtype=np.uint8)
    data = rcviz.SequenceSet(codes, np.arange(80) % 2 * 1.0)
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=4, sequence_length=60, pool_size=23)
    explorer = rcviz.FilterExplorer(rcviz.build_model(config), data)
    explorer.wait(120)
    return explorer


def test_a_notebook_with_saved_widgets_opens_without_its_kernel(jupyterlab, server):
    """Only JupyterLab shows that a state that was saved with a notebook is the whole explorer, and that it says so."""
    import nbclient
    import nbformat
    from nbformat.sign import NotebookNotary

    path = server.folder / "reopened.ipynb"
    write_notebook(path, [f"{DATA}\nexplorer.wait()\nexplorer"])
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, store_widget_state=True, shutdown_kernel="immediate").execute()
    NotebookNotary(data_dir=str(server.data)).sign(notebook)  # else JupyterLab shows text
    nbformat.write(notebook, path)
    jupyterlab.set_viewport_size({"width": 1400, "height": 1000})
    open_notebook(jupyterlab, server, path.name)
    explorer = jupyterlab.locator(".rcviz-explorer")
    expect(explorer).to_have_attribute("data-state", "disconnected", timeout=120_000)
    expect(explorer).to_contain_text("The kernel is gone")
    options = explorer.locator("[role=option]")
    options.nth(2).click()
    chosen = options.nth(2).get_attribute("data-id")
    expect(explorer.locator("[data-filter]")).to_have_attribute("data-filter", chosen)
    expect(explorer.locator(".rcviz-skeleton")).to_have_count(0)
    server.stop_kernels()
