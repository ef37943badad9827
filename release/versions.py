"""Try the versions that pyproject.toml allows: ``make lowest`` and ``make newest``.

``lowest`` installs every direct dependency, also of all extras, at its lower bound, ``newest`` at its newest version,
without ``constraints.txt``, into ``.venv-lowest`` or ``.venv-newest``, and runs the tests without browser, notebooks
and long tests, a folder at a time. The folders that pass are recorded; a test compares the recorded requirements with
``pyproject.toml``. ``--only models convert`` tries some folders, and keeps what is known of the others while
requirements and versions are the same.

The package index has torch for Linux on x86 with CUDA (several GB). Where it is installed already, in the wanted
version and any build, it is kept.
"""

import argparse
import datetime
import json
import platform
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "reliability" / "versions.json"
MARKS = "not browser and not notebook and not long and not soak"
WITHOUT = ("browser", "notebooks")


def requirements():
    """Every direct dependency of the package and its extras, sorted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    listed = {*project["dependencies"], *(each for extra in extras for each in extra)}
    return sorted(each for each in listed if not each.startswith("rcviz["))


def install(kind):
    """Make the environment, and return its Python."""
    python = ROOT / f".venv-{kind}" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ROOT / f".venv-{kind}"], check=True)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    wanted = [each.replace(">=", "==") if kind == "lowest" else each for each in requirements()]
    subprocess.run([*pip, *(["--upgrade"] if kind == "newest" else []), *wanted], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", ROOT], check=True)
    return python


def installed(python):
    """The version of every direct dependency."""
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    names = [each.partition(">=")[0] for each in requirements()]
    found = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True).stdout.split()
    return dict(zip(names, found, strict=True))


def parts():
    """Folders and files of tests, by name."""
    folders = {path.name: path for path in sorted((ROOT / "tests").iterdir()) if any(path.glob("test_*.py"))}
    return {name: path for name, path in folders.items() if name not in WITHOUT} | {"top": None}


def tested(python, name):
    """Run one part of the tests; returns the number of those that passed, or None if one failed."""
    report = ROOT / "build" / "versions.xml"
    report.parent.mkdir(exist_ok=True)
    # Named folders would load their conftest.py, and rcviz with it, before its types can be checked.
    top = sorted((ROOT / "tests").glob("test_*.py"))
    others = [path for other, path in parts().items() if path and other != name]
    others += [ROOT / "tests" / each for each in WITHOUT] + (top if name != "top" else [])
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-m",
        MARKS,
        f"--junitxml={report}",
        "--deselect=tests/reliability/test_page.py",  # the page is written from this record, afterwards
        *(f"--ignore={each}" for each in others),
    ]
    if subprocess.run([*command, "tests"], cwd=ROOT, check=False).returncode:
        return None
    (suite,) = ElementTree.parse(report).getroot()
    return int(suite.get("tests")) - int(suite.get("skipped"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=("lowest", "newest"))
    parser.add_argument("--only", nargs="+", choices=parts(), help="parts of the tests; all by default")
    options = parser.parse_args()
    python = install(options.kind)
    versions = installed(python)
    failed = []
    for name in options.only or parts():
        passed = tested(python, name)
        if passed is None:
            failed.append(name)
            continue
        record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
        known = record.get(options.kind, {})
        if known.get("requirements") != requirements() or known.get("versions") != versions:
            known = {}
        record[options.kind] = {
            "date": datetime.date.today().isoformat(),
            "python": platform.python_version(),
            "passed": dict(sorted({**known.get("passed", {}), name: passed}.items())),
            "requirements": requirements(),
            "versions": versions,
        }
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    sys.exit(f"tests failed: {', '.join(failed)}" if failed else None)


if __name__ == "__main__":
    main()
