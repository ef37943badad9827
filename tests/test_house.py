"""Rules of the repository: versions, imports, public names, the page about the architecture, notebooks."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from rcviz.plots.strands import prediction_range

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "seaborn": "seaborn-base"}


def name_and_range(requirement):
    return re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", requirement).groups()


def requirements():
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    assert extras["lab"][0] == "rcviz[genome,fetch,tables]"
    optional = [entry for extra in ("genome", "fetch", "tables") for entry in extras[extra]]
    listed = [*project["dependencies"], *optional, *extras["lab"][1:]]
    return dict(name_and_range(requirement) for requirement in listed)


def test_conda_environment_offers_the_same_as_pip():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = (entry["pip"] for entry in listed if isinstance(entry, dict))
    assert by_pip[-1] == "--editable ."
    listed = [entry for entry in listed if isinstance(entry, str)]
    conda = dict(name_and_range(entry) for entry in [*listed, *by_pip[:-1]])
    assert conda.pop("python") == PROJECT["project"]["requires-python"]
    assert conda.pop("pip") == ""
    assert conda == {CONDA_NAMES.get(name, name): bounds for name, bounds in requirements().items()}


def test_every_file_names_the_same_version():
    version = PROJECT["project"]["version"]
    assert importlib.import_module("rcviz").__version__ == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[1] == version
    assert f"rcviz-{version}-py3-none-any.whl" in (ROOT / "docs" / "howto" / "notebooks.md").read_text()


def test_the_public_workflow_runs_make_test_on_every_python_and_nothing_else():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert PROJECT["project"]["requires-python"] == ">=3.11"


def test_the_lowest_versions_were_tried():
    tried = json.loads((ROOT / "benchmarks" / "results" / "reliability" / "versions.json").read_text())["lowest"]
    extras = PROJECT["project"]["optional-dependencies"].values()
    listed = {*PROJECT["project"]["dependencies"], *(each for extra in extras for each in extra)}
    changed = {each for each in listed if not each.startswith("rcviz[")} ^ set(tried["requirements"])
    assert not changed, f"dependencies changed since `make lowest` last passed: run it ({', '.join(sorted(changed))})"
    for requirement in tried["requirements"]:
        name, bound = requirement.split(">=")
        version = tried["versions"][name].partition("+")[0]
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", version), f"{name} {version} was tried, not {bound}"
    assert all(tried["passed"].values())


def test_every_dependency_is_pinned_within_its_range():
    from packaging.specifiers import SpecifierSet

    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines if line)}
    extras = PROJECT["project"]["optional-dependencies"]
    assert extras["test"][0] == "rcviz[lab,variants,cluster,ecosystem,onnx,keras,docs]"
    test = [
        *extras["test"][1:],
        *(entry for extra in ("variants", "cluster", "ecosystem", "onnx", "keras", "docs") for entry in extras[extra]),
    ]
    for name, bounds in {**requirements(), **dict(name_and_range(entry) for entry in test)}.items():
        assert pins[name.lower().replace("_", "-")] in SpecifierSet(bounds), name
    assert pins["torch"] == "2.13.0"


def test_importing_rcviz_imports_nothing_heavy():
    script = (
        "import sys, rcviz; print([m for m in ('torch', 'matplotlib', 'pandas', 'numpy', 'scipy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_a_logo_needs_no_torch_and_no_jaxtyping():
    script = (
        "import sys, numpy, rcviz; rcviz.logo_svg(numpy.eye(4)); rcviz.plot_logo(rcviz.load_motif('CTCF_known1')); "
        "print([name for name in ('torch', 'jaxtyping', 'asyncio') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_explorers_are_imported_without_scipy_and_training_without_the_compiler():
    script = """
