"""rcviz inspect: one page, or a notebook with the explorers."""

import json
import re

import frontends
import numpy as np
import pytest

import rcviz


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An RC network for the dataset; untrained ones have filters and strands as well."""
    path = tmp_path_factory.mktemp("model") / "rc.safetensors"
    config = rcviz.ModelConfig.one_layer("revcomp", n_filters=3, kernel_sizes=(7,), pool_size=9, sequence_length=60)
    rcviz.save_model(rcviz.build_model(config), path)
    return path


def test_the_page_has_the_results_of_the_library(run, model, dataset, work):
    result = run("inspect", model, dataset, "--html", "report.html", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    network, data = rcviz.load_model(model), rcviz.SequenceSet.load(dataset)
    agreement = rcviz.strand_agreement(network, data)
    assert report["max_gap"] == pytest.approx(agreement.max_gap)
    assert report["mean_gap"] == pytest.approx(agreement.mean_gap)
    ranking = rcviz.filter_contributions(network, data).ranking.tolist()
    assert [row["filter"] for row in report["filters"]] == ranking
    assert report["metrics"][0]["auroc"] == pytest.approx(rcviz.evaluate(network, data)["auroc"].item())
    table = rcviz.palindromes(rcviz.filter_bank(network), data).table.set_index("filter")
    scores = [row["palindromicity"] for row in report["palindromes"]]
    assert scores == sorted(scores, reverse=True)
    assert {row["filter"]: row["verdict"] for row in report["palindromes"]} == table["verdict"].to_dict()

    page = (work / "report.html").read_text()
    assert f"differ by up to {agreement.max_gap:.2g}, by {agreement.mean_gap:.2g} on average" in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Metrics", "Strands", "Filters", "Palindromes"]
    shown = json.loads(re.search(r'id="rcviz-data">(.*?)</script>', page)[1])
    assert shown["_weights"]["matrices"]["shape"] == [3, 4, 7]
    assert shown["_status"] == {"state": "ready"}


def test_the_page_needs_nothing_else(run, model, dataset, work):
    run("inspect", model, dataset, "--html", "report.html")
    page = (work / "report.html").read_text()
    assert not re.search(r"<link|<iframe|<img|@import|<script[^>]*src|fetch\(", page)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", re.sub(r"xmlns[:a-z]*=\S+", "", page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_only_some_chromosomes_and_another_task(run, toy, make_model, work):
    chrom = np.repeat(["chr1", "chr2"], 60)
    rcviz.SequenceSet(toy.codes, toy.labels, task_names=toy.task_names, chrom=chrom).save("two.safetensors")
    rcviz.save_model(make_model(), "two_tasks.safetensors")
    basis = ("inspect", "two_tasks.safetensors", "two.safetensors", "--html", "report.html", "--json")
    report = json.loads(run(*basis, "--chromosomes", "chr2", "--task", "starts with A").stdout)
    assert (report["n_sequences"], report["task"]) == (60, "starts with A")
    network = rcviz.load_model("two_tasks.safetensors")
    data = rcviz.SequenceSet.load("two.safetensors").subset(slice(60, 120))
    agreement = rcviz.strand_agreement(network, data)
    assert report["max_gap"] == pytest.approx(agreement.gap[:, 1].max())
    ranking = rcviz.filter_contributions(network, data, task=1).ranking.tolist()
    assert [row["filter"] for row in report["filters"]] == ranking
    shown = json.loads(re.search(r'id="rcviz-data">(.*?)</script>', (work / "report.html").read_text())[1])
    assert shown["_about"]["tasks"][shown["_state"]["task"]] == "starts with A"


def test_names_in_files_are_escaped(run, toy, make_model, work):
    name = "<img src=x onerror=alert(1)>"
    rcviz.SequenceSet(toy.codes, toy.labels[:, 0], task_names=[name], names=[name] * 120).save("odd.safetensors")
    rcviz.save_model(make_model(n_tasks=1), "<img>.safetensors")
    assert run("inspect", "<img>.safetensors", "odd.safetensors", "--html", "report.html").exit_code == 0
    assert "<img" not in (work / "report.html").read_text()


def test_wrong_input_is_explained_in_one_sentence(refused, model, dataset, toy, make_model, work):
    rcviz.SequenceSet(toy.codes[:, :50], toy.labels[:, 0]).save("short.safetensors")
    rcviz.SequenceSet(toy.codes).save("plain.safetensors")
    rcviz.SequenceSet(toy.codes, toy.labels[:, 0]).save("without.safetensors")
    for arguments, words in [
        ((model, "short.safetensors"), "short.safetensors have 50"),
        ((model, "plain.safetensors"), "labels for 0 tasks"),
        ((model, dataset, "--html", "nowhere/report.html"), "nowhere"),
        ((model, dataset, "--chromosomes", "chr1,chr9"), "chr9"),
        ((model, dataset, "--chromosomes", ","), "--chromosomes is empty"),
        ((model, "without.safetensors", "--chromosomes", ","), "--chromosomes is empty"),
        ((model, "without.safetensors", "--chromosomes", "chr1"), "its chromosomes are: none"),
        ((model, dataset, "--task", "NFKB"), "NFKB"),
        ((dataset, dataset), "not a model"),
        ((model, model), "SequenceSet"),
    ]:
        html = () if "--html" in arguments else ("--html", "r.html")
        assert words in refused("inspect", *html, *arguments)
    assert not list(work.glob("*.html"))


def test_without_html_jupyterlab_opens_a_notebook_that_runs(run, model, dataset, work, calls):
    result = run("inspect", model, dataset, "--chromosomes", "chr1", "--", "--no-browser")
    assert result.exit_code == 3, result.output  # JupyterLab's own
    (command,) = calls
    assert command[2:] == ["jupyterlab", "./rc.inspect.ipynb", "--no-browser", "--ServerApp.ip=localhost"]
    notebook = frontends.nbformat.read(work / "rc.inspect.ipynb", as_version=4)
    frontends.nbformat.validate(notebook)
    names = {}
    for cell in notebook.cells[1:]:
        exec(compile(cell.source, "cell", "exec"), names)
    assert len(names["data"]) == 40
    shown = [eval(cell.source, names) for cell in notebook.cells[-2:]]
    assert [type(one).__name__ for one in shown] == ["FilterExplorer", "StrandExplorer"]


def test_a_notebook_is_never_replaced(run, model, dataset, work, calls):
    run("inspect", model, dataset)
    path = work / "rc.inspect.ipynb"
    notebook = frontends.nbformat.read(path, as_version=4)
    notebook.cells[1].outputs.append(frontends.nbformat.v4.new_output("stream", text="ran"))
    frontends.nbformat.write(notebook, path)
    before = path.read_text()
    run("inspect", model, dataset)  # the same question: the notebook with its outputs
    notebook.cells[1].source += "\n# my own"
    path.write_text(frontends.nbformat.writes(notebook))
    report = run("inspect", model, dataset, "--json")
    assert json.loads(report.stdout) == {"notebook": "rc.inspect-2.ipynb"}
    assert before != path.read_text()
    assert "my own" in path.read_text()
    assert [command[3] for command in calls] == ["./rc.inspect.ipynb", "./rc.inspect.ipynb", "./rc.inspect-2.ipynb"]


def test_a_model_that_does_not_fit_opens_nothing(refused, model, toy, work, calls):
    rcviz.SequenceSet(toy.codes[:, :50], toy.labels[:, 0]).save("short.safetensors")
    assert "60 bp" in refused("inspect", model, "short.safetensors")
    assert not calls
    assert not list(work.glob("*.ipynb"))


def test_a_model_of_values(run, values, work):
    size = {"n_filters": 3, "kernel_sizes": (7,), "pool_size": 9, "sequence_length": 60}
    network = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", output_is="value", **size))
    rcviz.save_model(network, "values.safetensors")
    result = run("inspect", "values.safetensors", values, "--html", "report.html", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    data = rcviz.SequenceSet.load(values)
    assert report["metrics"][0]["mse"] == pytest.approx(rcviz.evaluate(network, data)["mse"].item())
    found = rcviz.filter_contributions(network, data, positives=data.upper_part(0.25))
    assert [row["filter"] for row in report["filters"]] == found.ranking.tolist()
    page = (work / "report.html").read_text()
    assert "The values of G" in page
    assert "upper 25% of the values" in page
