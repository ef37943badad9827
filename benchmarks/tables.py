"""Write the tables of docs/performance.md from benchmarks/results/*.json; a test compares the two."""

import csv
import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
NOTEBOOK = ROOT / "notebooks" / "05_your_own_peaks.ipynb"
RESULTS = ROOT / "benchmarks" / "results"
COSTS = ROOT / "paper" / "results" / "epoch_costs.csv"
MACHINES = {
    "speed.json": "two cores of an AMD EPYC with AVX2",
    "speed_avx512.json": "two cores with AVX-512 and bfloat16 units",
}


@dataclass(frozen=True)
class Target:
    """A row of the issue: the fastest of ours against theirs, the ratio aimed at, and what the machine cannot beat.

    Work is what a row must do at least: floating-point operations, and bytes read and written.
    """

    number: int
    what: str
    ours: tuple[str, ...]
    theirs: str
    aim: float | None
    flop: float = 0.0
    n_bytes: float = 0.0


def convolution(n, positions, channels_in, channels_out, width):
    """Floating-point operations of one forward pass."""
    return 2 * n * positions * channels_in * channels_out * width


def passes(n, positions, channels, times):
    """Bytes of a float32 feature map that is read or written so often."""
    return 4 * n * positions * channels * times


_FORWARD = [convolution(1, 986, 4, 32, 15), convolution(1, 973, 32, 32, 14), convolution(1, 960, 32, 32, 14)]
# A step takes each convolution three times (itself and two gradients); the sequences' gradient is not wanted.
CHIPSEQ_STEP = {
    "flop": 100 * (2 * _FORWARD[0] + 3 * _FORWARD[1] + 3 * _FORWARD[2]),
    "n_bytes": sum(passes(100, positions, 32, 4) for positions in (986, 973, 960)),
}
SIMULATED_STEP = {"flop": 2 * convolution(500, 180, 4, 40, 21), "n_bytes": passes(500, 180, 40, 4)}
PREDICTION = {
    "flop": 10_000 * sum(_FORWARD),
    "n_bytes": sum(passes(10_000, positions, 32, 2) for positions in (986, 973, 960)),
}
CONTRIBUTIONS = {"flop": convolution(10_000, 986, 4, 16, 15), "n_bytes": passes(10_000, 986, 16, 4)}

PNG = {"n_bytes": 2 * 4 * 1600 * 1200}  # the picture's pixels, drawn and read again

_RC, _STEP = "ChIP-seq step, RC, 16 filters", "ChIP-seq step, plain nn.Conv1d, 32 filters"
_PREDICTION = "prediction of 10,000 x 1,000 bp on both strands, "
_PNG = "64 logos of 4 x 21 to PNG, "
TARGETS = (
    Target(1, "ChIP-seq step, defaults, against plain", (_RC,), _STEP, 0.50, **CHIPSEQ_STEP),
    # Of bfloat16 the machine's peak was not measured.
    Target(1, "ChIP-seq step, fastest, against plain", (_RC, f"{_RC}, bfloat16", f"{_RC}, compiled"), _STEP, 0.40),
    Target(
        1, "simulated step, against plain", ("simulated step, RC, 20 filters",),
        "simulated step, plain nn.Conv1d, 40 filters", 0.40, **SIMULATED_STEP,
    ),
    Target(1, "ChIP-seq step, against equirc", (_RC,), "ChIP-seq step, equirc, 16 filters", 0.50, **CHIPSEQ_STEP),
    Target(
        1, "ChIP-seq step, deterministic, against plain", (f"{_RC}, deterministic",), _STEP, None, **CHIPSEQ_STEP
    ),
    Target(
        2, "prediction of 10,000 x 1,000 bp, both strands", (f"{_PREDICTION}RC",), f"{_PREDICTION}plain nn.Conv1d",
        0.60, **PREDICTION,
    ),
    Target(
        3, "contributions, against forward and backward", ("contributions, 10,000 x 1,000 bp",),
        "forward and backward, 10,000 x 1,000 bp", 1.30, **CONTRIBUTIONS,
    ),
    Target(4, "64 logos to PNG, against logomaker", (f"{_PNG}rcviz",), f"{_PNG}logomaker", 1 / 20, **PNG),
    Target(4, "64 logos to PNG, against tangermeme", (f"{_PNG}rcviz",), f"{_PNG}tangermeme", 1.0, **PNG),
)  # fmt: skip


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def shown(seconds):
    """Three digits that count, in a unit that suits."""
    value, unit = (seconds, "s") if seconds >= 1 else (seconds * 1000, "ms")
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def verdict(value, aim):
    return "met" if value <= aim else "**missed**"


