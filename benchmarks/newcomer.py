"""How long a newcomer waits: for pictures, trained networks, an explored filter; with a model or peaks of their own.

    python benchmarks/newcomer.py [quickstart] [own_model] [own_peaks] [install]

Without a name, all but ``install`` are measured. What is counted is what the computer takes, from the start of a kernel
or interpreter; reading is not. ``own_peaks`` takes the real peaks and two real chromosomes of ../shared/data, and is
left out where these are not. ``install`` makes an empty environment and installs rcviz with JupyterLab into it, from
the package index or pip's cache. Writes benchmarks/results/newcomer.json; parts that are not measured again keep their
numbers.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from machine import described
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "results" / "newcomer.json"
DATA = ROOT.parent / "shared" / "data"
FASTA = [DATA / "hg19" / name for name in ("chr21.fa.gz", "chr22.rebuilt.fa.gz")]
PEAKS = DATA / "peaks" / "wgEncodeAwgTfbsBroadGm12878CtcfUniPk.narrowPeak.gz"
ACCESSIBLE = DATA / "peaks" / "wgEncodeAwgDnaseUwdukeGm12878UniPk.narrowPeak.gz"

PREPARED = """
import time
started = time.perf_counter()
import numpy as np, torch, matplotlib
matplotlib.use("agg")
import rcviz
example = rcviz.load_example("ctcf")
sequences, labels = rcviz.decode(example.codes), example.labels[:, 0]
nn = torch.nn
network = nn.Sequential(nn.Conv1d(4, 16, 15), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(16, 1))
"""
OWN_MODEL = {
    "a first logo": (
        "data = rcviz.SequenceSet(sequences, labels)\nrcviz.filter_bank(network).plot().figure.savefig('filters.png')"
    ),
    "both strands": "rcviz.strand_agreement(network, data).plot().figure.savefig('strands.png')",
    "a filter explored, with everything computed": "explorer = rcviz.FilterExplorer(network, data)\nexplorer.wait()",
}


def quickstart():
    """Seconds from the start of a kernel to what the quickstart shows, and of the parts that train."""
    notebook = nbformat.read(ROOT / "notebooks" / "01_quickstart.ipynb", as_version=4)
    reached, started = {}, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}})
        with client.setup_kernel():
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type != "code":
                    continue
                if "FilterExplorer(" in cell.source:
                    cell.source += "\nexplorer.wait()"  # it computes in the background
                client.execute_cell(cell, index)
                now = time.perf_counter() - started
                if "rcviz.fit(" in cell.source:
                    reached["two trained networks, and a first picture: their learning curves"] = now
                if "strand_agreement(" in cell.source:
                    reached["predictions for both strands"] = now
                if "filter_contributions(" in cell.source:
                    reached["contributions of filters"] = now
                if "FilterExplorer(" in cell.source:
                    reached["a filter explored, with everything computed"] = now
    return {"seconds": reached}


def own_model():
    """Lines and seconds with a network, sequences and labels of one's own."""
    code, lines, marks = PREPARED, 0, []
    for name, part in OWN_MODEL.items():
        lines += part.count("\n") + 1 - part.count("explorer.wait()")
        code += f"{part}\nprint({name!r}, {lines}, time.perf_counter() - started, sep='|')\n"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        name, number, seconds = line.split("|")
        marks.append({"what": name, "lines": int(number), "seconds": float(seconds)})
    return {"rows": marks}


def own_peaks():
    """Seconds and memory of every command from two real chromosomes and real peaks to predictions."""
    if not PEAKS.is_file():
        print(f"own_peaks is left out: there is no {PEAKS}", file=sys.stderr)
        return None
    genome = [part for path in FASTA for part in ("--fasta", str(path))]
    windows = [
        "windows",
        *genome,
        "--peaks",
        str(PEAKS),
        "--accessible",
        str(ACCESSIBLE),
        "--chromosomes",
        "chr21,chr22",
    ]
    windows += ["--task-name", "CTCF", "windows.safetensors"]
    training = ["--preset", "one_layer", "--epochs", "10", "--learning-rate", "0.01"]
    training += ["--train", "chr21", "--valid", "chr22", "--test", "none"]
    steps = {
        "windows, the genome read for the first time": windows,
        "windows, the genome from the cache": [*windows[:-1], "again.safetensors"],
        "training": ["train", "windows.safetensors", "--out", "model.safetensors", *training],
        "a page with filters and strands": [
            "inspect",
            "model.safetensors",
            "windows.safetensors",
            "--html",
            "report.html",
        ],
        "predictions as BED": ["predict", "model.safetensors", "windows.safetensors", "--out", "predictions.bed"],
    }
    steps["a page with filters and strands"] += ["--part", "valid"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"RCVIZ_CACHE": f"{folder}/cache", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
        for name, arguments in steps.items():
            started = time.perf_counter()
            with Path(folder, "said").open("w") as said:
                process = subprocess.Popen(
                    [sys.executable, "-m", "rcviz", *arguments], cwd=folder, env=environment, stdout=said, stderr=said
                )
                _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            told = Path(folder, "said").read_text()
            if process.returncode:
                raise RuntimeError(f"rcviz {' '.join(arguments)} failed:\n{told}")
            rows.append({"what": name, "seconds": time.perf_counter() - started, "megabytes": used.ru_maxrss / 1024})
        import pandas as pd

        import rcviz

        counts = rcviz.SequenceSet.load(Path(folder, "windows.safetensors")).provenance["counts"]
        scores = pd.read_csv(Path(folder, "model.evaluation.csv"))
        auroc = float(scores.loc[scores["part"] == "valid", "auroc"].iloc[0])
    return {"rows": rows, "counts": counts, "valid_auroc": auroc, "bases": 99_434_461}


def install():
    """Seconds of an installation into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/pip", "install", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
        done = subprocess.run([*pip, f"{ROOT}[lab]"], capture_output=True, text=True, check=True)
    cached = len(re.findall(r"^\s*Using cached", done.stdout, re.MULTILINE))
    return {"seconds": time.perf_counter() - started, "packages_from_cache": cached}


PARTS = {"quickstart": quickstart, "own_model": own_model, "own_peaks": own_peaks, "install": install}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure")
    asked = parser.parse_args().parts or [name for name in PARTS if name != "install"]
    content = json.loads(OUT.read_text()) if OUT.is_file() else {}
    for name in asked:
        before = os.getloadavg()[0]
        measured = PARTS[name]()
        if measured is not None:
            content[name] = {**measured, "machine": described(os.cpu_count()), "load_before": before}
            print(name, json.dumps(measured, indent=1))
    OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
