"""Build what a release consists of, and try it as a stranger would: ``make release``.

Source distribution and wheel are built and checked; the wheel goes into an empty environment of every Python that
should do and is found here, with the versions of ``constraints.txt``, and runs ``rcviz demo`` in an empty folder. Of
the first such environment there is a bill of materials (CycloneDX), a list of licences and, where its data can be
reached, an audit for known vulnerabilities. All of it is in ``dist/``; what came out, in
``benchmarks/results/reliability/release.json``.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
RESULTS = ROOT / "benchmarks" / "results" / "reliability" / "release.json"
PYTHONS = ("3.11", "3.12", "3.13")
LARGEST_WHEEL = 3_000_000
"""Bytes; most of them are pictures in tutorials."""


def run(*command, **settings):
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **settings)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def environment(python, folder, *packages):
    """An empty environment with some packages in it; returns its Python."""
    run(python, "-m", "venv", folder)
    inside = folder / "bin" / "python"
    run(inside, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *packages)
    return inside


def found_pythons():
    """Every Python that should do, or None where it is not found; those that pyenv keeps count."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for wanted in PYTHONS:
        folders = [*(str(path / "bin") for path in sorted(kept.glob(f"{wanted}.*"))), os.environ["PATH"]]
        found[wanted] = shutil.which(f"python{wanted}", path=os.pathsep.join(folders))
    return found


def built(tools):
    """Distributions in ``dist/``, checked as the package index would."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(tools, "-m", "build", "--outdir", DIST, ROOT)
    files = sorted(DIST.iterdir())
    assert sorted(path.suffix for path in files) == [".gz", ".whl"], files
    (size,) = (path.stat().st_size for path in files if path.suffix == ".whl")
    assert size < LARGEST_WHEEL, f"the wheel has {size:,} bytes: see release/small_pictures.py"
    run(tools, "-m", "twine", "check", "--strict", *files)
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in files
    }


def tried(python, folder):
    """Install the wheel and run the demonstration, far from the checkout; returns what came out."""
    (wheel,) = DIST.glob("*.whl")
    started = time.perf_counter()
    inside = environment(python, folder / "environment", "--constraint", ROOT / "constraints.txt", wheel)
    installed = time.perf_counter() - started
    empty = folder / "empty"
    empty.mkdir()
    where = run(inside, "-c", "import rcviz; print(rcviz.__file__)", cwd=empty).strip()
    assert Path(where).is_relative_to(folder), f"rcviz was imported from {where}, not from the wheel"
    said = run(inside.with_name("rcviz"), "demo", cwd=empty, env=os.environ | {"PYTHONPATH": ""})
    return inside, {
        "python": run(inside, "-c", "import platform; print(platform.python_version())").strip(),
        "packages": len(json.loads(run(inside, "-m", "pip", "list", "--format=json"))),
        "seconds_to_install": round(installed, 1),
        "demo_wrote": sorted(path.relative_to(empty).as_posix() for path in empty.rglob("*") if path.is_file()),
        "demo_said": said.strip().splitlines()[-1],
    }


def listed(tools, inside):
    """Bill of materials and licences of an environment."""
    bill = DIST / "sbom.cdx.json"
    run(tools, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--of", "JSON", "-o", bill, inside)
    licences = run(tools, "-m", "piplicenses", "--python", inside, "--format=json", "--with-urls")
    (DIST / "licences.json").write_text(licences)
    kinds = Counter(entry["License"] for entry in json.loads(licences))
    return {
        "components": len(json.loads(bill.read_text())["components"]),
        "licences": dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))),
    }


def audited(tools, inside):
    """Known vulnerabilities of what is installed, or why nobody could tell."""
    packages = run(inside, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    command = [tools, "-m", "pip_audit", "--path", packages, "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    (DIST / "audit.json").write_text(done.stdout)
    return audit_of(done.stdout, done.stderr)


def audit_of(report, complaints=""):
    """What a report of pip-audit comes to; a package that its data does not know was not audited."""
    try:
        entries = json.loads(report)["dependencies"]
    except ValueError:
        return {"audited": 0, "unknown": [], "why": (complaints.strip().splitlines() or ["it said nothing"])[-1][:300]}
    known = [entry for entry in entries if "vulns" in entry]
    found = {f"{each['name']} {each['version']}": [vuln["id"] for vuln in each["vulns"]] for each in known}
    return {
        "audited": len(known),
        "unknown": [entry["name"] for entry in entries if "vulns" not in entry],
        "vulnerable": {name: ids for name, ids in found.items() if ids},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pythons", nargs="+", choices=PYTHONS, default=PYTHONS, help="try these alone")
    asked = parser.parse_args()
    found = found_pythons()
    with tempfile.TemporaryDirectory() as base:
        tools = environment(
            sys.executable, Path(base) / "tools", "--requirement", Path(__file__).with_name("tools.txt")
        )
        told = {"distributions": built(tools), "pythons": {}, "not_found": [], "not_tried": []}
        for wanted in PYTHONS:
            if found[wanted] is None or wanted not in asked.pythons:
                told["not_found" if found[wanted] is None else "not_tried"].append(wanted)
                continue
            folder = Path(base).resolve() / wanted
            folder.mkdir()
            try:
                inside, told["pythons"][wanted] = tried(found[wanted], folder)
            except RuntimeError as error:
                told["pythons"][wanted] = {"failed": str(error)[-600:]}
                continue
            print(wanted, told["pythons"][wanted], file=sys.stderr, flush=True)
            if "components" not in told:
                told |= listed(tools, inside) | {"audit": audited(tools, inside)}
            shutil.rmtree(folder)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))
    sys.exit(any("failed" in each for each in told["pythons"].values()))


if __name__ == "__main__":
    main()
