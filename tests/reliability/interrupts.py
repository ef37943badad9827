"""Interrupt training, predictions, analyses, windows and explorers at many moments, and do the same again.

``python tests/reliability/interrupts.py --moments 1000 --record`` writes
``benchmarks/results/reliability/interrupts.json``.

Half of the interrupts are at a random line or call of any Python code that the job runs, every place in the
code being as likely as another; half are signals at a random time, as Ctrl-C sends them. Afterwards all settings and,
unless it was trained, the model must be as before; the same call, made again with the same objects, must give the
numbers of an uninterrupted one; no file may be left over.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np
import torch
from reliability.interrupting import Interrupted, Job, condition
from reliability.processes import conclude

import rcviz

RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "interrupts.json"
SIZE = {"sequence_length": 46, "n_filters": 2, "kernel_sizes": (7,), "pool_size": 10}


def sequences():
    codes = np.random.default_rng(0).integers(0, 4, (40, 46), dtype=np.uint8)
    codes[::2, 20:26] = rcviz.encode(["GATAAG"])[0]
    return rcviz.SequenceSet(codes, np.arange(40) % 2 == 0, task_names=["GATA"])


def network():
    """A network of several modes: dropout at work, and a batch norm that alone is in evaluation mode."""
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.2), rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", **SIZE))
    )
    model[1].norm1.eval()
    return model


class Training(Job):
    """``fit`` in memory: a model that the same call trains again after the interrupt."""

    checkpoint = None

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.data, self.model, self.history = folder, sequences(), network(), None
        self.config = rcviz.TrainConfig(
            epochs=2, batch_size=20, samples_per_epoch=40, learning_rate=0.05, augmentation="revcomp"
        )

    def work(self):
        """Train."""
        options = {"progress": False, "checkpoint": self.checkpoint and self.folder / self.checkpoint}
        self.history = rcviz.fit(self.model, self.data, self.data, self.config, **options)

    def result(self):
        """Return every number of the run, and the weights."""
        return {"epochs": self.history.table.to_dict("list"), "model": condition(self.model)}

    def left_over(self):
        """Return files beside the checkpoint."""
        return [f"{path.name} is left over" for path in self.folder.iterdir() if path.name != self.checkpoint]


class TrainingWithCheckpoint(Training):
    """The same with a checkpoint, whose end is that of an uninterrupted run."""

    checkpoint = "run.safetensors"


class Predicting(Job):
    """Functions that run a model and do not change it."""

    def __init__(self, folder):
        self.model, self.data, self.numbers = network(), sequences(), {}
        self.x = self.data.one_hot(slice(0, 4))

    def work(self):
        """Predict."""
        self.numbers = {"predictions": rcviz.predict(self.model, self.data, batch_size=15).tolist()}

    def result(self):
        """Return the numbers, and the model's condition."""
        return {**self.numbers, **condition(self.model)}

    def kept(self):
        """Return the model's condition."""
        return condition(self.model)


class Contributions(Predicting):
    """Contributions: a hook, gradients and trial runs."""

    def work(self):
        """Compute them."""
        self.numbers = {"scores": rcviz.filter_contributions(self.model, self.data).per_sequence.tolist()}


class Strands(Predicting):
    """Both strands: gaps, attributions and diagnosis."""

    def work(self):
        """Compute them."""
        self.numbers = {
            "gaps": rcviz.strand_agreement(self.model, self.data).reverse.tolist(),
            "attributions": rcviz.strand_attributions(self.model, self.data.subset(slice(0, 4))).reverse.tolist(),
            "verdicts": rcviz.diagnose_equivariance(self.model, self.x)["verdict"].tolist(),
        }


class Windows(Job):
    """Windows of a compressed genome, whose codes go into a cache first."""

    def __init__(self, folder):
        from reliability.jobs import prepare

        if not (inputs := folder.parent / "inputs").exists():
            prepare(inputs)
        folder.mkdir()
        self.inputs, self.folder, self.windows = inputs, folder, None

    def work(self):
        """Cut them."""
        before = os.environ.get("RCVIZ_CACHE")
        os.environ["RCVIZ_CACHE"] = str(self.folder)
        try:
            self.windows = rcviz.peak_windows(
                self.inputs / "genome.fa.gz", self.inputs / "GATA1.narrowPeak", width=200, progress=False
            )
        finally:
            os.environ.pop("RCVIZ_CACHE") if before is None else os.environ.update(RCVIZ_CACHE=before)

    def result(self):
        """Return the sequences."""
        return {"codes": self.windows.codes.tolist(), "table": self.windows.table.to_dict("list")}

    def left_over(self):
        """Return unfinished files in the cache."""
        return [f"{path} is left over" for path in self.folder.rglob("*") if ".unfinished" in path.name]


class Explorer(Predicting):
    """A filter explorer: opened, another filter, closed."""

    motifs = (rcviz.load_motif("GATA_known6"),)

    def work(self):
        """Open it."""
        explorer = rcviz.FilterExplorer(self.model, self.data, motifs=self.motifs)
        try:
            explorer.wait(100)
            explorer.state.filter = 1
            self.numbers = {"scores": explorer.table["score"].tolist()}
        finally:
            explorer.close()


JOBS = {
    "fit": Training,
    "fit with a checkpoint": TrainingWithCheckpoint,
    "predict": Predicting,
    "filter contributions": Contributions,
    "strands": Strands,
    "windows": Windows,
    "explorer": Explorer,
}


def interrupt(name, n, seed=0, *, signals=True):
    """Interrupt a job at ``n`` moments; return how many places there are, how many interrupts came, and the faults."""
    chosen = random.Random(f"{seed} {name}")
    with tempfile.TemporaryDirectory() as folder:
        job = Interrupted(JOBS[name], folder)
        counts, faults = Counter(places=len(job.places)), []
        for number in range(n):
            # Of many passes of a place, as in a loop, one is chosen: otherwise most interrupts would be in few places.
            place, n_passes = chosen.choice(job.places)
            moment = (chosen.random(),) if signals and number % 2 else (place, chosen.randint(1, n_passes))
            hit, found = job.at(*moment)
            counts["moments"] += 1
            counts["interrupted"] += hit
            counts["undone"] += not any("another result" not in text for text in found)
            counts["same numbers"] += not any("another result" in text for text in found)
            faults += [f"{name}, {text}" for text in found]
    return dict(counts), faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=JOBS)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [options.only] if options.only else list(JOBS)
    jobs, faults = {}, []
    for name in names:
        jobs[name], found = interrupt(name, -(-options.moments // len(names)), options.seed)
        faults += found
        print(name, jobs[name], *found[:20], sep="\n  ", file=sys.stderr, flush=True)
    conclude(
        {"seed": options.seed, "moments": options.moments, "jobs": jobs, "faults": faults},
        RESULTS if options.record else None,
    )


if __name__ == "__main__":
    main()