def load(name):
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def limit_of(target, machine, ours, theirs):
    """The least time that this machine's own product and copy leave, what sets it, and how often it goes into ours.

    And the ratio to theirs if both follow one another, as where an operation begins when another has ended.
    """
    product = target.flop / machine["matrix product, GFLOP/s"] / 1e9
    copy = target.n_bytes / machine["copy, GB/s read and written"] / 1e9
    least, what = max((product, "matrix product"), (copy, "memory"))
    return (shown(least), what, f"{ours / least:.1f}", f"{(product + copy) / theirs:.2f}") if least else ("",) * 4


def targets(name):
    content = load(name)
    measured, before = (
        {row: seconds for group in content.get(times, {}).values() for row, seconds in group.items()}
        for times in ("median_seconds", "median_seconds before")
    )
    rows = []
    for target in TARGETS:
        known = [measured[row] for row in target.ours if row in measured]
        if known and target.theirs in measured:
            ours, theirs = min(known), measured[target.theirs]
            ratio = ours / theirs
            limits = limit_of(target, content["machine"], ours, theirs)
            aim = ("", "") if target.aim is None else (f"{target.aim:.2f}", verdict(ratio, target.aim))
            earlier = [before[row] for row in target.ours if row in before] if target.theirs in before else []
            was = f"{min(earlier) / before[target.theirs]:.3f}" if earlier else ""
            rows.append([target.number, target.what, shown(ours), shown(theirs), f"{ratio:.3f}", was, *aim, *limits])
    header = ["target", "what", "rcviz", "other", "ratio", "before", "aim", "", "limit", "set by", "times the limit"]
    return table([*header, "ratio of both limits"], rows)


def machine_of(name):
    content = load(name)
    machine = content["machine"]
    flops, copied = (machine[key] for key in ("matrix product, GFLOP/s", "copy, GB/s read and written"))
    return (
        f"{MACHINES[name]}, {machine['threads']} threads, torch {machine['torch']}, medians of {machine['repeats']} "
        f"turns, `python benchmarks/speed.py`. Measured in the same process: a matrix product of "
        f"2048 x 2048 in float32 at {flops:.0f} GFLOP/s, a copy at {copied:.1f} GB/s read and written."
    )


def whole_job():
    content = load("whole_job.json")
    if content is None:
        return "Not measured on this machine yet: `python benchmarks/whole_job.py` writes it."
    ours, theirs = (content["seconds"][way] for way in ("rcviz", "plain"))
    row = [5, f"Figure 3, {content['n_trainings']} trainings", shown(ours), shown(theirs), f"{ours / theirs:.2f}"]
    header = ["target", "what", "rcviz", "straightforward PyTorch", "ratio", "aim", ""]
    return table(header, [[*row, "0.50", verdict(ours / theirs, 0.5)]])


def everything():
    """Every row of every group, so that what is measured and has no aim is seen as well."""
    files = [load(name)["median_seconds"] for name in MACHINES]
    rows = []
    for group in dict.fromkeys(group for measured in files for group in measured):
        for row in dict.fromkeys(row for measured in files for row in measured.get(group, {})):
            found = [measured.get(group, {}).get(row) for measured in files]
            rows.append([row, *("" if seconds is None else shown(seconds) for seconds in found)])
    return table(["what", *MACHINES.values()], rows)


