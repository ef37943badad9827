"""docs/paper.md and its pictures, from the tables alone: every claim of the paper beside what was measured."""

import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from math import comb
from pathlib import Path
from string import Template

import pandas as pd

from paper import rules_chipseq, rules_filters, rules_simulated
from paper.claims import CLAIMS, epochs_text, judge_claims, summary
from paper.convergence import MOSTLY, best_trained
from paper.figures import FIGURES
from paper.findings import Finding
from paper.markup import PICTURES, markdown, picture
from paper.matched import matched_of
from paper.pictures import DPI, DRAWINGS, DRAWN_AGAIN, draw_sharing, drawn
from paper.pictures_matched import NAME, draw_matched
from paper.report_choices import choices_section
from paper.report_matched import headline, matched_section, opening
from paper.report_rivals import pictured, rivals_section
from paper.report_scores import comparisons, figure_tables
from paper.report_trainings import negatives_text, trainings_section
from paper.tables import GPU, TRAINED_AGAIN, Results, trained_again
from paper.verdicts import PAPER_SEEDS, Verdict
from rcviz._core.files import atomic_write
from rcviz.plots._axes import figure_png
from rcviz.sweeps.compare import ALPHA

PAGE = Path("paper.md")
_MARKED = re.compile(r"(<!-- claims[^>]*-->\n).*?(<!-- end of claims -->)", re.DOTALL)
_TEMPLATE = Path(__file__).with_name("page.md")
_THRESHOLDS = {
    "alpha": f"{ALPHA:g}",
    "holds": Verdict.HOLDS,
    "in_part": Verdict.IN_PART,
    "does_not_hold": Verdict.NOT,
    "three_one_sided": f"{1 / comb(6, 3):g}",
    "three_two_sided": f"{2 / comb(6, 3):g}",
    "five_one_sided": f"{1 / comb(10, 5):.1g}",
    "five_two_sided": f"{2 / comb(10, 5):.1g}",
    "paper_seeds": PAPER_SEEDS,
    "similar": f"{rules_simulated.SIMILAR:g}",
    "first_epochs": rules_simulated.FIRST_EPOCHS,
    "identical": f"{rules_chipseq.IDENTICAL:g}",
    "wild": f"{rules_chipseq.WILD:g}",
    "clear": f"{rules_chipseq.CLEAR:g}",
    "small": f"{rules_chipseq.SMALL:.0%}",
    "resembles": f"{rules_filters.RESEMBLES:g}",
    "top": rules_filters.TOP,
    "mostly": f"{MOSTLY:.0%}",
}


