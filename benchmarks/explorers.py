"""How long a person waits for the explorers, in JupyterLab in Chromium, and whether anything grows while they are used.

A model of 64 filters and 10,000 sequences; every interaction is an event in the page, timed until all that it changes
is in the page and painted. Run with ``make bench``; writes benchmarks/results/explorers.json and prints a table.

``--trial`` runs every part with small sizes and writes nothing, to see that all of them work.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from frontends import BROWSERS, CHROMIUM_ARGUMENTS, jupyter_server, run_all, write_notebook  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

OUT = ROOT / "benchmarks" / "results" / "explorers.json"


@dataclass(frozen=True)
class Sizes:
    """Sizes of models and data, and how often everything is done."""

    filters: int = 64
    sequences: int = 10_000
    epochs: int = 3
    many_filters: int = 1000
    many_sequences: int = 100_000
    times: int = 50
    growth: int = 500
    warm: int = 400  # interactions before growth is counted


TRIAL = Sizes(filters=6, sequences=240, epochs=1, many_filters=300, many_sequences=2000, times=3, growth=12, warm=4)

SETUP = """
import rcviz
data = rcviz.simulate_motifs(n_per_motif=SEQUENCES // 3 + 100, seed=0).subset(slice(SEQUENCES))
parts = rcviz.split(data, train=0.5, valid=0.4, test=0.1)
config = rcviz.ModelConfig.simulated("revcomp", n_filters=FILTERS)
model = rcviz.build_model(config)
if EPOCHS:
    rcviz.fit(model, parts.train, parts.valid, rcviz.TrainConfig.simulated(epochs=EPOCHS), progress=False)
import ipywidgets
def count(button):
    button.description = f"counted {int(button.description.split()[-1]) + 1}"
counter = ipywidgets.Button(description="counted 0")
counter.on_click(count)
counter
"""
FILTERS = """
import json, threading, time, psutil
started, before = time.perf_counter(), psutil.Process().memory_info().rss
found = {"called_at": time.time()}
with open("opened.json", "w") as file:
    json.dump(found, file)
explorer = rcviz.FilterExplorer(model, data)
called = time.perf_counter() - started
def record():
    explorer.wait()
    with open("opened.json", "w") as file:
        seconds, memory = time.perf_counter() - started, (psutil.Process().memory_info().rss - before) / 1e6
        json.dump({**found, "call_seconds": called, "seconds": seconds, "memory_mb": memory}, file)
threading.Thread(target=record).start()
explorer
"""
STRANDS = """
standard = rcviz.build_model(rcviz.ModelConfig.simulated("standard", n_filters=FILTERS))
strands = rcviz.StrandExplorer({"RC": model, "standard": standard}, data)
strands
"""
MONITOR = """
monitor = rcviz.TrainingMonitor(rcviz.build_model(config), data, data, rcviz.TrainConfig.simulated(epochs=500))
monitor
"""

# What is counted while explorers are used; written to a file that the benchmark reads.
GROWING = """
import gc, json, threading, time, psutil, matplotlib.pyplot as plt
def counted(state):
    gc.collect()
    observers = sum(len(calls) for names in state._trait_notifiers.values() for calls in names.values())
    return {"figures": len(plt.get_fignums()), "threads": threading.active_count(), "observers": observers,
            "memory_mb": psutil.Process().memory_info().rss / 1e6}
def use(explorer, turn):
    state = explorer.state
    if explorer is monitor:
        (explorer.start, explorer.pause, explorer.resume, explorer.stop)[turn % 4]()
        wanted = ("running", "paused", "running", "stopped")[turn % 4]
        while state.status != wanted:
            time.sleep(0.005)
    elif hasattr(state, "ranking"):
        state.filter = state.ranking[turn % len(state.ranking)]
    else:
        state.sequence = turn % min(200, len(data))
        explorer.wait()
def grow(explorer, name):
    for turn in range(WARM):
        use(explorer, turn)
    before = counted(explorer.state)
    for turn in range(GROWTH):
        use(explorer, turn)
    return name, {"before": before, "after": counted(explorer.state)}
found = dict([grow(explorer, "FilterExplorer"), grow(strands, "StrandExplorer"), grow(monitor, "TrainingMonitor")])
with open("growth.json", "w") as file:
    json.dump(found, file)
"""

# When the first logos of a list are painted, on the clock of the kernel.
FIRST_LOGOS = """
(function look() {
  if (document.querySelector(".rcviz-explorer [role=option] svg"))
    requestAnimationFrame(() => requestAnimationFrame(() => (window.firstLogos = Date.now())));
  else requestAnimationFrame(look);
})();
"""

# Without a page: one pass against forwards and backwards, and the memory of the process over ten openings.
SCRIPT = """
import gc, json, sys, time, numpy as np, psutil, torch
from rcviz.analysis.filter_pass import FilterPass
from rcviz.models.prediction import one_hot_batch
from rcviz.models.settings import in_batches
def forwards_and_backwards(model, data):
    model.eval()
    for first in range(0, len(data), 500):
        x = one_hot_batch(data.codes[first : first + 500], model).requires_grad_()
        model(x)[:, 0].sum().backward()
@in_batches  # as the explorer runs it
def one_pass(model, data):
    for _ in FilterPass(model, data, rcviz.filter_bank(model, length=data.length)).batches():
        pass
def seconds(work, model, data):
    times = []
    for _ in range(4):
        started = time.perf_counter()
        work(model, data)
        times.append(time.perf_counter() - started)
    return min(times[1:])
def passes(model, data):
    plain, whole = seconds(forwards_and_backwards, model, data), seconds(one_pass, model, data)
    return {"forwards and backwards, s": plain, "one pass, s": whole, "ratio": whole / plain}
def memory(explorer):
    left = []
    for _ in range(11):
        opened = explorer()
        opened.wait()
        opened.close()
        del opened
        gc.collect()
        left.append(psutil.Process().memory_info().rss / 1e6)
    return {"after the first, MB": left[0], "after ten more, MB": left[-1]}
standard = rcviz.build_model(rcviz.ModelConfig.simulated("standard", n_filters=FILTERS))
long = rcviz.SequenceSet(np.random.default_rng(0).integers(0, 4, (len(data) // 5, 1000), dtype=np.uint8))
deep = rcviz.build_model(rcviz.ModelConfig.chipseq("revcomp"))
result = {
    "one layer": passes(model, data),
    "three layers": passes(deep, long),
    "FilterExplorer": memory(lambda: rcviz.FilterExplorer(model, data)),
    "StrandExplorer": memory(lambda: rcviz.StrandExplorer({"RC": model, "standard": standard}, data)),
}
print(json.dumps(result))
"""

MEASURE = """
async ([act, done, limit]) => {
  const frame = () => new Promise(requestAnimationFrame);
  const before = eval(act.before ?? "null");
  const started = performance.now();
  eval(act.act);
  while (!eval(done)) {
    if (performance.now() - started > limit) throw new Error("nothing happened: " + act.act);
    await frame();
  }
  await frame();  // what is in the page now has been painted when the frame after next begins
  await frame();
  return performance.now() - started;
}
"""


def measure(page, act, done, *, before="null"):
    """Milliseconds from an act in the page until a condition holds and is painted."""
    return page.evaluate(MEASURE, [{"act": act, "before": before}, done, 30_000])


def setup(n_filters, n_sequences, epochs):
    return sized(SETUP, SEQUENCES=n_sequences, FILTERS=n_filters, EPOCHS=epochs)


def sized(code, **numbers):
    """Put numbers into code, in place of their names."""
    for name, number in numbers.items():
        code = code.replace(name, str(number))
    return code


def filters(page, times):
    """Another filter, for the first time and again, with an idle and with a busy kernel; the list in another order."""
    root = "document.querySelector('.rcviz-explorer')"
    listed = f"{root}.querySelector('[role=listbox]')"
    key = f"{listed}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'KEY', bubbles: true}}))"
    chosen = f"{listed}.querySelector('[aria-selected=true]')?.dataset.id"
    done = f"{chosen} !== before && {root}.querySelector('[data-filter]').dataset.filter === {chosen}"

    def choose(name):
        return [measure(page, key.replace("KEY", name), done, before=chosen) for _ in range(times)]

    first, again = choose("ArrowDown"), choose("ArrowUp")
    sort = f"{root}.querySelector('select[aria-label=Sort]')"
    ids = f"[...{listed}.querySelectorAll('[role=option]')].map((cell) => cell.dataset.id).join()"
    turned = []
    for turn in range(times):
        order = ("number", "score")[turn % 2]
        act = f"{sort}.value = '{order}'; {sort}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        turned.append(measure(page, act, f"{ids} !== before", before=ids))
    page.evaluate(key.replace("KEY", "Home"))
    page.locator(".jp-CodeCell .jp-InputPrompt").last.click()
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type(f"time.sleep({10 + times * 0.3:g})")
    page.keyboard.press("Control+Enter")
    page.locator(".jp-InputPrompt").filter(has_text="[*]").wait_for()
    busy = choose("ArrowDown")
    assert page.locator(".jp-InputPrompt").filter(has_text="[*]").count() == 1
    return {
        "another filter, first time": first,
        "another filter, again": again,
        "another filter, busy kernel": busy,
        "list in another order": turned,
    }


def opened(page, folder):
    """What a person waits for after the call: seconds to the return, to the first logos, and to the end."""
    page.locator(".rcviz-explorer[data-state=ready]").wait_for()  # else the analysis would be measured as well
    while "seconds" not in (found := json.loads((folder / "opened.json").read_text())):
        page.wait_for_timeout(100)
    return {
        "first_logos_seconds": first_logos(page, folder),
        **{name: found[name] for name in found if name != "called_at"},
    }


def first_logos(page, folder):
    """Seconds from the call to the first logos."""
    page.wait_for_function("window.firstLogos")
    return page.evaluate("window.firstLogos") / 1e3 - json.loads((folder / "opened.json").read_text())["called_at"]


def without_page(n_filters, n_sequences, epochs):
    """Run SCRIPT in a process of its own."""
    code = setup(n_filters, n_sequences, epochs) + sized(SCRIPT, FILTERS=n_filters)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def idle(page, times):
    """A button that changes one number: what front end and kernel cost without rcviz."""
    button = "[...document.querySelectorAll('button')].find((button) => button.innerText.startsWith('counted'))"
    said = f"{button}.innerText"
    return [measure(page, f"{button}.click()", f"{said} !== before", before=said) for _ in range(times)]


def strands(page, times):
    """Another sequence of the list, whose details are read ahead, or asked from the kernel: marked, and all painted."""
    page.locator('[data-kind="strands"][data-state="ready"]').wait_for()
    root = "document.querySelector('[data-kind=strands]')"
    grid = f"{root}.querySelector('[role=grid]')"
    key = f"{grid}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'KEY', bubbles: true}}))"
    chosen = f"{grid}.querySelector('[aria-selected=true]')?.dataset.sequence"
    marked = f"{chosen} !== before"
    painted = f"{marked} && {root}.querySelector('.rcviz-strand-detail').dataset.sequence === {chosen}"

    def choose(name, done):
        return [measure(page, key.replace("KEY", name), done, before=chosen) for _ in range(times)]

    ahead = choose("ArrowDown", painted)
    page.evaluate(key.replace("KEY", "End"))
    page.wait_for_function(f"{root}.querySelector('.rcviz-strand-detail').dataset.sequence === {chosen}")
    return {
        "another sequence, read ahead": ahead,
        "another sequence, marked": choose("PageUp", marked),
        "another sequence, from the kernel": choose("PageUp", painted),
    }


def stopping(page, n_times):
    """Stop, at any time of a training."""
    monitor = page.locator(".rcviz-explorer[data-kind=training]")
    start, stop = (monitor.get_by_role("button", name=name, exact=True) for name in ("Start", "Stop"))
    click = "[...document.querySelectorAll('.rcviz-training button')].find((b) => b.innerText === 'Stop')"
    times = []
    for turn in range(n_times):
        start.click()
        stop.click(trial=True)  # waits until there is something to stop
        page.wait_for_timeout(300 + 53 * turn % 1000)  # so that it falls into training and validation alike
        times.append(measure(page, f"{click}.click()", f"{click}.disabled"))
    return {"Stop": times}


def summary(times):
    ordered = sorted(times)
    return {
        "n": len(ordered),
        "p50_ms": statistics.median(ordered),
        "p95_ms": ordered[round(0.95 * (len(ordered) - 1))],
        "worst_ms": ordered[-1],
    }


def new_page(playwright, browser_path, arguments):
    browser = playwright.chromium.launch(executable_path=browser_path, args=list(arguments))
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    page.add_init_script(FIRST_LOGOS)
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trial", action="store_true")
    if parser.parse_args().trial:
        everything(TRIAL)
    else:
        result = everything(Sizes())
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(result, indent=1) + "\n")


def everything(sizes):
    """All parts; returns what was found, and prints each part when it is done."""
    browser_path = next(found for found in map(shutil.which, BROWSERS) if found)
    own = setup(sizes.filters, sizes.sequences, sizes.epochs)
    strand_cell = sized(STRANDS, FILTERS=sizes.filters)
    growing = sized(GROWING, GROWTH=sizes.growth, WARM=sizes.warm)
    times, started = {}, time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        jupyter_server(Path(folder)) as server,
        sync_playwright() as playwright,
    ):

        def run(name, cells):
            page = new_page(playwright, browser_path, CHROMIUM_ARGUMENTS)
            write_notebook(server.folder / f"{name}.ipynb", cells)
            run_all(page, server, f"{name}.ipynb", timeout=1_200_000)
            return page

        def close(page, name, found):
            page.context.browser.close()
            server.stop_kernels()
            print(f"{name}, after {time.monotonic() - started:.0f} s:", json.dumps(found, indent=1), flush=True)

        for name, cell, take in (
            ("filters", FILTERS, filters),
            ("strands", strand_cell, strands),
            ("monitor", MONITOR, stopping),
        ):
            page = run(name, [own, cell])
            page.get_by_role("button", name="counted 0").wait_for()
            if name == "filters":
                opening = opened(page, Path(folder))
            found = {f"an empty widget, beside {name}": idle(page, sizes.times), **take(page, sizes.times)}
            times |= found
            version = page.context.browser.version
            close(page, name, {what: summary(values) for what, values in found.items()})
        page = run("large", [setup(sizes.many_filters, sizes.many_sequences, 0), FILTERS])
        large = first_logos(page, Path(folder))
        close(page, "many filters", large)
        page = run("many", [setup(8, sizes.many_sequences, 0), sized(STRANDS, FILTERS=8)])
        page.locator('[data-kind="strands"][data-state="ready"]').wait_for(timeout=1_200_000)
        found = {f"{name}, of {sizes.many_sequences:,}": values for name, values in strands(page, sizes.times).items()}
        times |= found
        close(page, "many sequences", {what: summary(values) for what, values in found.items()})
        page = run("growth", [own, FILTERS, strand_cell, MONITOR, growing])
        growth = json.loads((Path(folder) / "growth.json").read_text())
        close(page, "growth", growth)
    alone = without_page(sizes.filters, sizes.sequences, sizes.epochs)
    print(f"without a page, after {time.monotonic() - started:.0f} s:", json.dumps(alone, indent=1), flush=True)
    return {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "chromium": version},
        "model": "RC, 64 filters of 21 bp; 10,000 sequences of 200 bp, 3 tasks",
        "opening": opening,
        "first logos of 1,000 filters on 100,000 sequences, s": large,
        "without a page": alone,
        "milliseconds": {name: summary(values) for name, values in times.items()},
        f"growth_over_{sizes.growth}_interactions": growth,
    }


if __name__ == "__main__":
    main()
