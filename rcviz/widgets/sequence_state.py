"""Selections of a sequence explorer, without a front end and without drawing."""

from typing import Any

import traitlets

from rcviz._core.checks import check_choice, check_index
from rcviz.widgets.state import Along


class SequenceState(Along):
    """What a sequence explorer shows: task, sequence, allele, changes, the model in detail and the chosen position.

    Attributes
    ----------
    task : int
        Index of the task.
    sequence : int
        The sequence. Choosing another one drops ``edits``.
    allele : "alternative" or "reference"
        Which of a pair is shown, where sequences have a reference; otherwise always "alternative".
    edits : tuple of (int, str)
        Changes of the sequence in order: position, 0-based, and the base that is put there.
    model : str
        Name of the model whose changes of single bases are drawn and listed.
    cursor : int or None
        The chosen position, whose base is changed by typing.
    position : int or None
        First position that is drawn; None where the attributions are largest.
    window : int
        Number of positions that are drawn.

    Examples
    --------
    >>> state = SequenceState(task_names=("CTCF",), models=("RC",), n_sequences=3, length=60)
    >>> state.edits = (7, "A"), (9, "T")
    >>> state.sequence = 2
    >>> state.edits
    ()
    """

    allele = traitlets.Unicode("alternative")
    edits = traitlets.Tuple()
    model = traitlets.Unicode()
    cursor = traitlets.Int(None, allow_none=True)

    def __init__(
        self,
        *,
        task_names: tuple[str, ...],
        models: tuple[str, ...],
        n_sequences: int,
        length: int,
        alleles: tuple[str, ...] = ("alternative",),
    ) -> None:
        self.task_names, self.models, self.alleles = task_names, models, alleles
        self.n_sequences, self.length = n_sequences, length
        super().__init__(model=models[0], window=min(60, length))

    def as_dict(self) -> dict[str, Any]:
        """The choices, as the page has them."""
        names = ("task", "sequence", "allele", "model", "cursor", "position", "window")
        # Changes after the sequence, whose choice drops earlier ones: the page's choices are taken over in this order.
        return {**{name: getattr(self, name) for name in names}, "edits": [list(edit) for edit in self.edits]}

    @traitlets.observe("sequence", "allele")
    def _drop_edits(self, change: Any) -> None:
        self.edits = ()

    @traitlets.validate("allele", "model")
    def _known_choice(self, proposal: traitlets.Bunch) -> str:
        name = proposal["trait"].name
        check_choice(name, proposal["value"], self.alleles if name == "allele" else self.models)
        return str(proposal["value"])

    @traitlets.validate("edits")
    def _known_edits(self, proposal: traitlets.Bunch) -> tuple[tuple[int, str], ...]:
        edits = []
        for edit in proposal["value"]:
            if not isinstance(edit, tuple | list) or len(edit) != 2:
                raise ValueError(f"an edit must be (position, base), such as (7, 'A'), got {edit!r:.100}")
            position, base = edit
            check_index("position", position, self.length)
            check_choice("base", base, ("A", "C", "G", "T"))
            edits.append((int(position), str(base)))
        return tuple(edits)

    @traitlets.validate("cursor")
    def _known_position(self, proposal: traitlets.Bunch) -> int | None:
        if proposal["value"] is None:
            return None
        check_index("position", proposal["value"], self.length)
        return int(proposal["value"])
