"""Write the tables of docs/explanation/contributions.md from contributions_knockouts.json; a test compares the two."""

import json
import statistics
from pathlib import Path

from tables import filled, table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "contributions.md"
RESULTS = ROOT / "benchmarks" / "results" / "contributions_knockouts.json"
AGAINST = "positive, against in both classes"


def knock_out_groups():
    """Rows of benchmarks/contributions_knockouts.py by data, network and convolution: all seeds and tasks."""
    groups = {}
    for row in json.loads(RESULTS.read_text())["rows"]:
        name = f"{row['kind']}, {row['layers']} convolution{'s' if row['layers'] > 1 else ''}"
        groups.setdefault((row["data"], name, row["layer"]), []).append(row)
    return groups


def median_and_range(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def knock_outs():
    rows = []
    for key, own in knock_out_groups().items():
        changed, against = (sum(row[name] for row in own) for name in ("sign changes", AGAINST))
        rows.append(
            [
                *key,
                median_and_range([row["spearman"] for row in own]),
                median_and_range([row["size"]["zero"] for row in own]),
                f"{changed} of {sum(row['filters'] for row in own)}"
                + (f", up to {max(row['largest that changes'] for row in own):.2f}" if changed else ""),
                f"{against} of {sum(row['positive'] for row in own)}",
            ]
        )
    header = ["data", "network", "convolution", "Spearman", "size", "other sign", "evidence against, score positive"]
    return table(header, rows)


def knock_out_summary():
    """The same over all convolutions before the last, in a sentence for each."""
    before_last = [row for own in knock_out_groups().values() for row in own if row["layer"] < row["layers"]]
    last = [row for own in knock_out_groups().values() for row in own if row["layer"] == row["layers"]]
    first = [row for row in before_last if row["layer"] == 1]
    spearman, of_sequences = ([row[name] for row in before_last] for name in ("spearman", "spearman by sequence"))
    n_wider = sum(
        row["effect minus contribution"]["positives"] > row["effect minus contribution"]["negatives"]
        for row in before_last
    )
    changed = sum(row["sign changes"] for row in before_last)
    weak = [row["largest that changes"] for row in before_last if row["sign changes"]]
    one = [row for own in knock_out_groups().values() for row in own if row["layers"] == 1]
    against = sum(row[AGAINST] for row in one), sum(row["positive"] for row in one)
    wrong = max(abs(row["size"]["zero"] - 1) for row in last)
    return (
        f"- **Last convolution** ({len(last)} cases): equal; sizes differ by at most {wrong:.0e}.\n"
        f"- **Ranks** of scores, convolutions before the last: Spearman {median_and_range(spearman)}, and of single "
        f"sequences {median_and_range(of_sequences)}. The lowest of all scores' is of a task with a test auROC of "
        f"{min(before_last, key=lambda row: row['spearman'])['auroc']:.2f}.\n"
        f"- **Sizes**: knock-outs are {median_and_range([row['size']['zero'] for row in first])} times as large as "
        "scores in the first of three convolutions.\n"
        f"- **Signs**: {changed} of {sum(row['filters'] for row in before_last)} scores change theirs; where some "
        f"do, the strongest has {median_and_range(weak)} of the network's largest knock-out.\n"
        f"- **Classes**: in {n_wider} of {len(before_last)} cases knock-outs minus contributions, summed over filters, "
        "are larger in positives than in negatives: so the difference of the classes is too small in contributions.\n"
        f"- **Evidence against**: in one-layer networks, where scores are exact, {against[0]} of {against[1]} filters "
        "with a positive score decrease the logit in positives and in negatives, there more."
    )


def knock_out_reasons():
    rows = []
    for key, own in knock_out_groups().items():
        if key[1].endswith("convolutions") and key[2] < 3:  # the others are exact
            kinds = ("zero", "pooling fixed", "rectifiers fixed", "both fixed", "mean")
            classes = ([row["effect minus contribution"][name] for row in own] for name in ("positives", "negatives"))
            rows.append([*key, *(median_and_range([row["size"][kind] for row in own]) for kind in kinds)])
            rows[-1] += [f"{statistics.median(values):+.1f}" for values in classes]
    header = ["data", "network", "convolution", "size", "pooling fixed", "rectifiers fixed", "both fixed"]
    found = table([*header, "set to the mean", "difference in positives", "in negatives"], rows)
    note = json.loads(RESULTS.read_text()).get("note")  # of rows that an earlier version measured
    return f"{found}\n\n{note}" if note else found


def networks_of_others():
    """Each network that was trained, and how far its contributions are from knock-outs."""
    rows = [
        [
            row["network"],
            row["at"],
            f"{row['auroc']:.2f}",
            f"{row['spearman']:.2f}",
            f"{row['spearman by sequence']:.2f}",
            f"{row['size']['zero']:.2f}",
            f"{row['size']['mean']:.2f}",
            f"{row['sign changes']} of {row['filters']}"
            + (f", up to {row['largest that changes']:.2f}" if row["sign changes"] else ""),
        ]
        for row in json.loads(RESULTS.read_text())["others"]
    ]
    header = ["network", "neurons", "test auROC", "Spearman", "by sequence", "size", "set to the mean", "other sign"]
    return table(header, rows)


TABLES = {
    "knock-outs in short": knock_out_summary,
    "knock-outs": knock_outs,
    "reasons": knock_out_reasons,
    "networks of others": networks_of_others,
}


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), TABLES))
