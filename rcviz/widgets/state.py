"""What is selected in an explorer; runs with no front end and knows nothing of drawing."""

import traitlets


class FilterState(traitlets.HasTraits):
    """The task and the filter that an explorer shows.

    Attributes
    ----------
    task : int
        Index of the task whose logit the contributions belong to.
    filter : int
        The chosen filter.
    ranking : tuple of int
        All filters, largest contribution first.

    Examples
    --------
    >>> state = FilterState(task_names=("CTCF",), ranking=(4, 0, 2))
    >>> state.step(1)
    >>> state.filter, state.rank
    (0, 1)
    """

    task = traitlets.Int(0)
    filter = traitlets.Int(0)
    ranking = traitlets.Tuple()

    def __init__(self, *, task_names: tuple[str, ...], ranking: tuple[int, ...]) -> None:
        self.task_names = task_names
        super().__init__(ranking=ranking, filter=ranking[0])

    @property
    def rank(self) -> int:
        """Place of the chosen filter in the ranking, counted from zero."""
        return self.ranking.index(self.filter)

    def select_rank(self, rank: int) -> None:
        """Choose the filter at a place of the ranking."""
        if not 0 <= rank < len(self.ranking):
            raise ValueError(f"there is no rank {rank}; the ranks are 0 to {len(self.ranking) - 1}")
        self.filter = self.ranking[rank]

    def step(self, by: int) -> None:
        """Move along the ranking; the ends hold."""
        self.select_rank(min(max(self.rank + by, 0), len(self.ranking) - 1))

    @traitlets.validate("filter")
    def _known_filter(self, proposal: traitlets.Bunch) -> int:
        if proposal["value"] not in self.ranking:
            raise ValueError(f"there is no filter {proposal['value']}; the filters are 0 to {len(self.ranking) - 1}")
        return int(proposal["value"])

    @traitlets.validate("task")
    def _known_task(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal["value"] < len(self.task_names):
            raise ValueError(
                f"there is no task {proposal['value']}; the tasks are {', '.join(self.task_names)}, counted from 0"
            )
        return int(proposal["value"])
