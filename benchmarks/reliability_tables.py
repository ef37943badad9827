"""Write the tables of docs/reliability.md from benchmarks/results/reliability/*.json; a test compares the two."""

import json
from collections import Counter
from functools import partial
from pathlib import Path

from tables import filled, table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "benchmarks" / "results" / "reliability"


def made_by(command, content=None):
    """Return the command that measures again, with the machine of the measurement."""
    machine = (content or {}).get("machine", {})
    where = [f"{key} {machine[key]}" for key in ("python", "torch") if key in machine]
    if "cores" in machine:
        where.append(f"{machine['cores']} cores")
    seed = [f"seed {content['seed']}"] if content and "seed" in content else []
    return f"`{command}`" + (f" ({', '.join([*seed, *where])})" if seed or where else "")


def faults(content):
    return f"Faults: {'; '.join(content['faults'])}" if content["faults"] else "No faults."


def megabytes(value):
    return f"{value:,.0f} MB"


def kills(content):
    jobs = [*content["jobs"].items(), ("**all**", content)]
    rows = [
        [name, job["kills"], job["survived"], job.get("while writing", 0), job["that left a file unfinished"]]
        for name, job in jobs
    ]
    header = ["job", "kills", "survived", "after writing had begun", "a temporary file left"]
    command = f"python tests/reliability/kill_jobs.py --kills {content['kills']} --record"
    return f"{table(header, rows)}\n\n{faults(content)} {made_by(command, content)}"


def interrupts(content):
    columns = ("places", "moments", "interrupted", "undone", "same numbers")
    total = Counter()
    for job in content["jobs"].values():
        total.update(job)
    jobs = [*content["jobs"].items(), ("**all**", total)]
    rows = [[name, *(f"{job.get(column, 0):,}" for column in columns)] for name, job in jobs]
    header = ["job", "places in the code", "moments tried", "interrupted", "all restored", "same numbers afterwards"]
    command = f"python tests/reliability/interrupts.py --moments {content['moments']} --record"
    return f"{table(header, rows)}\n\n{faults(content)} {made_by(command, content)}"


def sweeps(content):
    command = f"python tests/reliability/sweeps_at_once.py --sweeps {content['sweeps']} --record"
    return (
        f"{content['sweeps']} sweeps started at the same moment on one store asked for {content['runs_asked_for']} "
        f"runs, {content['records_of_one_sweep']} of them different. {content['records']} records were kept, "
        f"{content['lost']} lost, {content['left_over']} left over, {content['different']} different from those of "
        f"one sweep. {faults(content)} {made_by(command, content)}"
    )


def fuzz(content):
    rows = []
    for name, runs in content.items():
        total = [sum(run[key] for run in runs) for key in ("minutes", "inputs", "finds")]
        rows.append([name.replace("_", " "), f"{total[0]:.0f}", f"{total[1]:,}", total[2]])
    runs = [run for each in content.values() for run in each]
    minutes, inputs, finds = (sum(run[key] for run in runs) for key in ("minutes", "inputs", "finds"))
    rows.append(["**all**", f"{minutes:.0f}", f"{inputs:,}", finds])
    header = ["reader", "minutes", "inputs tried", "faults found"]
    return f"{table(header, rows)}\n\n{made_by('python tests/reliability/fuzz.py --minutes 10')}"


def properties(content):
    rows = [
        [name, f"{found['examples']:,}", f"{found['largest_error']:.1e}" if found["largest_error"] else "0"]
        for name, found in content["properties"].items()
    ]
    rows.append(["**all**", f"{sum(found['examples'] for found in content['properties'].values()):,}", ""])
    command = made_by("python tests/reliability/properties.py --record", content)
    allowed = f"Allowed is {content['tolerance']:.0e}."
    header = ["what holds", "random examples", "largest error"]
    return f"{table(header, rows)}\n\n{faults(content)} {allowed} {command}"


def stream(content):
    words = {"mapped": "a mapped file, `rcviz.evaluate`", "streamed": "a stream of blocks, `rcviz.predict`"}
    rows = [
        [
            words[point["way"]],
            f"{point['sequences']:,}",
            megabytes(point["anonymous_mb_before"]),
            megabytes(point["anonymous_mb_at_most"]),
            megabytes(point["file_mb_at_most"]),
            f"{point['processor_seconds'] / point['sequences'] * 1e6:.0f} s",
        ]
        for point in content["points"]
    ]
    header = ["way", "sequences", "memory before", "at most", "pages of files", "processor time per million"]
    grown = " and ".join(f"{each:.0f} bytes ({way})" for way, each in content["bytes_per_sequence"].items())
    command = made_by("python tests/reliability/stream.py --record", content)
    return (
        f"{table(header, rows)}\n\nSequences of {content['length']} bp. Between the smallest and the largest number "
        f"memory grew by {grown} per sequence. {command}"
    )


def release(content):
    rows = []
    for wanted, found in content["pythons"].items():
        if "failed" in found:
            rows.append([found.get("python", wanted), "**failed**", ""])
        else:
            rows.append([found["python"], found["packages"], f"ran, and wrote {len(found['demo_wrote'])} files"])
    rows += [[wanted, "not found here", ""] for wanted in content["not_found"]]
    rows += [[wanted, "not tried", ""] for wanted in content["not_tried"]]
    files = ", ".join(f"{name} ({found['bytes'] / 1e6:.1f} MB)" for name, found in content["distributions"].items())
    parts = [f"{table(['Python', 'packages installed', '`rcviz demo`'], rows)}", f"Built and checked: {files}."]
    if "components" in content:
        licences = ", ".join(f"{kind} ({n})" for kind, n in content["licences"].items())
        parts.append(f"The bill of materials has {content['components']} components. Licences: {licences}.")
        parts.append(audit(content["audit"]))
    return "\n\n".join([*parts, made_by("make release")])


def versions(content):
    rows = []
    for kind, found in content.items():
        shown = [
            f"{name} {found['versions'][name]}" for name in ("torch", "numpy", "pandas", "matplotlib", "anywidget")
        ]
        passed = found["passed"]
        rows.append(
            [kind, found["date"], found["python"], ", ".join(shown), f"{sum(passed.values()):,}", ", ".join(passed)]
        )
    header = ["versions", "tried on", "Python", "among them", "tests passed", "of the folders"]
    return f"{table(header, rows)}\n\n{made_by('make lowest')}, {made_by('make newest')}"


def audit(found):
    """Say which packages were audited; nothing is called free of vulnerabilities without."""
    if not found["audited"]:
        why = found.get(
            "why", f"the index that is reached here has such data for none of {len(found['unknown'])} packages"
        )
        return f"Not audited by pip-audit: {why}."
    known = "; ".join(f"{name}: {', '.join(ids)}" for name, ids in found["vulnerable"].items())
    rest = f" Not in its data, and so not audited: {', '.join(found['unknown'])}." if found["unknown"] else ""
    return f"pip-audit looked at {found['audited']} packages and found {known or 'no known vulnerability'}.{rest}"


RESULT_FILES = (kills, interrupts, sweeps, fuzz, properties, stream, release, versions)
"""Functions with the name of their file and of the marker on the page."""


def result_table(make):
    path = RESULTS / f"{make.__name__}.json"
    return make(json.loads(path.read_text())) if path.exists() else "Not measured yet."


TABLES = {make.__name__: partial(result_table, make) for make in RESULT_FILES}

if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), TABLES))
