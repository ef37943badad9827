"""DNA as text, as codes of one byte per base and as one-hot arrays, and its reverse complement.

Bases are in the order A, C, G, T, so that code ``b`` pairs with ``3 - b``, and reversing both axes of a
one-hot matrix gives its reverse complement (section 3.1.1). Any other letter is code 4, an all-zero column.
"""

import warnings
from collections.abc import Iterable, Mapping, Set
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from rcviz._core.shapes import Float, Shaped, UInt8

BASES = "ACGT"
UNKNOWN = 4
_WARN_ABOVE_UNKNOWN_SHARE = 0.01
_ROWS_AT_ONCE = 4096

_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
CODE_OF_BYTE = np.full(256, UNKNOWN, dtype=np.uint8)
for _code, _base in enumerate(BASES):
    CODE_OF_BYTE[[ord(_base), ord(_base.lower())]] = _code
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)

_IUPAC = "ACGTURYSWKMBDHVN"
_IUPAC_COMPLEMENT = "TGCAAYRSWMKVHDBN"
_COMPLEMENT_LETTER = str.maketrans(_IUPAC + _IUPAC.lower(), _IUPAC_COMPLEMENT + _IUPAC_COMPLEMENT.lower())


def encode(sequences: Any) -> UInt8[np.ndarray, "n length"]:
    """Encode sequences of one length as one byte per base.

    Parameters
    ----------
    sequences : list, tuple, array or Series of str
        A, C, G and T in either case become 0, 1, 2 and 3; any other letter, N included, becomes 4.

    Returns
    -------
    uint8 array (n, length)

    Raises
    ------
    ValueError
        When there are no sequences, an entry is not a string or is empty, or the lengths differ.

    Warns
    -----
    UserWarning
        When more than 1% of the letters are unknown, with their number and share.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.encode(["ACGT", "ttga"])
    array([[0, 1, 2, 3],
           [3, 3, 2, 0]], dtype=uint8)
    """
    strings = _as_strings(sequences)
    _check_lengths(strings)

    # "replace" writes one "?" for each character outside ASCII, so that positions stay.
    letters = np.frombuffer("".join(strings).encode("ascii", "replace"), dtype=np.uint8)
    codes: np.ndarray = CODE_OF_BYTE[letters].reshape(len(strings), -1)
    n_unknown = int(np.count_nonzero(codes == UNKNOWN))
    if n_unknown > _WARN_ABOVE_UNKNOWN_SHARE * codes.size:
        warnings.warn(
            f"{n_unknown:,} of {codes.size:,} letters ({n_unknown / codes.size:.1%}) are not A, C, G or T; "
            f"they are treated as unknown (all-zero columns)",
            UserWarning,
            stacklevel=2,
        )
    return codes


def decode(codes: Any) -> list[str]:
    """Convert codes to strings, with N for unknown bases.

    Parameters
    ----------
    codes : uint8 array (n, length)

    Returns
    -------
    list of n str, each of ``length`` upper-case letters

    Examples
    --------
    >>> import numpy as np, rcviz
    >>> rcviz.decode(np.array([[0, 1, 2, 3, 4]], dtype=np.uint8))
    ['ACGTN']
    """
    codes = as_codes(codes)
    n, length = codes.shape
    text = _LETTERS[codes].tobytes().decode("ascii")
    return [text[i * length : (i + 1) * length] for i in range(n)]


def one_hot(sequences_or_codes: Any, *, dtype: npt.DTypeLike = "float32") -> Shaped[np.ndarray, "n 4 length"]:
    """Convert sequences to one-hot arrays with four channels, one per base.

    Parameters
    ----------
    sequences_or_codes : sequences of one length, as :func:`as_codes` takes them
    dtype : numeric dtype

    Returns
    -------
    array (n, 4, length)
        1 in the channel of the base at each position; an unknown base is an all-zero column.

    Examples
    --------
    >>> import rcviz
    >>> rcviz.one_hot(["ACGTT"])[0]
    array([[1., 0., 0., 0., 0.],
           [0., 1., 0., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 0., 0., 1., 1.]], dtype=float32)
    """
    codes = as_codes(sequences_or_codes)
    n, length = codes.shape
    channels = np.empty((n, len(BASES), length), dtype=dtype)
    for code in range(len(BASES)):
        channels[:, code] = codes == code
    return channels


