"""Damage done to a file on purpose: bits, pieces, numbers, the JSON in headers; the same seed does the same damage."""

import gzip
import json
import random
import re
from typing import Any

TOKENS = [
    b"0", b"-1", b"1000000000000", b"9223372036854775808", b"1e400", b"nan", b"-inf", b"1_000", b"\x00", b"\xff\xfe",
    b"\n", b"\r", b"\r\n", b"\t", b" ", b">", b"[", b"]", b"{", b"}", b'"', b"\xef\xbb\xbf", b"\xc3\x28", b"//", b"=",
    "\u0661\u2028".encode(), b"../../x", b"<img src=x onerror=a>", b"A" * 4000, b"\n" * 3000, b"[" * 20000, b"9" * 5000,
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3.5, 10**12, 2**63, 2**64, 10**30, -(10**12), 1e308, float("inf"), float("nan"), "",
    "x", "../x", "\x00", "\ud800", "A" * 3000, [], {}, [[]], [1], {"a": 1}, [None] * 3, "U8", "F4",
    "F8_E4M3", "BF16", "C64",
]  # fmt: skip


def mutated(seed: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Damage a seed in one to four ways."""
    packed = seed.startswith(b"\x1f\x8b") and chance.random() < 0.7
    content = gzip.decompress(seed) if packed else seed
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        if _is_safetensors(content) and chance.random() < 0.6:
            content = _header(content, chance)
        elif _SECTION.search(content) and chance.random() < 0.6:
            content = _typed(content, chance)
        elif content[:1] == b"{" and chance.random() < 0.6:
            content = _json(content, chance)
        else:
            content = chance.choice(_WAYS)(content, others, chance)
    return gzip.compress(content, 1, mtime=0) if packed else content


# ---------------------------------------------------------------- bytes


def _place(content: bytes, chance: random.Random) -> int:
    return chance.randrange(len(content) + 1)


def _piece(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = _place(content, chance)
    return start, min(len(content), start + chance.choice((1, 2, 4, 8, 30, 200, 5000)))


def _flip(content, others, chance):
    if not content:
        return content
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def _truncate(content, others, chance):
    return content[: _place(content, chance)]


def _insert(content, others, chance):
    at = _place(content, chance)
    return (
        content[:at] + chance.choice((chance.choice(TOKENS), chance.randbytes(chance.randrange(1, 9)))) + content[at:]
    )


def _overwrite(content, others, chance):
    at, new = (
        _place(content, chance),
        chance.choice((chance.choice(TOKENS[:20]), chance.randbytes(chance.choice((1, 4, 8))))),
    )
    return content[:at] + new + content[at + len(new) :]


def _delete(content, others, chance):
    start, end = _piece(content, chance)
    return content[:start] + content[end:]


def _repeat(content, others, chance):
    start, end = _piece(content, chance)
    return content[:start] + content[start:end] * chance.choice((2, 3, 50)) + content[end:]


def _move(content, others, chance):
    start, end = _piece(content, chance)
    rest, at = content[:start] + content[end:], 0
    at = _place(rest, chance)
    return rest[:at] + content[start:end] + rest[at:]


def _splice(content, others, chance):
    other = chance.choice(others)
    return content[: _place(content, chance)] + other[_place(other, chance) :]


def _number(content, others, chance):
    numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", content))
    if not numbers:
        return _insert(content, others, chance)
    found = chance.choice(numbers)
    return content[: found.start()] + chance.choice(TOKENS[:9]) + content[found.end() :]


def _line(content, others, chance):
    lines = content.split(b"\n")
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    how = chance.randrange(4)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(to, lines[at])
    elif how == 2:
        lines[at], lines[to] = lines[to], lines[at]
    else:
        words = re.split(rb"([ \t,=])", lines[at])
        words[chance.randrange(len(words))] = chance.choice(TOKENS)
        lines[at] = b"".join(words)
    return b"\n".join(lines)


_WAYS = (_flip, _flip, _truncate, _insert, _insert, _overwrite, _delete, _repeat, _move, _splice, _number, _line)

# ---------------------------------------------------------------- TOML: values of another type or size

_SECTION = re.compile(rb"^\[(model|train|split)\]$", re.MULTILINE)
_TOML = [
    "[1]", "1", "true", "-1", "0", "1.5", "-0.0", "nan", "inf", "1e308", "1e-320", '"x"', '""', "[]", "[[]]", "{}",
    "{a = 1}", "[true]", "[nan]", '["chr1"]', '["chr1", 1]', '"rest"', "1979-05-27", "07:32:00", "3000000000",
    "1000000000000", "9223372036854775807", "0x" + "f" * 40, "1" + "0" * 400, '"cuda:300"', '"\\u0000"', '"auto"',
]  # fmt: skip
_KEYS = [
    "preset", "seed", "architecture", "sequence_length", "n_filters", "kernel_sizes", "pool_size", "pool_stride",
    "n_tasks", "head", "freeze_output", "initializer", "batchnorm_eps", "batchnorm_momentum", "symmetric", "smoothness",
    "output_is", "epochs", "batch_size", "samples_per_epoch", "learning_rate", "positive_weight", "patience", "monitor",
    "augmentation", "device", "precision", "loss", "train", "valid", "test",
]  # fmt: skip


def _typed(content: bytes, chance: random.Random) -> bytes:
    """Give a key another value, or add a key of a configuration; which section it belongs to is left to chance."""
    lines = content.decode("utf-8", "replace").split("\n")
    at = chance.choice([number for number, line in enumerate(lines) if line])
    value = chance.choice(_TOML)
    if "=" in lines[at]:
        lines[at] = f"{lines[at].partition('=')[0]}= {value}"
    else:
        lines.insert(at + 1, f"{chance.choice(_KEYS)} = {value}")
    return "\n".join(lines).encode()


# ---------------------------------------------------------------- JSON, also inside the header of safetensors


def _is_safetensors(content: bytes) -> bool:
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8


def _header(content: bytes, chance: random.Random) -> bytes:
    size = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + size])
    except (ValueError, RecursionError):
        return content
    body = content[8 + size :]
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    inside = [name for name, value in metadata.items() if isinstance(value, str)] if isinstance(metadata, dict) else []
    if inside and chance.random() < 0.5:
        name = chance.choice(inside)
        metadata[name] = _json(metadata[name].encode("utf-8", "replace"), chance).decode("utf-8", "replace")
    elif isinstance(header, dict) and chance.random() < 0.3:
        header, body = _reshaped(header, body, chance)
    else:
        header = _node(header, chance)
    text = _dumped(header)
    return len(text).to_bytes(8, "little") + text + body


def _reshaped(header: dict, body: bytes, chance: random.Random) -> tuple[dict, bytes]:
    """A tensor that is whole but another: of another shape or type, JSON text damaged, or empty and huge."""
    names = [name for name, entry in header.items() if name != "__metadata__" and isinstance(entry, dict)]
    if not names:
        return header, body
    name = chance.choice(names)
    entry = header[name]
    try:
        start, end = entry["data_offsets"]
        size = end - start
        if name.endswith(".json") and chance.random() < 0.7:
            new = _json(body[start:end], chance)
            for other in names:
                offsets = header[other]["data_offsets"]
                header[other]["data_offsets"] = [at + len(new) - size if at >= end else at for at in offsets]
            entry["data_offsets"], entry["shape"] = [start, start + len(new)], [len(new)]
            return header, body[:start] + new + body[end:]
        if chance.random() < 0.3:
            entry["shape"] = chance.choice(([0, 10**12], [10**12, 0], [2**40, 2**40, 0], [0], []))
            if chance.random() < 0.5:
                return header, body
            for other in names:
                offsets = header[other]["data_offsets"]
                header[other]["data_offsets"] = [at - size if at >= end else at for at in offsets]
            entry["data_offsets"] = [start, start]
            return header, body[:start] + body[end:]
        entry["dtype"] = chance.choice(
            ("U8", "I8", "F16", "BF16", "F32", "F64", "I64", "U64", "BOOL", "F8_E4M3", "C64")
        )
        width = {"U8": 1, "I8": 1, "BOOL": 1, "F8_E4M3": 1, "F16": 2, "BF16": 2, "F32": 4}.get(entry["dtype"], 8)
        entry["shape"] = chance.choice(([size // width], [size // width, 1], [1, size // width], [1, 1, size // width]))
    except (TypeError, ValueError, KeyError, IndexError):
        pass
    return header, body


def _json(content: bytes, chance: random.Random) -> bytes:
    try:
        return _dumped(_node(json.loads(content), chance))
    except (ValueError, RecursionError):
        return chance.choice(_WAYS)(content, [content], chance)


def _dumped(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _node(value: Any, chance: random.Random) -> Any:
    """Change one node of a tree of lists and mappings."""
    places: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        parent = left.pop()
        keys = list(parent) if isinstance(parent, dict) else range(len(parent)) if isinstance(parent, list) else ()
        places += [(parent, key) for key in keys]
        left += [parent[key] for key in keys]
    if not places or chance.random() < 0.02:
        return chance.choice(VALUES)
    parent, key = chance.choice(places)
    how = chance.randrange(5)
    if how == 0:
        del parent[key]
    elif how == 1 and isinstance(parent, dict):
        parent[chance.choice(("", "x", "__metadata__", "codes", "a.b.json", key + "x"))] = parent.pop(key)
    elif how == 1:
        parent.insert(key, chance.choice(VALUES))
    elif how == 2:
        parent[key] = chance.choice(([parent[key]], {"a": parent[key]}, str(parent[key])))
    else:
        parent[key] = chance.choice(VALUES)
    return value