def start():
    content = load("start.json")
    wall, cpu = content["median_seconds"], content["median_cpu_seconds"]
    libraries = "import numpy, matplotlib.figure"
    has_avx512 = "AVX-512" in content["machine"]["vector_units"]
    copied = load("speed_avx512.json" if has_avx512 else "speed.json")["machine"]["copy, GB/s read and written"] * 1e9
    text = 2 * content["bytes of 64 logos as SVG text"] / copied  # made and read once
    aims = {
        "import rcviz": (6, 0.05, wall["bare interpreter"]),
        "import rcviz, first logo drawn": (6, 0.6, wall[libraries]),
        "import rcviz, first logo as SVG text": (6, 0.6, wall[libraries]),
        "import rcviz, first epoch of 4 sequences": ("", None, wall.get("import pandas, torch")),
        **{name: (4, 0.015, text) for name in wall if "as SVG text, " in name and "64 logos" in name},
    }
    before = content.get("median_seconds before", {})
    rows = []
    for name, seconds in wall.items():
        earlier = shown(before[name]) if name in before and ("rcviz" in name or "logos" in name) else ""
        row = ["", name, shown(seconds), shown(cpu[name]), earlier, "", "", "", ""]
        if name in aims:
            row[0], aim, least = aims[name]
            judged = (shown(aim), verdict(seconds, aim)) if aim else ("", "")
            row[5:] = *judged, shown(least), f"{seconds / least:.1f}"
        rows.append(row)
    header = ["target", "what", "by the clock", "of the processor", "before", "aim", "", "limit", "times the limit"]
    return f"{table(header, rows)}\n\n{measured_on(content['machine'])}"


def measured_on(machine):
    units = ", ".join(machine["vector_units"])
    return (
        f"Measured on {machine['cores']} cores of {machine['cpu']} ({units}), torch {machine['torch']}; load average "
        f"{machine['load_average']:.0f}."
    )


def names():
    content = load("names.json")
    wall, cpu = content["median_seconds"], content["median_cpu_seconds"]
    least = cpu["import numpy, pandas"] + cpu["memelite, called again"]
    rows = []
    for way, aim, limit in (
        ("fresh interpreter, first time on a machine", 3, least),
        ("fresh interpreter", 3, least),
        ("called again", None, cpu["memelite, called again"]),
    ):
        theirs = f"memelite, {way}"
        ours = f"rcviz, {way.removesuffix(', first time on a machine')}"  # which is no different from another time
        rows.append(
            [
                way,
                *(shown(seconds[name]) for name in (ours, theirs) for seconds in (wall, cpu)),
                f"{cpu[ours] / cpu[theirs]:.2g}",
                *(("", "") if aim is None else (shown(aim), verdict(cpu[ours], aim))),
                shown(limit),
                f"{cpu[ours] / limit:.1f}",
            ]
        )
    processor = "of the processor"
    header = ["what", "rcviz", processor, "memelite", processor, "ratio", "aim", "", "limit", "times the limit"]
    load_average = content["machine"]["load_average"]
    return f"{table(header, rows)}\n\nLoad average of the {content['machine']['cores']} cores: {load_average:.0f}."


def busy():
    content = load("busy.json")
    if content is None:
        return "Not measured yet: `python benchmarks/busy.py` writes it."
    everything, rows = content["with all threads"], []
    loop = "a loop of one thread"
    fair = (lambda pair: pair[1] / pair[0])(content["median_seconds, quiet and busy"][loop])
    for name, (quiet, beside) in content["median_seconds, quiet and busy"].items():
        ratio, aim, before = beside / quiet, ("", ""), ("", "")
        if name != loop:
            aim = ("2.2", verdict(ratio, 2.2))
            before = (shown(everything[name][0]), f"{everything[name][1] / everything[name][0]:.2f}")
        rows.append([name, shown(quiet), shown(beside), f"{ratio:.2f}", *aim, f"{fair:.2f}", *before])
    header = ["what", "alone", "beside others", "ratio", "aim", "", "limit", "before, alone", "ratio before"]
    machine = content["machine"]
    return f"{table(header, rows)}\n\n{machine['busy processes']} busy processes. {measured_on(machine)}"


def mutagenesis():
    content = load("mutagenesis.json")
    if content is None:
        return "Not measured yet: `python benchmarks/mutagenesis.py` writes it."
    measured, rows = content["median_seconds"], []
    for name in dict.fromkeys(name.rpartition(", ")[0] for name in measured):
        theirs, ours = (measured[f"{name}, {tool}"] for tool in ("tangermeme", "rcviz"))
        aim = 1.0 if name.startswith("three layers") else 2.0
        difference = f"{content['largest difference of effects'][name]:.0e}"
        rows.append(
            [name, shown(ours), shown(theirs), f"{ours / theirs:.2f}", aim, verdict(ours / theirs, aim), difference]
        )
    header = ["mutations", "rcviz, both strands", "tangermeme, one strand", "ratio", "aim", "", "largest difference"]
    return f"{table(header, rows)}\n\n{measured_on(content['machine'])}"