@overload
def reverse_complement(x: str) -> str: ...
@overload
def reverse_complement(x: list[str] | tuple[str, ...]) -> list[str]: ...
@overload
def reverse_complement(x: np.ndarray) -> np.ndarray: ...
@overload
def reverse_complement(x: Any) -> Any: ...
def reverse_complement(x: Any) -> Any:
    """Return the reverse complement.

    Parameters
    ----------
    x : str, list of str, uint8 array or tensor (..., length), or float array or tensor (..., channels, length)
        Letters may be IUPAC codes in either case; U pairs with A, and any other character is kept.
        ``uint8`` always means codes. In float arrays channel ``i`` pairs with channel ``n - 1 - i``.

    Returns
    -------
    the same kind, shape and dtype as ``x``, always a copy; a list of str for any other collection of str

    Examples
    --------
    >>> import rcviz
    >>> rcviz.reverse_complement("AACG")
    'CGTT'
    >>> rcviz.decode(rcviz.reverse_complement(rcviz.encode(["AACG"])))
    ['CGTT']
    """
    if isinstance(x, str):
        return x.translate(_COMPLEMENT_LETTER)[::-1]
    if _is_tensor(x):
        return _reverse_complement_tensor(x)
    array = x if isinstance(x, np.ndarray) else None
    if array is None or array.dtype.kind in "UOT":
        return [reverse_complement(string) for string in _as_strings(x)]
    if array.dtype == np.uint8:
        _check_codes(array)
        _check_range(array)
        return _COMPLEMENT[array[..., ::-1]]
    _check_reversible(array.dtype.name, floating=array.dtype.kind in "fb", ndim=array.ndim)
    return array[..., ::-1, ::-1].copy()  # torch.from_numpy refuses a view with negative strides


