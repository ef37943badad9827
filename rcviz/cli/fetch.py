"""rcviz fetch: download the public files that the paper used."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcviz.cli.messages import AsJson, answer, answering, remark, several

if TYPE_CHECKING:
    from rcviz.genome.download import Source


def fetch(
    collection: Annotated[str, typer.Argument(help="gm12878, or the path of your own list (*.toml).")],
    to: Annotated[Path | None, typer.Option(help="Folder to write to; by default named after the collection.")] = None,
    only: Annotated[str | None, typer.Option(help="Fetch only these, such as CTCF,DNase,chr21,chr22.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list addresses, sizes and checksums.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download public files, unpack them and compare checksums; files that are there and correct are not fetched again.

    gm12878: ENCODE's peaks of CTCF, PU.1 and MAX, DNase, and the chromosomes of hg19 (about 3 GB unpacked). If the
    connection breaks again and again, run the same command later.

    Example: rcviz fetch gm12878 --only CTCF,DNase,chr21,chr22 --to gm12878
    """
    with answering():
        from rcviz.genome.download import choose, read_sources

        sources = choose(read_sources(collection), several(only))
        folder = to or Path(Path(collection).stem)
        if dry_run:
            text = "\n".join(
                f"{source.key:6} {source.size:>13,}  {source.sha256 or 'not known':64}  {source.url}"
                for source in sources
            )
            text = f"{'':6} {'bytes':>13}  {'sha256, unpacked':64}  address\n{text}"
            answer(text, {"folder": folder, "files": [_planned(source) for source in sources]}, as_json=as_json)
            return
        _fetch(sources, folder, as_json=as_json)


def _fetch(sources: "list[Source]", folder: Path, *, as_json: bool) -> None:
    from rcviz.genome.download import RECORD
    from rcviz.genome.download import fetch as fetch_one

    meaning = {
        "listed": "its checksum is the listed one",
        "recorded": "its checksum is that of the first download",
        "new": f"no checksum is listed; this download's is now recorded in {RECORD}",
    }
    rows = []
    for source in sources:
        file = fetch_one(source, folder)
        rows.append(
            {
                "key": source.key,
                "path": file.path,
                "sha256": file.sha256,
                "from_cache": file.from_cache,
                "checksum": file.checksum,
            }
        )
        if not as_json:
            remark(f"{file.path}: {'already there' if file.from_cache else 'downloaded'}; {meaning[file.checksum]}")
    answer(f"{len(rows)} files in {folder}.", {"folder": folder, "files": rows}, as_json=as_json)


def _planned(source: "Source") -> dict[str, Any]:
    return {"key": source.key, "url": source.url, "size": source.size, "sha256": source.sha256, "about": source.about}
