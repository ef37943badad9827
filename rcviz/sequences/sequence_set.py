"""SequenceSet: sequences of one length with their labels, names and coordinates."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from rcviz._core.checks import brief, check_choice, quoted, shown, task_index
from rcviz._core.file_kinds import regular_file
from rcviz._core.shapes import Bool, Float32, UInt8
from rcviz.sequences import export, storage
from rcviz.sequences.alphabet import as_codes, gc_content, one_hot, reverse_complement
from rcviz.sequences.annotations import (
    LabelKind,
    as_index,
    checked_columns,
    checked_labels,
    checked_provenance,
    checked_sites,
    checked_task_names,
)
from rcviz.sequences.fasta import parse_coordinates, read_blocks, read_records

if TYPE_CHECKING:
    import pandas as pd


class SequenceSet:
    """Sequences of one length, optionally with labels, names and coordinates.

    Parameters
    ----------
    codes : uint8 array (n, length)
        Not copied: do not change it afterwards. Any form that :func:`rcviz.encode` or :func:`rcviz.one_hot`
        takes or returns is accepted and encoded.
    labels : array (n,) or (n, n_tasks), optional
        1 positive, 0 negative, NaN unknown; or any numbers, see ``label_kind``.
    task_names : sequence of str, optional
        By default "task_0", "task_1" and so on.
    names, chrom : sequence of n str, optional
    start, end : sequence of n int, optional
        Zero-based, half-open.
    label_kind : "binary" or "value"
        ``"value"``: labels are finite numbers, such as log counts, for a regression; NaN unknown.
    provenance : mapping, optional
        Where the sequences come from; must be JSON-serialisable.

    Raises
    ------
    ValueError
        When numbers of rows differ, a label is not of its kind, task names are missing or not unique, a position is
        negative or an end is not after its start.

    Notes
    -----
    Attributes cannot be reassigned; methods return new sets. Unlabelled sets have ``labels`` None.

    Examples
    --------
    >>> import rcviz
    >>> data = rcviz.SequenceSet(["ACGT", "GGGG", "TTTT"], [1, 0, 1], task_names=["bound"])
    >>> len(data), data.length
    (3, 4)
    >>> rcviz.decode(data.positives().codes)
    ['ACGT', 'TTTT']
    >>> data.save("three.safetensors")
    >>> rcviz.SequenceSet.load("three.safetensors").task_names
    ('bound',)
    """

    def __init__(
        self,
        codes: Any,
        labels: Any = None,
        *,
        task_names: Sequence[str] | None = None,
        names: Any = None,
        chrom: Any = None,
        start: Any = None,
        end: Any = None,
        label_kind: LabelKind = "binary",
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self._codes = as_codes(codes)
        n = len(self._codes)
        check_choice("label_kind", label_kind, get_args(LabelKind))
        self._label_kind = label_kind
        self._labels = None if labels is None else checked_labels(labels, n, label_kind)
        self._task_names = checked_task_names(task_names, 0 if self._labels is None else self._labels.shape[1])
        self._columns = checked_columns(n, names=names, chrom=chrom, start=start, end=end)
        self._provenance = checked_provenance(provenance)

    @property
    def codes(self) -> UInt8[np.ndarray, "n length"]:
        """One byte per base: A 0, C 1, G 2, T 3, unknown 4."""
        return self._codes

    @property
    def labels(self) -> Float32[np.ndarray, "n n_tasks"] | None:
        """1 positive, 0 negative, NaN unknown, or values, see ``label_kind``; None for an unlabelled set."""
        return self._labels

    @property
    def label_kind(self) -> LabelKind:
        """Kind of the labels: "binary" for classes, "value" for numbers."""
        return self._label_kind

    @property
    def task_names(self) -> tuple[str, ...]:
        """One name per column of ``labels``."""
        return self._task_names

    @property
    def table(self) -> "pd.DataFrame":
        """One row per sequence: ``name``, ``chrom``, ``start`` and ``end``, as far as they were given."""
        import pandas as pd

        # pandas itself does not copy strings when it stores them without pyarrow.
        columns = {"name" if key == "names" else key: values.copy() for key, values in self._columns.items()}
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self)))

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the sequences come from; a subset has the provenance of the whole set."""
        return self._provenance

    @property
    def length(self) -> int:
        """Length of each sequence in bp."""
        return int(self._codes.shape[1])

    def __len__(self) -> int:
        return len(self._codes)

    def __repr__(self) -> str:
        tasks = f"tasks {', '.join(self.task_names)}" if self.task_names else "no labels"
        return f"{type(self).__name__}({len(self):,} sequences of {self.length:,} bp, {tasks})"

    def one_hot(self, index: Any = None) -> Float32[np.ndarray, "n 4 length"]:
        """Convert all sequences, or those of ``index`` (an int, slice, mask or array of ints), to one-hot arrays."""
        return one_hot(self._codes if index is None else self._codes[as_index(index, len(self))])

    def subset(self, mask_or_index: Any) -> "SequenceSet":
        """Select some of the sequences.

        Parameters
        ----------
        mask_or_index : array of n bool, array of int, int or slice
            Integers may repeat; negative ones count from the end. A slice shares memory with this set, unless its step
            is negative.

        Returns
        -------
        a set of the same class

        Raises
        ------
        ValueError
            When a mask has another length, an index is out of range, the argument is none of these, or it may be a mask
            as well as indices: an integer 0 or 1 for each sequence.
        """
        return type(self)(**self._fields(as_index(mask_or_index, len(self))))

    def positives(self, task: int | np.integer | str = 0) -> "SequenceSet":
        """Select the sequences labelled 1 in a task, given by name or index."""
        return self.subset(self._classes(task) == 1)

    def negatives(self, task: int | np.integer | str = 0) -> "SequenceSet":
        """Select the sequences labelled 0 in a task, given by name or index."""
        return self.subset(self._classes(task) == 0)

    def upper_part(self, share: float = 0.25, *, task: int | np.integer | str = 0) -> Bool[np.ndarray, " n"]:
        """Mark the sequences with the largest labels of a task, for example as positives of values.

        Parameters
        ----------
        share : float
            Part of the sequences with a known label, above 0 and below 1. Sequences that have the same label as the
            last one of this part are included.
        task : int or str

        Returns
        -------
        ndarray (n,) of bool

        Examples
        --------
        >>> import rcviz
        >>> data = rcviz.SequenceSet(["ACGT", "GGGG", "TTTT"], [0.2, 3.1, 0.7], label_kind="value")
        >>> data.upper_part(0.4)
        array([False,  True, False])
        """
        if isinstance(share, bool | str) or not 0 < share < 1:
            raise ValueError(f"share must be a number above 0 and below 1, got {shown(share)}")
        labels = self._labels_of(task)
        known = np.sort(labels[~np.isnan(labels)])[::-1]
        if not known.size:
            raise ValueError("no label of this task is known, so none is among the largest: choose another task")
        return labels >= known[max(1, round(float(share) * known.size)) - 1]

    def reverse_complement(self) -> "SequenceSet":
        """Return the set with every sequence reverse-complemented.

        Labels, names and coordinates stay: a window keeps its position on the chromosome, and only the strand changes.
        """
        return type(self)(**{**self._fields(slice(None)), "codes": reverse_complement(self._codes)})

    @classmethod
    def concat(cls, sets: "Sequence[SequenceSet]", task_names: Sequence[str] | None = None) -> "SequenceSet":
        """Put the sequences of several sets into one, in their order.

        Parameters
        ----------
        sets : sequence of SequenceSet
            Of one length and one ``label_kind``. A task that a set does not have is unknown (NaN) for its sequences.
        task_names : sequence of str, optional
            All tasks of the sets, in another order than that of their first appearance.

        Returns
        -------
        SequenceSet
            With those of names, chromosomes and positions that all sets have.

        Examples
        --------
        >>> import rcviz
        >>> ctcf = rcviz.SequenceSet(["ACGT", "GGGG"], [1, 0], task_names=["CTCF"])
        >>> spi1 = rcviz.SequenceSet(["TTTT"], [1], task_names=["SPI1"])
        >>> rcviz.SequenceSet.concat([ctcf, spi1]).labels.tolist()
        [[1.0, nan], [0.0, nan], [nan, 1.0]]
        """
        given = [sets] if isinstance(sets, SequenceSet) or not isinstance(sets, Iterable) else list(sets)
        for part in given:
            if not isinstance(part, SequenceSet):
                raise TypeError(f"expected SequenceSets, got {type(part).__name__}: rcviz.SequenceSet(...) makes one")
        return SequenceSet(**export.concatenated(given, task_names))

    def to_bed(self, path: str | os.PathLike[str]) -> None:
        """Write chromosome, start, end and name of each sequence as a BED file, atomically.

        Raises
        ------
        ValueError
            When the set has no coordinates.
        """
        export.write_bed(self.table, path)

    def to_fasta(self, path: str | os.PathLike[str]) -> None:
        """Write the sequences as a FASTA file, atomically; :meth:`from_fasta` reads them with their coordinates."""
        export.write_fasta(self.codes, self.table, path)

    def summary(self) -> "pd.DataFrame":
        """Count labels and compare the GC content of both classes: a difference in it alone can look like a signal.

        Returns
        -------
        DataFrame, one row per task
            ``task``, ``n_positive``, ``n_negative``, ``n_unknown``, ``ratio`` (negatives per positive, as in
            Table 1), ``gc_positive``, ``gc_negative`` (mean over sequences); NaN if there are none. For values
            ``task``, ``n``, ``n_unknown``, ``mean``, ``std``, ``min``, ``max``, ``gc_correlation`` (Spearman's).
        """
        import pandas as pd

        gc = pd.Series(gc_content(self._codes))
        if self._label_kind == "value":
            return self._summary_of_values(gc)
        rows = []
        for name in self.task_names:
            labels = self._labels_of(name)
            positive, negative = labels == 1, labels == 0
            n_positive, n_negative = int(positive.sum()), int(negative.sum())
            n_unknown = len(self) - n_positive - n_negative
            ratio = n_negative / n_positive if n_positive else np.nan
            rows.append((name, n_positive, n_negative, n_unknown, ratio, gc[positive].mean(), gc[negative].mean()))
        columns = ["task", "n_positive", "n_negative", "n_unknown", "ratio", "gc_positive", "gc_negative"]
        return pd.DataFrame(rows, columns=columns)

    def _summary_of_values(self, gc: "pd.Series") -> "pd.DataFrame":
        import pandas as pd

        values = pd.DataFrame(self._labels, columns=list(self._task_names), dtype=float)
        table = values.agg(["count", "mean", "std", "min", "max"]).T.rename(columns={"count": "n"})
        table.insert(1, "n_unknown", len(self) - table["n"])
        table["gc_correlation"] = [values[task].corr(gc, method="spearman") for task in values]
        return table.rename_axis("task").reset_index().astype({"n": int, "n_unknown": int})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the set to one safetensors file, atomically; :meth:`load` returns an equal set."""
        storage.write_fields(path, type(self).__name__, self._fields(slice(None)))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, memory_map: bool = False) -> "SequenceSet":
        """Read a set that :meth:`save` wrote, with the class it had; nothing in the file is executed.

        Parameters
        ----------
        path : path-like
        memory_map : bool
            Leave the codes in the file and read them when needed, for sets larger than memory. A subset is in memory
            unless it is a slice.

        Raises
        ------
        FileNotFoundError, ValueError
            When there is no such file, or it is not such a set, damaged or of another format version.
        """
        with regular_file(path) as at:  # a pipe is copied
            kind, fields = storage.read_fields(at, mapped=("codes",) if memory_map else ())
        wanted = {"SequenceSet": SequenceSet, "SimulatedSet": SimulatedSet}.get(kind)
        if wanted is None or not issubclass(wanted, cls):
            what = quoted(kind) if kind else "a set without a class name"
            raise ValueError(f"{path} has {what}, expected a {cls.__name__}: use the load method of that class")
        try:
            return wanted(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({brief(error)}): save it again") from error

    @classmethod
    def from_fasta(
        cls,
        path: str | os.PathLike[str],
        labels: Any = None,
        *,
        task_names: Sequence[str] | None = None,
        label_kind: LabelKind = "binary",
    ) -> "SequenceSet":
        """Read a FASTA file of windows, plain, gzipped or bgzipped.

        Parameters
        ----------
        path : path-like
            All records must have one length. The first word of a header is the name; if all names are
            coordinates (``chr21:9439500-9439700``), these are kept as well.
        labels, task_names, label_kind
            As in the constructor.

        Raises
        ------
        ValueError
            When the file is not FASTA, is empty or truncated, or its records differ in length, naming the line.
        """
        names, sequences = read_records(path)
        coordinates = parse_coordinates(names, len(sequences[0]))
        return SequenceSet(
            sequences,
            labels,
            task_names=task_names,
            label_kind=label_kind,
            names=names,
            **(coordinates._asdict() if coordinates else {}),
            provenance={"source": "FASTA", "path": str(path)},
        )

    @classmethod
    def stream_fasta(cls, path: str | os.PathLike[str], n: int = 8192) -> Iterator["SequenceSet"]:
        """Read a FASTA file as :meth:`from_fasta` does, as sets of at most ``n`` sequences, for files of any size."""
        for names, sequences in read_blocks(path, n):
            coordinates = parse_coordinates(names, len(sequences[0]))
            yield SequenceSet(
                sequences,
                names=names,
                **(coordinates._asdict() if coordinates else {}),
                provenance={"source": "FASTA", "path": str(path)},
            )

    def _fields(self, chosen: Any) -> dict[str, Any]:
        """Return the constructor's arguments for the selected sequences; ``save`` writes these."""
        return {
            "codes": self._codes[chosen],
            "labels": None if self._labels is None else self._labels[chosen],
            "task_names": list(self._task_names) or None,
            **({"label_kind": "value"} if self._label_kind == "value" else {}),
            **{key: values[chosen] for key, values in self._columns.items()},
            "provenance": self._provenance,
        }

    def task_index(self, task: int | np.integer | str) -> int:
        """Find the index of a task that is given by its name or by its index; an error lists the tasks."""
        if self._labels is None:
            raise ValueError("this set has no labels: pass labels=... when making it")
        return task_index(task, self.task_names)

    def _classes(self, task: int | np.integer | str) -> np.ndarray:
        if self._label_kind == "value":
            raise ValueError(
                "the labels are values, so there are no positives and negatives: choose the sequences to treat as "
                "positive, for example with data.subset(data.upper_part(0.25))"
            )
        return self._labels_of(task)

    def _labels_of(self, task: int | np.integer | str) -> np.ndarray:
        index = self.task_index(task)
        assert self._labels is not None
        return self._labels[:, index]


