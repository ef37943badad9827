"""Read files that claim, or unpack to, more than fits into a quarter of a gigabyte; print the errors."""

import dataclasses
import gzip
import json
import os
import sys
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import numpy as np
from reliability.fuzz import limit_memory
from reliability.readers import READERS, judge, small_config

MEMORY = 1 << 28
TRILLION = 10**12


def safetensors(header, body=b""):
    """A file whose header says anything."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def sets():
    """Sets of sequences that claim a trillion of them."""
    about = {"format": "rcviz.sequences", "version": "1", "kind": "SequenceSet"}
    for name, shape, n_bytes in (
        ("a header beyond the file", [TRILLION, 200], 200 * TRILLION),
        ("empty sequences", [TRILLION, 0], 0),
        ("no sequence of any length", [0, TRILLION], 0),
    ):
        entry = {"dtype": "U8", "shape": shape, "data_offsets": [0, n_bytes]}
        yield name, safetensors({"__metadata__": about, "codes": entry})


def models(folder):
    """Models that claim more weights than the file holds."""
    import rcviz

    path = folder / "small.safetensors"
    rcviz.save_model(rcviz.build_model(small_config()), path)
    content = path.read_bytes()
    n_header = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n_header])
    settings = dataclasses.asdict(small_config())
    for name, change in (
        ("a million filters", {"n_filters": 10**6}),
        ("a kernel of a billion", {"kernel_sizes": [10**9], "sequence_length": 10**10}),
        ("many layers", {"kernel_sizes": [1] * 10**5}),
        ("sizes beyond 64 bits", {"n_filters": 10**30}),
        ("settings of megabytes", {"kernel_sizes": [[]] * 2 * 10**6}),
    ):
        header["__metadata__"]["rcviz.model.v1"] = json.dumps(settings | change)
        yield name, safetensors(header, content[8 + n_header :])


def packed(piece, copies, start=b""):
    """A gzip file of a few hundred kB that unpacks to gigabytes: members one behind the other."""
    return gzip.compress(start, mtime=0) + gzip.compress(piece, mtime=0) * copies


def weights(path):
    """HDF5 whose arrays have shapes and nothing in them."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1d_1"]
        group = file.create_group("conv1d_1")
        group.attrs["weight_names"] = [b"conv1d_1/kernel:0"]
        group.create_dataset("conv1d_1/kernel:0", shape=(TRILLION, 4, 6), dtype="f4", chunks=(1024, 4, 6))


def main(folder):
    """Try all of them."""
    import rcviz

    os.environ["RCVIZ_CACHE"] = str(folder / "cache")
    large = 1 << 24
    cases = {}
    for name, content in sets():
        expected = "not a safetensors file" if "beyond" in name else "claims 1,000,000,000,000"
        cases[f"sequence_set: {name}"] = cases[f"mapped_set: {name}"] = (content, expected)
    for name, content in models(folder):
        cases[f"model: {name}"] = content, "do not fit" if "layers" in name else "cannot be read"
    line = b"A" * large
    cases["fasta: swelling"] = packed(line, 200, b">a\n"), "has a line of more than"
    cases["fasta: swelling records"] = (
        packed((b">a\n" + b"ACGT" * 1023 + b"\n") * (large // 4096), 200),
        "unpacks to more than 100 times",
    )
    cases["fasta: one record"] = packed((b"A" * 63 + b"\n") * (large // 64), 200, b">a\n"), "too many for a window"
    cases["genome: swelling"] = packed((b"A" * 63 + b"\n") * (large // 64), 200, b">a\n"), "unpacks to more than 100"
    cases["genome: blank"] = b">a\nACGT\n" + b"\n" * (large + 9), "MB of blank lines"
    cases["meme: swelling"] = packed(b"\n" * large, 200, b"MEME version 4\n"), "unpacks to more than 100 times"
    cases["peaks: swelling"] = (
        packed((b" " * 1023 + b"\n") * (large // 1024), 200, b"chr1\t1\t2\n"),
        "unpacks to more than 100 times",
    )
    cases["jaspar: long"] = b">a\n" + b"1 " * (1 << 26), "more than a motif file"

    # Modules that readers import do not count.
    for name in ("sequence_set", "mapped_set", "model", "fasta", "genome", "keras", "meme", "peaks", "jaspar"):
        for content in READERS[name].seeds(folder):
            (folder / READERS[name].file).write_bytes(content)
            READERS[name].read(folder / READERS[name].file)
    rcviz.predict(rcviz.build_model(small_config()), np.zeros((2, 40), np.uint8))
    (folder / "sparse").mkdir()
    limit_memory(MEMORY)

    results = {}

    def read(name, path, expected):
        reader, message = READERS[name.partition(":")[0]], ""

        def once(path):
            nonlocal message
            try:
                return reader.read(path)
            except Exception as error:
                message = str(error)
                raise

        results[name] = judge(reader._replace(read=once), path), message, expected

    for name, (content, expected) in cases.items():
        path = folder / READERS[name.partition(":")[0]].file
        path.write_bytes(content)
        read(name, path, expected)
    weights(folder / "weights.h5")
    read("keras: an array that was never written", folder / "weights.h5", "stored in pieces or empty")
    for name, expected in (("fasta", "has a line of more than"), ("genome", "has a line of more than")):
        path = folder / "sparse" / READERS[name].file
        with path.open("wb") as file:
            file.write(b">a\n")
            file.truncate(1 << 30)  # zeros that take no space on the disk
        read(f"{name}: a line without end", path, expected)
    print(json.dumps(results))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
