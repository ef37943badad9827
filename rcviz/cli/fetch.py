"""rcviz fetch: download the public files that the paper used."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from rcviz.cli.messages import answer, answering, remark
from rcviz.cli.options import AsJson, several


def fetch(
    collection: Annotated[str, typer.Argument(help="gm12878, or the path of your own list (*.toml).")],
    to: Annotated[Path | None, typer.Option(help="Folder to write to; by default named after the collection.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Fetch only these, such as CTCF,DNase,chr21,chr22.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list addresses, sizes and checksums.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download public files, unpack them and compare checksums; files that are there and correct are not fetched again.

    gm12878: ENCODE's peaks of CTCF, PU.1 and MAX, DNase, and the chromosomes of hg19 (about 3 GB unpacked). If the
    connection breaks again and again, run the same command later.

    Example: rcviz fetch gm12878 --only CTCF,DNase,chr21,chr22 --to gm12878
    """
    with answering():
        from rcviz.genome import download

        sources = download.choose(download.read_sources(collection), several("--only", only))
        folder = to or Path(Path(collection).stem)
        if dry_run:
            text = "\n".join(
                f"{source.key:6} {source.size:>13,}  {source.sha256 or 'not known':64}  {source.url}"
                for source in sources
            )
            text = f"{'':6} {'bytes':>13}  {'sha256, unpacked':64}  address\n{text}"
            answer(text, {"folder": folder, "files": list(map(dataclasses.asdict, sources))}, as_json=as_json)
            return
        meaning = {
            "listed": "its checksum is the listed one",
            "recorded": "its checksum is that of the first download",
            "new": f"no checksum is listed; this download's is now recorded in {download.RECORD}",
        }
        rows = []
        for source in sources:
            file = download.fetch(source, folder)
            facts = {name: value for name, value in vars(file).items() if name != "source"}
            rows.append({"key": source.key, **facts})
            if not as_json:
                remark(f"{file.path}: {'already there' if file.from_cache else 'downloaded'}; {meaning[file.checksum]}")
        answer(f"{len(rows)} files in {folder}.", {"folder": folder, "files": rows}, as_json=as_json)
