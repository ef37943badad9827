"""Learning curves that grow while a model trains."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import pandas as pd
import traitlets
from matplotlib.figure import Figure

from rcviz._core.checks import check_choice
from rcviz._core.markup import escaped
from rcviz.metrics import LOWER_IS_BETTER, METRIC_NAMES
from rcviz.plots._axes import figure_svg, new_figure
from rcviz.plots.training import plot_history
from rcviz.training.history import EpochRecord, ValueMetrics, epoch_table
from rcviz.widgets import front_end
from rcviz.widgets.data import pack_curve
from rcviz.widgets.explorer import Explorer
from rcviz.widgets.training_state import CurvesState

_SENT_AT_ONCE = 1000
"""Epochs up to which every new one is sent to the page; of more, every second, third ..."""


class Curve(NamedTuple):
    """The epochs of one run."""

    name: str
    note: str
    records: Sequence[EpochRecord]


class CurvesExplorer(Explorer):
    """Base of what shows learning curves; it implements ``_curves`` and ``_metrics``."""

    kind = "training"
    entry = "training.js"
    sheets = ("explorer.css", "training.css")
    title = "Training"
    kinds: ClassVar[dict[str, str]] = {
        ".html": "page that needs no kernel",
        ".csv": "table of all epochs",
        ".parquet": "table of all epochs",
        ".svg": "picture of the curves",
        ".pdf": "picture of the curves",
        ".png": "picture of the curves",
    }

    _runs = traitlets.Dict().tag(sync=True)
    _size: tuple[float, float] = (7.0, 3.6)

    def _curves(self) -> list[Curve]:
        raise NotImplementedError

    def _metrics(self) -> tuple[str, ...]:
        """Metrics to choose from."""
        raise NotImplementedError

    @property
    def table(self) -> pd.DataFrame:
        """All epochs of all runs so far: epoch, split, the metrics, and model, the name of the run."""
        tables = [epoch_table(curve.records).assign(model=curve.name) for curve in self._curves() if curve.records]
        return pd.concat(tables or [epoch_table([]).assign(model="")], ignore_index=True)

    def picture(self) -> Figure:
        """Draw the curves so far as a matplotlib figure, without those that are hidden."""
        self._check_open()
        hidden = {curve.name for number, curve in enumerate(self._curves(), 1) if number in self.state.hidden}
        table = self.table
        table = table[~table["model"].isin(hidden)]
        if table.empty:
            raise ValueError("there is no epoch to draw: train at least one, or show a run that is hidden")
        figure = new_figure(*self._size)
        plot_history(table, figure.add_subplot(), metric=self.state.metric)
        return figure

    def html_parts(self, place: str = "") -> list[str]:
        """Write the curves so far as parts of another page, as other explorers; it does not wait for a training."""
        self._check_open()
        self._send_curves()
        traits = {**self._page_data(place), "_status": self._saved_status()}
        return front_end.page_parts(self.entry, front_end.style(self.kind, *self.sheets), traits, place)

    def _saved_status(self) -> dict[str, Any]:
        return {"state": "ready", "progress": 1.0, "message": ""}

    def _still(self) -> str:
        sentence = f"{self!r}: the curves themselves need a running kernel; run this cell again."
        drawn = any(curve.records for curve in self._curves())
        width, height = (96 * inches for inches in self._size)
        picture = figure_svg(self.picture()).replace("<svg ", '<svg y="26" ', 1) if drawn else ""
        total = f'width="{max(width, 640):.0f}" height="{26 + height * drawn:.0f}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {total} font-family="sans-serif" font-size="13">'
            f'<rect width="100%" height="100%" fill="white"/><text x="4" y="17">{escaped(sentence)}</text>'
            f"{picture}</svg>"
        )

    # Sending

    def _tell(self) -> None:
        if self.comm is not None:
            self._status = {"state": "ready", "progress": 1.0, "message": self._error}

    def _send_about(self) -> None:
        self._about = {
            "kind": self.kind,
            "model_id": self.model_id,
            "metrics": [[name, METRIC_NAMES[name], name in LOWER_IS_BETTER] for name in self._metrics()],
            "kinds": [[ending, text] for ending, text in self.kinds.items()],
            **self._about_training(),
        }

    def _about_training(self) -> dict[str, Any]:
        return {}

    def _send_curves(self) -> None:
        if self.comm is not None:
            self._runs = {"runs": [pack_curve(*curve) for curve in self._curves()]}


class TrainingCurves(CurvesExplorer):
    """Live learning curves of one or several trainings, redrawn after every epoch.

    Parameters
    ----------
    metric : str, optional
        Metric to draw first, as in :func:`rcviz.plot_history`.
    size : (float, float)
        Width and height of :meth:`picture`, in inches.

    Attributes
    ----------
    state : CurvesState
        ``state.metric`` and ``state.hidden`` can be read, set and observed.

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
        self._unsent = False
        super().__init__((), CurvesState(metric=metric or "auroc"))
        self._send_about()
        self._tell()

    def __repr__(self) -> str:
        return f"TrainingCurves({', '.join(self._records)})"

    @property
    def ready(self) -> bool:
        """True: it shows all epochs so far."""
        return True

    @property
    def progress(self) -> float:
        """1: how many epochs follow is not known."""
        return 1.0

    def follow(self, name: str) -> Callable[[EpochRecord], None]:
        """Return a function that adds an epoch to the curve ``name`` and redraws."""
        records = self._records[name] = []
        self._send_curves()

        def add(record: EpochRecord) -> None:
            if self._metric is not None and not hasattr(record.valid, self._metric):
                check_choice("metric", self._metric, tuple(vars(record.valid)))
            while records and records[-1].epoch >= record.epoch:  # resumed: they come again
                records.pop()
            records.append(record)
            self._show_new(record)

        return add

    def show(self, records: Mapping[str, Sequence[EpochRecord]], *, metric: str) -> None:
        """Replace the curves by these, given by name."""
        check_choice("metric", metric, tuple(METRIC_NAMES))
        self._metric = metric
        self._records = {name: list(epochs) for name, epochs in records.items()}
        self.state.metric = metric
        self._send_about()
        self._send_curves()

    def refresh(self) -> None:
        """Send all epochs to the page again."""
        self._check_open()
        self._send_curves()

    def _show_new(self, record: EpochRecord) -> None:
        total = sum(map(len, self._records.values()))
        if total == 1:
            if self._metric is None and isinstance(record.valid, ValueMetrics):
                self.state.metric = "pearson"
            self._send_about()
        self._unsent = bool(record.epoch % (1 + total // _SENT_AT_ONCE))
        if not self._unsent:
            self._send_curves()

    def _tell(self) -> None:
        super()._tell()
        if self._unsent:  # after the cell
            self._unsent = False
            self._send_curves()

    def _curves(self) -> list[Curve]:
        return [Curve(name, "", records) for name, records in self._records.items()]

    def _metrics(self) -> tuple[str, ...]:
        known = {name for records in self._records.values() if records for name in vars(records[0].valid)}
        return (*(name for name in METRIC_NAMES if name in (known or {"auroc", "auprc"}) - {"loss"}), "loss")
