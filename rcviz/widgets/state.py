"""Selections of the explorers, without a front end and without drawing."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import traitlets

from rcviz._core.checks import check_choice, check_index, task_index

STRANDS = ("+", "-", "both")

_UPPER = re.compile(r"upper (\d+(?:\.\d+)?)%")


def upper_share(positives: str) -> float | None:
    """Share of the largest values that a choice of positives such as "upper 25%" stands for; None for other choices."""
    percent = _UPPER.fullmatch(positives)
    share = float(percent[1]) / 100 if percent else 0.0
    return share if 0 < share < 1 else None


class Question(NamedTuple):
    """Layer, task and positives that contributions are computed for."""

    layer: str
    task: int
    positives: str


class FilterState(traitlets.HasTraits):
    """What a filter explorer shows: layer, task, positives, order and filter.

    Attributes
    ----------
    layer : str
        The convolution whose filters are shown.
    task : int
        Index of the task that the contributions belong to.
    positives : str
        Sequences that are treated as positive; where labels are values, any upper part, such as "upper 12.5%".
    sort : str
        Sort order of the list: "score", "knock-out", "number", "palindromicity" or "name".
    search : str
        Part of a name or of a consensus; other filters are not listed.
    filter : int
        The chosen filter.
    pinned : int or None
        A filter that is shown beside the chosen one.
    strand : "+", "-" or "both"
        Strand on which logos are drawn.
    ranking : tuple of int
        All filters, largest score first; by number until the scores are known.
    order : tuple of int
        All filters in the order of ``sort``.

    Examples
    --------
    >>> state = FilterState(
    ...     layers=("conv1",), task_names=("CTCF",), positives=("labelled",), sorts=("score",), ranking=(4, 0, 2, 1, 3)
    ... )
    >>> state.step(1)
    >>> state.filter, state.rank
    (0, 1)
    """

    layer = traitlets.Unicode()
    task = traitlets.Int(0)
    positives = traitlets.Unicode()
    sort = traitlets.Unicode()
    search = traitlets.Unicode()
    filter = traitlets.Int(0)
    pinned = traitlets.Int(None, allow_none=True)
    strand = traitlets.Unicode("+")
    ranking = traitlets.Tuple()
    order = traitlets.Tuple()

    def __init__(
        self,
        *,
        layers: tuple[str, ...],
        task_names: tuple[str, ...],
        positives: tuple[str, ...],
        sorts: tuple[str, ...],
        ranking: tuple[int, ...],
        task: int = 0,
        first_positives: str | None = None,
        check: Callable[[Question], None] | None = None,
    ) -> None:
        self.layers, self.task_names = layers, task_names
        self._choices = {"layer": layers, "positives": positives, "sort": sorts, "strand": STRANDS}
        self._check: Callable[[Question], None] = lambda question: None
        first = {name: choices[0] for name, choices in self._choices.items()}
        first["positives"] = first_positives or positives[0]
        super().__init__(ranking=ranking, order=ranking, filter=ranking[0], task=task, **first)
        if check is not None:
            self._check = check

    def as_dict(self) -> dict[str, Any]:
        """The choices, as the page has them."""
        names = ("layer", "task", "positives", "sort", "search", "filter", "pinned", "strand")
        return {name: getattr(self, name) for name in names}

    @property
    def question(self) -> Question:
        """Layer, task and positives."""
        return Question(self.layer, self.task, self.positives)

    @property
    def rank(self) -> int:
        """Position of the chosen filter in the ranking, 0-based."""
        return self.ranking.index(self.filter)

    def select_rank(self, rank: int) -> None:
        """Choose the filter at a position of the ranking."""
        check_index("rank", rank, len(self.ranking))
        self.filter = self.ranking[rank]

    def step(self, by: int) -> None:
        """Move the choice along the list; it stops at the ends."""
        place = self.order.index(self.filter) + by
        self.filter = self.order[min(max(place, 0), len(self.order) - 1)]

    @traitlets.validate("filter", "pinned")
    def _known_filter(self, proposal: traitlets.Bunch) -> int | None:
        if proposal["value"] is None:
            return None
        check_index("filter", proposal["value"], len(self.ranking))
        return int(proposal["value"])

    @traitlets.validate("task")
    def _known_task(self, proposal: traitlets.Bunch) -> int:
        task = task_index(proposal["value"], self.task_names)
        self._check(self.question._replace(task=task))
        return task

    @traitlets.validate("layer", "positives", "sort", "strand")
    def _known_choice(self, proposal: traitlets.Bunch) -> str:
        name, value, choices = proposal["trait"].name, str(proposal["value"]), self._choices[proposal["trait"].name]
        if name != "positives" or upper_share(value) is None or not any(map(upper_share, choices)):
            check_choice(name, value, choices)
        if name == "positives":
            self._check(self.question._replace(positives=value))
        return value


class Along(traitlets.HasTraits):
    """What explorers of single sequences share: the task, the sequence and the positions that are drawn."""

    task = traitlets.Int(0)
    sequence = traitlets.Int(0)
    position = traitlets.Int(None, allow_none=True)
    window = traitlets.Int(60)

    task_names: tuple[str, ...]
    n_sequences: int
    length: int

    @traitlets.validate("task")
    def _known_task(self, proposal: traitlets.Bunch) -> int:
        return task_index(proposal["value"], self.task_names)

    @traitlets.validate("sequence")
    def _known_sequence(self, proposal: traitlets.Bunch) -> int:
        check_index("sequence", proposal["value"], self.n_sequences)
        return int(proposal["value"])

    @traitlets.validate("window")
    def _wide_enough(self, proposal: traitlets.Bunch) -> int:
        return min(max(int(proposal["value"]), min(10, self.length)), self.length)

    @traitlets.validate("position")
    def _within(self, proposal: traitlets.Bunch) -> int | None:
        if proposal["value"] is None:
            return None
        return min(max(int(proposal["value"]), 0), self.length - self.window)


class StrandState(Along):
    """What a strand explorer shows: task, sorting model, chosen sequences and the sequence in detail.

    Attributes
    ----------
    task : int
        Index of the task whose predictions are compared.
    model : str
        Name of the model whose gaps sort the sequences.
    selection : tuple of int
        The sequences to choose from; empty for all.
    sequence : int
        The sequence whose strands are drawn.
    position : int or None
        First position that is drawn; None where the attributions are largest.
    window : int
        Number of positions that are drawn.
    split : str or None
        Name of the model whose gap is split by filter; None for ``model``.
    filter : int or None
        A filter of that model whose sites are marked.

    Examples
    --------
    >>> state = StrandState(task_names=("CTCF",), models=("RC", "standard"), n_sequences=100, length=60)
    >>> state.selection, state.model = (3, 14), "standard"
    >>> state.sequence = 14
    """

    model = traitlets.Unicode()
    selection = traitlets.Tuple()
    split = traitlets.Unicode(None, allow_none=True)
    filter = traitlets.Int(None, allow_none=True)

    def __init__(
        self,
        *,
        task_names: tuple[str, ...],
        models: tuple[str, ...],
        n_sequences: int,
        length: int,
        check_sequence: Callable[[int], None] = lambda sequence: None,
        check_filter: Callable[[int], None] = lambda index: None,
    ) -> None:
        self.task_names, self.models = task_names, models
        self.n_sequences, self.length = n_sequences, length
        self._check_sequence, self._check_filter = check_sequence, check_filter
        super().__init__(model=models[0], window=min(60, length))

    def as_dict(self) -> dict[str, Any]:
        """The choices, as the page has them."""
        names = ("task", "model", "sequence", "position", "window", "split", "filter")
        return {"selection": list(self.selection), **{name: getattr(self, name) for name in names}}

    @traitlets.validate("model", "split")
    def _known_model(self, proposal: traitlets.Bunch) -> str | None:
        if proposal["value"] is None:
            return None
        if proposal["value"] not in self.models:
            raise ValueError(f"there is no model {proposal['value']!r}; the models are {', '.join(self.models)}")
        return str(proposal["value"])

    @traitlets.validate("selection")
    def _known_selection(self, proposal: traitlets.Bunch) -> tuple[int, ...]:
        chosen = tuple(int(sequence) for sequence in proposal["value"])
        for sequence in (min(chosen, default=0), max(chosen, default=0)):
            check_index("sequence", sequence, self.n_sequences)
        return chosen

    @traitlets.validate("sequence")
    def _known_sequence(self, proposal: traitlets.Bunch) -> int:
        sequence = super()._known_sequence(proposal)
        self._check_sequence(sequence)
        return sequence

    @traitlets.validate("filter")
    def _known_filter(self, proposal: traitlets.Bunch) -> int | None:
        if proposal["value"] is None:
            return None
        self._check_filter(proposal["value"])
        return int(proposal["value"])