def variants():
    content = load("mutagenesis.json")
    if content is None:
        return "Not measured yet: `python benchmarks/mutagenesis.py` writes it."
    few, many = content["numbers of variants"]
    rows = []
    for tool, aim in (("variant_effects", 400), ("save_variant_effects", 10)):
        row = content["variants"][tool]
        held = row["bytes for each"]
        cells = shown(row["seconds for 10,000"]), f"{held:.0f} bytes", f"{aim} bytes", verdict(held, aim)
        rows.append([tool, *cells, f"{row['peak bytes'] / 1e6:.0f} MB"])
    header = ["function", "processor time of 10,000", "memory of one more", "aim", "", f"peak of {many:,}"]
    return f"{table(header, rows)}\n\nSlopes between {few:,} and {many:,} variants, one thread."


def growth():
    rows = []
    for sweep in load("growth.json")["sweeps"]:
        axis, slopes = sweep["axis"], sweep["slopes"]
        first, last = sweep["points"][0], sweep["points"][-1]
        per_base = f"{sweep['bytes_per_base']:.2f}" if "bytes_per_base" in sweep else ""
        rows.append(
            [
                sweep["subject"],
                f"{axis} {first[axis]:,} to {last[axis]:,}",
                f"{shown(first['cpu_seconds'])} to {shown(last['cpu_seconds'])}",
                f"{slopes['time']:.2f}",
                f"{slopes['time_last_decade']:.2f}",
                f"{first['peak_bytes'] / 1e6:.0f} to {last['peak_bytes'] / 1e6:.0f} MB",
                per_base,
            ]
        )
    header = ["what", "from, to", "processor time", "exponent", "in the last decade", "peak memory", "bytes per base"]
    return table(header, rows)


def epoch_costs():
    """To two figures, with the range of the repeats: the same epoch differs more between these than many networks."""
    seconds = {}
    with COSTS.open(newline="") as file:
        for row in csv.DictReader(file):
            seconds.setdefault((row["setting"], row["arm"]), []).append(float(row["cpu_seconds"]))
    rows = [
        [*key, f"{two(statistics.median(own))} s ({two(min(own))} to {two(max(own))})", f"{max(own) / min(own):.1f}"]
        for key, own in seconds.items()
    ]
    return table(["data", "network", "processor time of an epoch", "dearest over cheapest repeat"], rows)


def explorers():
    """The goals beside what was measured; 95% of the interactions are faster."""
    content = load("explorers.json")
    if "opening" not in content:
        return "Not measured since the explorers were rebuilt: `make bench` does."
    alone, times = content["without a page"], content["milliseconds"]
    rows = [["call to the first logos on the page", "0.6 s", f"{content['opening']['first_logos_seconds']:.2f} s"]]
    large = f"{content['first logos of 1,000 filters on 100,000 sequences, s']:.2f} s"
    rows.append(["the same, 1,000 filters and 100,000 sequences", "1.5 s", large])
    goals = {"another filter": "50 ms", "another sequence": "50 ms to mark, 150 ms to all"}
    for name, goal in goals.items():
        rows += [[each, goal, f"{found['p95_ms']:.0f} ms"] for each, found in times.items() if each.startswith(name)]
    for name, goal in (("one layer", "1.5"), ("three layers", "1.1")):
        rows.append([f"one pass against forwards and backwards, {name}", goal, f"{alone[name]['ratio']:.2f}"])
    for name in ("FilterExplorer", "StrandExplorer"):
        first, last = alone[name].values()
        rows.append([f"memory after ten more openings of {name}", "none", f"{last - first:+.0f} MB"])
    return table(["what", "goal", "measured"], rows)