def write_report(
    tables: Results, docs: str | os.PathLike[str], *, readme: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Write the page and its pictures, and return their paths: the same tables give the same bytes.

    Parameters
    ----------
    tables : dict of DataFrame
        As :func:`paper.tables.read_results` returns them; the page names those that are missing.
    docs : path-like
        Folder for ``paper.md`` and ``pictures/paper/``; created if it does not exist. Pictures of an earlier report
        that cannot be drawn from these tables are removed.
    readme : path-like, optional
        A page that gets the first section in a sentence, and the claims and their verdicts, between its comments
        ``<!-- claims -->`` and ``<!-- end of claims -->``. Without these a ValueError is raised, and nothing is
        written.
    """
    overview = None if readme is None else with_overview(Path(readme).read_text(encoding="utf-8"), tables)
    folder = Path(docs) / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    captions: dict[str, list[tuple[str, str]]] = {}
    images: dict[str, bytes] = {}
    for drawing, caption, image in drawn(tables):
        captions.setdefault(drawing.figure, []).append((drawing.name, caption))
        images[drawing.name] = image
    for name, part in pictured(tables).items():
        if (sharing := draw_sharing(part)) is not None:
            images[name] = sharing
    if (matched := matched_of(tables)) is not None:
        images[NAME] = figure_png(draw_matched(matched, dpi=DPI))
    names = {NAME, *pictured(tables), *(drawing.name for drawing in (*DRAWINGS, *DRAWN_AGAIN))}
    for name in names - set(images):
        (folder / f"{name}.png").unlink(missing_ok=True)
    page = Path(docs) / PAGE
    _write(page, page_text(tables, captions, others=images).encode())
    written = [page]
    for name, image in images.items():
        written.append(folder / f"{name}.png")
        _write(written[-1], image)
    if readme is not None and overview is not None:
        _write(Path(readme), overview.encode())
    return written


def with_overview(page: str, results: Results) -> str:
    """Return `page` with the first section in a sentence, and the claims in short, between its two comments.

    Listed are the claims that do not hold in all of their trainings.
    """
    if not _MARKED.search(page):
        raise ValueError("the page has no place for the claims: put <!-- claims --> and <!-- end of claims --> into it")
    findings = judge_claims(CLAIMS, results)
    rows = [
        [claim.claim, claim.figure or f"Section {claim.section}", _both_verdicts(finding)]
        for claim, finding in zip(CLAIMS, findings, strict=True)
        if not _holds_throughout(finding)
    ]
    table = markdown(["the paper says", "where", "here"], rows)
    sentence = headline(results)
    first = f"{sentence}\n\n" if sentence else ""
    left_out = (
        f" Listed are those that do not hold in all of their trainings; the other {len(findings) - len(rows)} do."
    )
    return _MARKED.sub(lambda match: f"{match[1]}{first}{summary(findings)}{left_out}\n\n{table}{match[2]}", page)


def _holds_throughout(finding: Finding) -> bool:
    return all(each.verdict is Verdict.HOLDS for each in (finding, finding.other) if each is not None)


def page_text(results: Results, captions: dict[str, list[tuple[str, str]]], *, others: Container[str] = ()) -> str:
    """Return the page as Markdown.

    `captions` has names and captions of the pictures of each of the paper's figures, `others` the names of those that
    are not the paper's: of sharing and its rivals.
    """
    findings = judge_claims(CLAIMS, results)
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        _THRESHOLDS,
        opening=_joined_paragraphs(opening(results, drawn=NAME in others)),
        matched=_joined_paragraphs(matched_section(results)),
        summary=f"{summary(findings)}\n",
        claims=_claims_table(findings),
        figures=_joined_paragraphs(_figures(findings, captions, results)),
        choices=_joined_paragraphs(choices_section(results)),
        rivals=_joined_paragraphs(rivals_section(results, sharing=others)),
        runs=_runs(results),
        trainings=_joined_paragraphs(trainings_section(results)),
        negatives=negatives_text(results),
    )


def _joined_paragraphs(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _both_verdicts(finding: Finding) -> str:
    other = finding.other
    return finding.qualified + ("" if other is None else f"; with {other.trained}: {other.qualified}")


def _claims_table(findings: Sequence[Finding]) -> str:
    rows = [
        [
            str(place),
            f"{claim.claim} ({', '.join(filter(None, [claim.figure, f'section {claim.section}']))})",
            claim.paper,
            finding.ours,
            finding.test,
            finding.qualified.replace(finding.verdict, f"**{finding.verdict}**", 1),
            " ".join(filter(None, [finding.why, _other(finding)])),
        ]
        for place, (claim, finding) in enumerate(zip(CLAIMS, findings, strict=True), start=1)
    ]
    return markdown(["", "claim", "the paper", "here", "test", "verdict", "why"], rows)


def _other(finding: Finding) -> str:
    """Return the result of the other trainings of a claim."""
    other = finding.other
    if other is None:
        return ""
    return f"**With {other.trained}, which is not the verdict: {other.qualified}.** {other.ours}. {other.why}"


def _figures(
    findings: Sequence[Finding], captions: dict[str, list[tuple[str, str]]], results: Results
) -> Iterator[str]:
    best = best_trained(results)

    def beside(picture: tuple[str, str]) -> bool:
        """Whether better trained networks have the same picture."""
        runs = results.get(f"{picture[0]}_runs")
        return runs is not None and runs is not best[f"{picture[0].removesuffix(GPU)}_runs"]

    names = list(dict.fromkeys(claim.figure for claim in CLAIMS if claim.figure.startswith("Figure")))
    for name in sorted(names):
        yield f"### {name}\n"
        pictures = captions.get(name, [])
        if not pictures:
            yield "Not measured here yet.\n"
        for file, caption in sorted(pictures, key=beside):
            yield picture(file, caption)
        for claim, finding in zip(CLAIMS, findings, strict=True):
            if claim.figure == name:
                yield comparisons(claim.claim, finding)
                if finding.other is not None:
                    yield comparisons(f"{claim.claim} With {finding.other.trained}.", finding.other)
        yield from figure_tables(name.replace("Figure ", "fig"), results)


def _runs(results: Results) -> str:
    again = trained_again(results)
    tables = {figure: results.get(f"{figure}_runs") for figure in ("fig2", *FIGURES)}
    tables |= {f"{figure} on a GPU": again[f"{figure}_runs"] for figure in TRAINED_AGAIN if f"{figure}_runs" in again}
    rows = []
    for figure, runs in tables.items():
        if runs is None:
            rows.append([figure, "not measured here yet", *[""] * 7])
            continue
        trained = runs[~runs["strategy"].str.startswith("posthoc")]
        seeds = trained.groupby(["arm", "dataset", "fraction"])["seed"].nunique()
        seconds = trained["wall_seconds"].sum()
        rows.append(
            [
                figure,
                f"{len(trained)} trainings, {trained['arm'].nunique()} arms",
                _range_text(seeds),
                f"{epochs_text(trained)}, scale {_joined(trained['scale'])}",
                f"{_joined(trained['chromosomes'])}; {_range_text(trained['n_train'])} to train with",
                f"{_joined(trained['cpu'])}; {_joined(trained['threads'])} thread",
                f"{seconds / 3600:.2f}",
                f"{trained['cpu_seconds'].sum() / 3600:.2f}",
                _joined(trained["code"]),
            ]
        )
    heads = ["figure", "what", "seeds", "trained for", "sequences", "where", "hours", "CPU hours", "code"]
    return markdown(heads, rows)


def _range_text(values: pd.Series) -> str:
    least, most = int(values.min()), int(values.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _joined(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(values.astype(str)))


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
