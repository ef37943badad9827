"""Filters of known truth: how often is the verdict of ``rcviz.palindromes`` wrong?

``python benchmarks/palindromes.py`` judges 200 filters of every class, drawn from motifs that the method was not
developed on, and writes benchmarks/results/palindromes.json and the tables of docs/palindromes.md. It takes about half
an hour of processor time; after an interruption the same command goes on (finished parts lie under runs/palindromes/,
in a folder for this state of the method).
"""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import palindrome_cases as cases
import pandas as pd
import torch
from scipy.stats import binomtest

from rcviz._core.files import atomic_write
from rcviz._core.memory import ReusedMemory
from rcviz.analysis.palindromes import palindromes

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "palindromes.md"
OUT = ROOT / "benchmarks" / "results" / "palindromes.json"
PARTS = ROOT / "runs" / "palindromes"
METHOD = [
    *(ROOT / "rcviz" / "analysis" / f"{name}.py" for name in ("chance", "palindromes", "searched", "site_palindromes")),
    ROOT / "rcviz" / "motifs" / "palindromicity.py",
    ROOT / "benchmarks" / "palindrome_cases.py",
]
VERDICTS = ("none", "genuine", "hybrid", "low complexity", "inactive", "unknown")
RIGHT = {"ordinary": "none", "genuine": "genuine", "hybrid": "hybrid", "inactive": "inactive"}
SHARES = (0.0, 0.025, 0.05, 0.1, 0.5, 1.0)
RARE = 0.05  # up to this share "unknown" is right as well
N_FILTERS, FIRST_SEED = (
    200,
    80_000,
)  # of every class; development used smaller seeds, earlier rules 60,000 and 70,000 on
N_FEWER, FIRST_FEWER = 20, 81_000  # with fewer sequences, and in between
PART = 50  # filters that are stored at a time


def classes():
    """Every class of filters, with what it is drawn with."""
    for truth in cases.KINDS:
        for share in SHARES:
            yield {"truth": truth, "share": share}
        yield {"truth": truth, "share": 0.5, "negatives": True}
    for truth in (*cases.LOW_COMPLEXITY, "inactive"):
        yield {"truth": truth}


def fewer_sequences():
    """Classes of half and of a fifth as many sequences."""
    for n in (1000, 400):
        for truth in ("genuine", "hybrid"):
            for share in (0.0, 0.1, 0.5):
                yield {"truth": truth, "share": share, "n": n}


def right_verdicts(drawn):
    """Verdicts that count as right: of an absent motif nothing can be known but that the weights are no palindrome."""
    truth, share = drawn["truth"], drawn.get("share", 0.5)
    verdict = RIGHT.get(truth, "low complexity")
    if truth not in cases.KINDS or share > RARE:
        return (verdict,)
    if share > 0 or truth == "ordinary":
        return (verdict, "unknown")
    return ("unknown",)


def judged(drawn, seed, half=cases.TEST):
    """Verdict on one filter, with the numbers behind it."""
    bank, data, name = cases.case(drawn["truth"], seed, half=half, **{k: drawn[k] for k in drawn if k != "truth"})
    row = palindromes(bank, data).table.iloc[0]
    return {"seed": seed, "motif": name, "verdict": row["verdict"], "excess_z": row["excess_z"], "loss": row["loss"]}


def stored_part(drawn, half, first, n):
    """Verdicts on some filters of one class; what an earlier call stored is read."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in METHOD)).hexdigest()[:12]
    name = "_".join(str(value) for value in (*drawn.values(), half, first, n))
    path = PARTS / f"method_{digest}" / f"{name}.json"
    if not path.exists():
        torch.set_num_threads(1)
        with ReusedMemory():
            rows = [judged(drawn, seed, half) for seed in range(first, first + n)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(pd.DataFrame(rows).to_json(orient="records", double_precision=15))
    return json.loads(path.read_text())


def measured(drawn, half=cases.TEST, first=FIRST_SEED, n=N_FILTERS):
    """Verdicts on the filters of one class, and which of them were named wrong."""
    starts = range(first, first + n, PART)
    filters = pd.DataFrame([row for a in starts for row in stored_part(drawn, half, a, min(PART, first + n - a))])
    wrong = filters[~filters["verdict"].isin(right_verdicts(drawn))]
    counts = filters["verdict"].value_counts()
    verdicts = {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}
    print(drawn, verdicts, f"{len(wrong)} wrong", flush=True)
    return {
        "class": drawn,
        "right": right_verdicts(drawn),
        "verdicts": verdicts,
        "by_seed": filters["verdict"].tolist(),
        "wrong": len(wrong),
        "named_wrong": json.loads(wrong.round(3).to_json(orient="records")),
    }


def measured_few(drawn):
    """The same for fewer filters."""
    return measured(drawn, first=FIRST_FEWER, n=N_FEWER)


def name_of(drawn):
    truth = drawn["truth"]
    if truth not in cases.KINDS:
        return truth if truth == "inactive" else f"low complexity: {truth}"
    where = "absent" if not drawn["share"] else f"in {drawn['share']:.1%}".replace(".0%", "%")
    return f"{truth}, motif {where}{' of the negatives' if drawn.get('negatives') else ''}"


def share_with_interval(wrong, n):
    """Share with its exact (Clopper-Pearson) 95% interval."""
    interval = binomtest(wrong, n).proportion_ci(0.95, "exact")
    return f"{wrong / n:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def class_table(results, *, numbers=False):
    """A table for the documents: classes by verdicts."""
    head = ["class", *(["sequences"] if numbers else []), *VERDICTS, "wrong, with its 95% interval"]
    rows = [head, ["---"] * len(head)]
    for result in results:
        n = sum(result["verdicts"].values())
        counts = [str(result["verdicts"][verdict]) for verdict in VERDICTS]
        marked = [
            f"**{count}**" if verdict in result["right"] and count != "0" else count
            for verdict, count in zip(VERDICTS, counts, strict=True)
        ]
        sequences = [f"{result['class']['n']:,}"] if numbers else []
        rows.append([name_of(result["class"]), *sequences, *marked, share_with_interval(result["wrong"], n)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def tables(results):
    """Every table of the page that this script writes."""
    return {
        "verdicts": lambda: class_table(results["classes"]),
        "fewer sequences": lambda: class_table(results["fewer sequences"], numbers=True),
        "between": lambda: ", ".join(f"{verdict} {count}" for verdict, count in results["between"].items() if count),
    }


def main():
    from tables import filled

    with ProcessPoolExecutor() as pool:  # one process per core
        results = {
            "classes": list(pool.map(measured, classes())),
            "between": pool.submit(measured_few, {"truth": "ambiguous", "share": 0.5}).result()["verdicts"],
            "fewer sequences": list(pool.map(measured_few, fewer_sequences())),
        }
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), tables(json.loads(OUT.read_text()))))


if __name__ == "__main__":
    main()