class SimulatedSet(SequenceSet):
    """A :class:`SequenceSet` with the true sites of its motifs and the labels before noise.

    Parameters
    ----------
    codes, labels, task_names, provenance
        As for :class:`SequenceSet`; the labels are those after noise, if any.
    clean_labels : array (n, n_tasks)
        The labels before noise.
    sites : DataFrame
        One row per instance: ``sequence`` (its index in this set), ``motif`` (name), ``start`` and
        ``end`` (zero-based, half-open), ``strand`` ("+" or "-").

    Raises
    ------
    ValueError
        As for :class:`SequenceSet`, and when sites lack a column, have wrong types or refer to a sequence that does
        not exist.

    Examples
    --------
    >>> import rcviz
    >>> simulated = rcviz.simulate_motifs(n_per_motif=100)
    >>> simulated.sites.columns.tolist()
    ['sequence', 'motif', 'start', 'end', 'strand']
    >>> simulated.clean_labels.sum(axis=0).tolist()
    [100.0, 100.0, 100.0]
    """

    def __init__(
        self,
        codes: Any,
        labels: Any,
        *,
        clean_labels: Any,
        sites: "pd.DataFrame",
        task_names: Sequence[str] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(codes, labels, task_names=task_names, provenance=provenance)
        self._clean_labels = checked_labels(clean_labels, len(self))
        self._sites = checked_sites(sites, len(self))

    @property
    def clean_labels(self) -> Float32[np.ndarray, "n n_tasks"]:
        """The labels before noise: 1 where the sequence contains the motif."""
        return self._clean_labels

    @property
    def sites(self) -> "pd.DataFrame":
        """Every motif instance: ``sequence``, ``motif``, ``start``, ``end``, ``strand``, from left to right."""
        return self._sites.copy()

    def reverse_complement(self) -> "SimulatedSet":
        """Return the set with every sequence reverse-complemented; labels stay, and sites move with their instances."""
        sites = self._sites.assign(
            start=self.length - self._sites["end"],
            end=self.length - self._sites["start"],
            strand=self._sites["strand"].map({"+": "-", "-": "+"}),
        ).sort_values(["sequence", "start"])
        return type(self)(**{**self._fields(slice(None)), "codes": reverse_complement(self._codes), "sites": sites})

    def _fields(self, chosen: Any) -> dict[str, Any]:
        import pandas as pd

        taken = np.arange(len(self))[chosen]
        places = pd.DataFrame({"sequence": taken, "place": np.arange(len(taken))})
        # In order of place; a sequence that is selected twice has its sites twice.
        sites = places.merge(self._sites, on="sequence")
        sites = sites.assign(sequence=sites["place"])
        return {**super()._fields(chosen), "clean_labels": self._clean_labels[chosen], "sites": sites}


def as_sequence_set(data: Any) -> SequenceSet:
    """Return ``data`` itself if it is a :class:`SequenceSet`, else an unlabelled set.

    ``data`` is a list of str, uint8 codes (n, length) or one-hot (n, 4, length), as an array or torch tensor; an
    all-zero one-hot column is an unknown base. Anything else is a ValueError.
    """
    if all(isinstance(getattr(data, part, None), SequenceSet) for part in ("train", "valid", "test")):
        raise ValueError("expected sequences, got Splits: give one of its parts, such as splits.test")
    return data if isinstance(data, SequenceSet) else SequenceSet(data)
