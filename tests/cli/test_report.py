"""rcviz report at the command line; tests/experiments/test_report.py has the page."""

import json

from paper_tables import ABOVE, BELOW, runs


def test_tables_in_a_page_and_pictures_out(run, work):
    (work / "results").mkdir()
    table = runs({"RC-20": ABOVE, "standard-20": BELOW, "standard-40": BELOW})
    table.to_csv(work / "results" / "fig3_runs.csv", index=False)
    result = run("report")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Written: docs/paper.md and 2 pictures.\n"
    page = (work / "docs" / "paper.md").read_text()
    assert "p = 5.413e-06" in page
    again = run("report", "--results", "results", "--docs", "elsewhere", "--json")
    written = json.loads(again.stdout)
    assert written["page"] == "elsewhere/paper.md"
    assert all((work / picture).exists() for picture in written["pictures"])
    assert (work / "elsewhere" / "paper.md").read_text() == page


def test_a_folder_that_is_not_there_is_refused(refused, work):
    assert refused("report").startswith("there is no folder results: give the one that rcviz experiment writes")
    assert not list(work.iterdir())
