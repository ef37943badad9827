"""Learning curves that are updated while a model trains."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from rcviz._core.checks import check_choice
from rcviz.metrics import METRIC_NAMES
from rcviz.plots._axes import new_figure
from rcviz.plots.training import plot_history
from rcviz.training.history import EpochRecord, epoch_table
from rcviz.widgets._box import ExplorerBox
from rcviz.widgets._pane import FigurePane


class TrainingCurves(ExplorerBox):
    """Live learning curves of one or several models, redrawn after every epoch.

    Parameters
    ----------
    metric : str, optional
        Metric to draw, as in :func:`rcviz.plot_history`.
    size : (float, float)
        Width and height, in inches.

    Examples
    --------
    >>> curves = rcviz.TrainingCurves()
    >>> training = rcviz.TrainConfig(epochs=1, batch_size=100, samples_per_epoch=200)
    >>> follow = curves.follow("RC, 8 filters")
    >>> history = rcviz.fit(model, parts.train, parts.valid, training, progress=False, on_epoch=follow)
    >>> len(curves.table)
    2
    """

    def __init__(self, *, metric: str | None = None, size: tuple[float, float] = (6.4, 3.4)) -> None:
        if metric is not None:
            check_choice("metric", metric, tuple(METRIC_NAMES))
        self._metric, self._size = metric, size
        self._records: dict[str, list[EpochRecord]] = {}
        self._pane = FigurePane()
        super().__init__([self._pane])
        self.add_class("rcviz-training-curves")

    def __repr__(self) -> str:
        return f"TrainingCurves({', '.join(self._records)})"

    def follow(self, name: str) -> Callable[[EpochRecord], None]:
        """Return a function that adds an epoch to the curve ``name`` and redraws."""
        records = self._records[name] = []

        def add(record: EpochRecord) -> None:
            records.append(record)
            self._redraw()

        return add

    def show(self, records: Mapping[str, Sequence[EpochRecord]], *, metric: str) -> None:
        """Replace the curves by these, given by name; without any epoch the picture does not change."""
        check_choice("metric", metric, tuple(METRIC_NAMES))
        self._metric = metric
        self._records = {name: list(epochs) for name, epochs in records.items()}
        if any(self._records.values()):
            self._redraw()

    @property
    def table(self) -> pd.DataFrame:
        """The curves: model, epoch, split, and the metrics of the epochs."""
        tables = [epoch_table(records).assign(model=name) for name, records in self._records.items() if records]
        return pd.concat(tables or [epoch_table([]).assign(model="")], ignore_index=True)

    def _redraw(self) -> None:
        figure = new_figure(*self._size)
        plot_history(self.table, figure.add_subplot(), metric=self._metric)
        latest = [f"{name}: epoch {records[-1].epoch}" for name, records in self._records.items() if records]
        self._pane.show_figure(figure, "Learning curves; " + ", ".join(latest))