def gc_content(codes: Any) -> Float[np.ndarray, " n"]:
    """Share of G and C among the known bases of each sequence.

    Parameters
    ----------
    codes : sequences of one length, as :func:`as_codes` takes them

    Returns
    -------
    float64 array (n,)
        In [0, 1]; NaN where every base is unknown.
    """
    codes = as_codes(codes)
    share = np.full(len(codes), np.nan)
    # In blocks: a boolean for every base of a large set would take as much memory as the set.
    for first in range(0, len(codes), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        n_gc = np.count_nonzero((codes[rows] == 1) | (codes[rows] == 2), axis=1)
        n_known = np.count_nonzero(codes[rows] != UNKNOWN, axis=1)
        np.divide(n_gc, n_known, out=share[rows], where=n_known > 0)
    return share


def as_codes(sequences: Any) -> UInt8[np.ndarray, "n length"]:
    """Convert any accepted form of sequences to codes; codes are not copied, unless they are a reversed view.

    Parameters
    ----------
    sequences : list of str, uint8 codes (n, length), one-hot (n, 4, length), or an object with ``.codes``
        Arrays may be torch tensors on any device.

    Returns
    -------
    uint8 array (n, length)

    Raises
    ------
    ValueError
        When shape, dtype or values fit none of these.
    """
    x = getattr(sequences, "codes", sequences)
    is_tensor = _is_tensor(x)
    if is_tensor:
        x = x.detach().cpu().numpy()
    if not isinstance(x, np.ndarray) or x.dtype.kind in "UOT":
        return encode(x)
    if x.ndim == 3:
        return _codes_of_one_hot(x, fix="x.transpose(1, 2)" if is_tensor else "x.transpose(0, 2, 1)")
    if x.ndim != 2:
        raise ValueError(
            f"expected codes (batch, length) or one-hot (batch, 4, length), got {x.shape}: "
            f"a single sequence needs a batch axis, x[None]"
        )
    if x.dtype != np.uint8:
        raise ValueError(
            f"expected uint8 codes (batch, length), got {x.dtype} {x.shape}: use x.astype('uint8') for codes "
            f"0 to 4, or x[None] for one one-hot sequence (4, length)"
        )
    if x.shape[1] == 0:
        raise ValueError(f"expected sequences of at least one base, got {x.shape}")
    _check_range(x)
    return without_negative_strides(x)


def without_negative_strides(array: np.ndarray) -> np.ndarray:
    """Return the array, copied if it is a view that runs backwards, such as ``x[::-1]``: torch refuses these."""
    return array.copy() if min(array.strides, default=0) < 0 else array


def _codes_of_one_hot(x: np.ndarray, fix: str) -> np.ndarray:
    if x.shape[1] != len(BASES):
        if x.shape[2] == len(BASES):
            raise ValueError(f"expected (batch, 4, length), got {x.shape}: channels are last; use {fix}")
        raise ValueError(
            f"expected (batch, 4, length), got {x.shape}: there must be one channel for each of A, C, G, T"
        )
    hot = x == 1
    n_hot = hot.sum(axis=1)
    if not np.all(hot | (x == 0)) or n_hot.max(initial=0) > 1:
        raise ValueError(
            "expected a one-hot array of zeros and ones with at most one 1 in each column, got other values: "
            "build it with rcviz.one_hot"
        )
    codes: np.ndarray = hot.argmax(axis=1).astype(np.uint8)
    codes[n_hot == 0] = UNKNOWN
    return codes


def _as_strings(sequences: Any) -> list[str]:
    if isinstance(sequences, str | bytes):
        raise ValueError(f"expected a list of sequences, got one {type(sequences).__name__}: put it in a list, [x]")
    if (
        not isinstance(sequences, Iterable)
        or isinstance(sequences, Mapping | Set)
        or getattr(sequences, "ndim", 1) != 1
    ):
        raise ValueError(
            f"expected a list of sequences, got {type(sequences).__name__}: give a list or one column of str; with "
            f"labels, give rcviz.SequenceSet(sequences, labels)"
        )
    strings = list(sequences)
    for index, string in enumerate(strings):
        if not isinstance(string, str):
            raise ValueError(
                f"expected every sequence to be a str, got {type(string).__name__} at index {index}: "
                f"drop or replace that entry; sequences with labels are rcviz.SequenceSet(sequences, labels)"
            )
    return strings


def _check_lengths(strings: list[str]) -> None:
    if not strings:
        raise ValueError("expected at least one sequence, got none")
    length = len(strings[0])
    for index, string in enumerate(strings):
        if not string:
            raise ValueError(f"expected sequences of at least one base, got an empty one at index {index}: drop it")
        if len(string) != length:
            raise ValueError(
                f"expected sequences of one length, got {len(string)} at index {index} after {length} at index 0: "
                f"cut or pad them to the same length"
            )


def _check_range(codes: np.ndarray) -> None:
    largest = int(codes.max(initial=0))
    if largest > UNKNOWN:
        raise ValueError(
            f"expected codes 0 to 4 (A, C, G, T, unknown), got {largest}: encode letters with rcviz.encode"
        )


def _is_tensor(x: Any) -> bool:
    """Recognise a torch tensor by its methods, without importing torch."""
    return hasattr(x, "detach") and hasattr(x, "is_floating_point")


def _reverse_complement_tensor(x: Any) -> Any:
    if str(x.dtype) == "torch.uint8":
        _check_codes(x.detach().cpu().numpy())
        flipped = x.flip(-1)
        return flipped.where(flipped == UNKNOWN, 3 - flipped)
    _check_reversible(str(x.dtype), floating=x.is_floating_point(), ndim=x.ndim)
    return x.flip(-2, -1)


def _check_codes(array: np.ndarray) -> None:
    """Refuse one-hot columns in uint8: read as codes, their reverse complement would be silently wrong."""
    if array.ndim >= 3 and array.shape[-2] == len(BASES) and array.size and array.max() <= 1:
        raise ValueError(
            f"uint8 means codes, and {array.shape} looks like one-hot columns: use x.astype('float32') for one-hot"
        )


def _check_reversible(dtype: str, *, floating: bool, ndim: int) -> None:
    if not floating:
        raise ValueError(
            f"expected uint8 codes (..., length) or floats (..., channels, length), got {dtype}: "
            f"use x.astype('uint8') for codes, or a float dtype for one-hot"
        )
    if ndim < 2:
        raise ValueError(f"expected floats of shape (..., channels, length), got {ndim} axis: add the channel axis")
