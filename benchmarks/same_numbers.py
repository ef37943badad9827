"""Numbers of fixed seeds, to compare one version of the code with another.

    python benchmarks/same_numbers.py before.npz                       # at the old commit
    python benchmarks/same_numbers.py after.npz --against before.npz   # at the new one

Exit code 1 when a number differs by more than rounding. Calls public names only, so that it runs on both sides.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import rcviz

ROUNDING = 1e-6
SHARED = Path(__file__).parents[2] / "shared" / "data"


def column(values):
    """An array that compares: text stays text."""
    array = np.asarray(values)
    return array.astype(str) if array.dtype == object or array.dtype.kind in "bUT" else array


def table(name, frame):
    return {f"{name}.{key}": column(frame[key]) for key in frame.columns}


def sequences():
    simulated = rcviz.simulate_motifs(n_per_motif=300, seed=5)
    yield "simulated.codes", simulated.codes
    yield "simulated.labels", simulated.labels
    yield from table("simulated.sites", simulated.sites).items()
    parts = rcviz.split(simulated, seed=2)
    yield "split.train", parts.train.codes
    motif = rcviz.load_motif("CTCF_known1")
    yield from table("scan", motif.scan(parts.test.codes[:50])).items()
    yield "shuffled", rcviz.dinucleotide_shuffle(parts.test.codes, seed=1)


def windows(folder):
    rng = np.random.default_rng(0)
    shares = [0.3, 0.2, 0.2, 0.295, 0.005]
    genome = {name: "".join(rng.choice(list("ACGTN"), 60_000, p=shares)) for name in ("chr1", "chr2")}
    (folder / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in genome.items()))
    for file, first in (("peaks", 0), ("open", 170), ("relaxed", 60)):
        rows = [
            f"{name}\t{at}\t{at + 200}\tp{at}\t0\t.\t{at % 97}\t-1\t-1\t{at % 150}"
            for name in genome
            for at in range(first, 59_000, 700 if file == "peaks" else 430)
        ]
        (folder / f"{file}.narrowPeak").write_text("\n".join(rows) + "\n")
    files = {name: folder / f"{name}.narrowPeak" for name in ("peaks", "open", "relaxed")}
    fasta, peaks, some = folder / "g.fa", files["peaks"], {"max_n_share": 0.05}
    settings = {"accessible": files["open"], "relaxed": files["relaxed"], "n_relaxed": 60}
    yield "made", rcviz.peak_windows(fasta, peaks, width=101, **some, **settings)
    yield "negatives", rcviz.peak_windows(fasta, peaks, width=100, negatives="gc_matched", seed=3, **some)
    if SHARED.is_dir():
        peaks = SHARED / "peaks" / "wgEncodeAwgTfbsBroadGm12878CtcfUniPk.narrowPeak.gz"
        dnase = SHARED / "peaks" / "wgEncodeAwgDnaseUwdukeGm12878UniPk.narrowPeak.gz"
        chr21 = SHARED / "hg19" / "chr21.fa.gz"
        yield "chr21", rcviz.peak_windows(chr21, peaks, accessible=dnase, chromosomes=["chr21"])


def models(parts):
    size = {"sequence_length": 200, "pool_size": 31}
    deep = {"n_filters": 6, "sequence_length": 200, "kernel_sizes": (15, 14, 14), "pool_size": 16, "pool_stride": 12}
    configs = {
        "revcomp": rcviz.ModelConfig.one_layer("revcomp", n_filters=8, **size),
        "standard": rcviz.ModelConfig.one_layer("standard", n_filters=16, **size),
        "three": rcviz.ModelConfig.chipseq("revcomp", **deep),
        "three standard": rcviz.ModelConfig.chipseq("standard", **deep),
    }
    for name, config in configs.items():
        yield name, rcviz.build_model(config, seed=1), rcviz.TrainConfig.chipseq(epochs=12, seed=4)
    augmented = rcviz.TrainConfig.chipseq(epochs=4, augmentation="revcomp", seed=2)
    yield "augmented", rcviz.build_model(configs["standard"], seed=3), augmented
    siamese = rcviz.RevCompConjoined(rcviz.build_model(configs["standard"], seed=3))
    yield "siamese", siamese, rcviz.TrainConfig.chipseq(epochs=4, seed=2)


def analyses(name, model, parts):
    test = parts.test
    yield "logits", rcviz.predict(model, test, output="logit")
    yield from table("evaluate", rcviz.evaluate(model, test)).items()
    yield from table("strands", rcviz.strand_agreement(model, test).table).items()
    verdicts = rcviz.diagnose_equivariance(model, test.one_hot(slice(0, 6)))
    yield from table("diagnosis", verdicts[["module", "kind"]]).items()
    yield "diagnosis.verdict", column(verdicts["verdict"].replace("inherits", "propagated"))
    for at in ("activation", "convolution"):
        yield f"contributions.{at}", rcviz.filter_contributions(model, test, at=at).per_sequence
    attributions = rcviz.strand_attributions(model, test.subset(slice(0, 20)))
    yield "attributions", np.stack([attributions.forward, attributions.reverse])
    profiles = rcviz.activation_profiles(model, test)
    yield "profiles", np.asarray(profiles.binned, dtype=np.float64)
    if name == "siamese":
        return
    yield from table("gap_by_filter", rcviz.gap_by_filter(model, test).table).items()
    bank = rcviz.filter_bank(model)
    yield "weights", bank.weights
    sites = bank.activating_sites(test, top=60)
    yield from table("sites", sites.table).items()
    yield "motifs", np.stack([motif.probabilities for motif in bank.motifs(test)])
    yield from table("palindromes", rcviz.palindromes(bank, test.positives()).table).items()
    yield from table("palindromes from weights", rcviz.palindromes(bank).table).items()
    plain = rcviz.to_standard(model)
    yield "to_standard", rcviz.predict(plain, test, output="logit")
    if name.endswith("standard"):
        tied = rcviz.to_revcomp(model)
        yield "to_revcomp", rcviz.predict(getattr(tied, "model", tied), test, output="logit")


def record():
    numbers = dict(sequences())
    with tempfile.TemporaryDirectory() as folder:
        for name, data in windows(Path(folder)):
            numbers |= {f"windows.{name}.codes": data.codes, f"windows.{name}.labels": data.labels}
            numbers |= table(f"windows.{name}", data.table)
    parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
    for name, model, config in models(parts):
        numbers |= {f"{name}.untrained.{key}": value for key, value in analyses(name, model, parts)}
        history = rcviz.fit(model, parts.train, parts.valid, config, progress=False)
        numbers |= table(f"{name}.history", history.table.drop(columns="seconds", errors="ignore"))
        numbers |= {f"{name}.{key}": value for key, value in analyses(name, model, parts)}
        print(name, flush=True)
    return numbers


def compare(before, after):
    """How every array of both differs; returns how many differ by more than rounding."""
    wrong, rounded, same = [], [], 0
    for key in before.files:
        if key not in after:
            wrong.append(f"{key}: missing")
            continue
        one, other = before[key], after[key]
        if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
            wrong.append(f"{key}: {one.dtype} {one.shape} was, {other.dtype} {other.shape} is")
        elif np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            same += 1
        elif one.dtype.kind == "f" and np.allclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True):
            rounded.append(f"{key}: {np.nanmax(np.abs(one - other)):.3g} apart")
        else:
            wrong.append(f"{key}: {np.mean(one != other):.1%} of {one.size} values differ")
    print(f"{same} arrays have the same bits, {len(rounded)} differ by rounding, {len(wrong)} differ")
    print(*rounded, *wrong, sep="\n")
    return len(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--against", type=Path, help="the file of another version")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    np.savez_compressed(arguments.out, **record())
    if arguments.against:
        sys.exit(compare(np.load(arguments.against), np.load(arguments.out)) > 0)