import sys, numpy, rcviz
rcviz.FilterExplorer, rcviz.StrandExplorer
assert "scipy.special" not in sys.modules
data = rcviz.SequenceSet(numpy.eye(4, dtype=numpy.uint8), numpy.array([0, 1, 0, 1]))
config = rcviz.ModelConfig.one_layer("revcomp", sequence_length=4, n_filters=1, kernel_sizes=(2,), pool_size=3)
training = rcviz.TrainConfig.chipseq(epochs=1, samples_per_epoch=4)
rcviz.fit(rcviz.build_model(config), data, data, training, progress=False)
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_everything_changes_no_global_setting():
    script = """
import random, numpy, torch, matplotlib, json
before = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state(), dict(matplotlib.rcParams)
backend, threads = matplotlib.get_backend(), torch.get_num_threads()
import rcviz
for name in rcviz.__all__: getattr(rcviz, name)
after = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state(), dict(matplotlib.rcParams)
assert before[0] == after[0] and before[1] == after[1] and torch.equal(before[2], after[2]) and before[3] == after[3]
assert (backend, threads) == (matplotlib.get_backend(), torch.get_num_threads())
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_architecture_page_names_every_module_and_none_that_is_missing():
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"\b\w+\.py\b", page))
    folders = ("rcviz", "paper", "docs", "tests", "benchmarks", "release")
    everywhere = {path.name for folder in folders for path in (ROOT / folder).rglob("*.py")}
    modules = {path.name for path in (ROOT / "rcviz").rglob("*.py")} - {"__init__.py"}
    assert (modules - named, named - everywhere) == (set(), set())


def test_private_names_of_other_libraries_stand_where_they_have_a_fallback():
    """They may change without notice; _is_owned and _at_fork_reinit are what Python's own threading uses of locks."""
    own, used = set(), {}
    for path in (ROOT / "rcviz").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name):
                own.add(node.id)
            elif isinstance(node, ast.arg):
                own.add(node.arg)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                own.add(node.attr)
            elif isinstance(node, ast.Attribute):
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith("rcviz"):
                names = [*node.module.split("."), *(each.name for each in node.names)]
            for name in names:
                if re.match("_[A-Za-z]", name):
                    used.setdefault(name, set()).add(path.relative_to(ROOT / "rcviz").as_posix())
    documented = {"_asdict", "_replace", "_fields"}  # of named tuples
    foreign = {name: files for name, files in used.items() if name not in own | documented}
    assert {name: files - {"layers/torch_internals.py"} for name, files in foreign.items()} == {
        **{name: set() for name in foreign},
        "_is_owned": {"_core/threads.py", "_core/changes.py"},
        "_at_fork_reinit": {"_core/threads.py"},
    }


def test_the_architecture_page_names_every_layer_of_the_import_contract():
    page = (ROOT / "docs" / "architecture.md").read_text()
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    names = [name.strip() for layer in layers for name in layer.split("|")]
    assert [name for name in names if name not in page] == []


def test_every_module_can_be_imported_alone():
    for path in (ROOT / "rcviz").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if module != "rcviz.__main__":
            importlib.import_module(module)


@pytest.mark.parametrize(
    "path",
    sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "paper/notebooks").glob("*.ipynb")]),
    ids=lambda path: path.stem,
)
def test_notebooks_call_the_library(path):
    """No cell has a def: the library should have that function. Classes of networks are allowed, errors are not."""
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            left = re.sub(r"^class \w+\(nn\.Module\):\n(?:    .*\n|\n)*", "", source + "\n", flags=re.MULTILINE)
            assert not re.search(r"^\s*(def|class) ", left, re.MULTILINE)
            assert all(output["output_type"] != "error" for output in cell["outputs"])


def test_the_tests_check_types_and_shapes_of_every_call():
    assert prediction_range(np.zeros(2), np.ones(2))
    with pytest.raises(TypeError, match="y="):
        prediction_range(np.zeros(2), np.ones(3))
    with pytest.raises(TypeError, match="scale="):
        prediction_range(np.zeros(2), np.ones(2), 1)