def newcomer():
    """Seconds until a newcomer sees something, from the start of a kernel or interpreter."""
    content = load("newcomer.json") or {}
    rows = [
        [f"quickstart: {what}", "", shown(at)]
        for what, at in content.get("quickstart", {"seconds": {}})["seconds"].items()
    ]
    own = content.get("own_model", {"rows": []})["rows"]
    rows += [[f"own network and sequences: {row['what']}", row["lines"], shown(row["seconds"])] for row in own]
    installed = content.get("install")
    took = (
        f"{shown(installed['seconds'])} ({installed['packages_from_cache']} packages from the cache)"
        if installed
        else "not measured"
    )
    rows.insert(0, ["installation into an empty environment, which the others do not count", "", took])
    loads = [f"{content[part]['load_before']:.1f}" for part in ("quickstart", "own_model") if part in content]
    return (
        table(["from the start to", "lines", "after"], rows)
        + f"\n\nLoad of the 2 cores before: {', '.join(loads) or 'not measured'}."
    )


def real_genome():
    """Commands on two real chromosomes: time and peak memory of each, and what came out."""
    content = (load("newcomer.json") or {}).get("own_peaks")
    if content is None:
        return "Not measured yet: `python benchmarks/newcomer.py own_peaks`."
    rows = [[row["what"], shown(row["seconds"]), f"{row['megabytes']:,.0f} MB"] for row in content["rows"]]
    counts = content["counts"]
    result = (
        f"{counts['positive']['kept']:,} windows of 1,000 bp around peaks and {counts['negative']['kept']:,} others; "
        f"auROC {content['valid_auroc']:.3f} on chromosome 22. Two cores, one thread; load of the machine before: "
        f"{content['load_before']:.1f}."
    )
    return table(["command", "time", "peak memory"], rows) + f"\n\n{result}"


def tests():
    """Seconds of all tests, and of an empty machine's; and memory of ten million sequences."""
    content, before = load("tests.json"), load("tests.json")["before"]["pytest, under a sampling profiler"]
    rows = []
    for (command, now), aim, earlier in zip(content["now"].items(), (480, 720), (before, None), strict=True):
        was = [f"{earlier['seconds']} s", f"{earlier['processor_seconds']} s"] if earlier else ["", ""]
        processor = f"{now['processor_seconds']} s" if now["processor_seconds"] else ""
        took = f"{now['seconds']:.0f} s", processor, f"{aim} s", verdict(now["seconds"], aim)
        rows.append([f"`{command}`, {now['tests']:,} tests", *took, *was])
    header = ["command", "time", "of the processor", "aim", "", "before", "of the processor, for the tests alone"]
    machine = content["machine"]
    return f"{table(header, rows)}\n\nOn {machine['cores']} cores of {machine['cpu']}, nothing else running."


def ten_million():
    """Peak memory of a mapped file of ten million sequences."""
    points = load("reliability/stream.json")["points"]
    (peak,) = (
        each["anonymous_mb_at_most"] for each in points if (each["way"], each["sequences"]) == ("mapped", 10_000_000)
    )
    row = ["`rcviz.evaluate`, 10 million sequences of a mapped file", f"{peak:.0f} MB", "400 MB", verdict(peak, 400)]
    return table(["what", "peak memory", "aim", ""], [row])


def two(value):
    """Two digits that count."""
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}" if value < 10 else f"{value:.0f}"


TABLES = {
    "machine": lambda: machine_of("speed.json"),
    "targets": lambda: targets("speed.json"),
    "machine with AVX-512": lambda: machine_of("speed_avx512.json"),
    "targets with AVX-512": lambda: targets("speed_avx512.json"),
    "whole job": whole_job,
    "epoch costs": epoch_costs,
    "everything": everything,
    "start": start,
    "names": names,
    "busy": busy,
    "mutagenesis": mutagenesis,
    "variants": variants,
    "growth": growth,
    "explorers": explorers,
    "newcomer": newcomer,
    "real genome": real_genome,
    "ten million": ten_million,
    "tests": tests,
}


def filled(page, tables=TABLES):
    """Put every table between its two markers."""
    for name, make in tables.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = page.partition(opening)
        if not found or closing not in rest:
            raise ValueError(f"the page has no place for {name!r}: write {opening.strip()} and {closing} there")
        page = before + opening + make() + "\n" + closing + rest.partition(closing)[2]
    return page


def filled_notebook(text):
    """Put the table of real chromosomes into the tutorial about peaks, which cannot run them."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if "<!-- real genome -->\n" in cell["source"]:
            cell["source"] = filled("".join(cell["source"]), {"real genome": real_genome}).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
    NOTEBOOK.write_text(filled_notebook(NOTEBOOK.read_text()))
