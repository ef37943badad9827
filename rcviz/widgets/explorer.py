"""The common base of explorers: state, computing in the background, errors, staleness, saving and closing.

State goes one way. A control of the page, or Python, sets ``state``; what observes ``state`` computes what is missing
and sends it; the page draws what it has. Choices that need no computing are drawn by the page at once.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

import anywidget
import ipywidgets
import pandas as pd
import traitlets
from matplotlib.figure import Figure
from torch import nn

from rcviz._core.checks import brief
from rcviz._core.files import atomic_write, check_ending, check_target
from rcviz._core.tables import ENDINGS as TABLES
from rcviz._core.tables import save_table
from rcviz.models.fingerprint import Fingerprint
from rcviz.plots.page import html_page
from rcviz.plots.saving import ENDINGS as PICTURES
from rcviz.plots.saving import save_figure
from rcviz.widgets import front_end
from rcviz.widgets.arguments import check_arguments, own_signature
from rcviz.widgets.runs import Run

WIDE_PAGE = "<style>body { max-width: 75rem; }</style>"
"""Part of a page that gives an explorer the room it wants."""


class Explorer(anywidget.AnyWidget):
    """Base of explorers.

    An explorer sets ``kind``, ``entry`` and ``sheets``, has a ``state`` and traits that hold the data of its page, and
    implements ``_compute(run)``, ``_clear()``, ``table`` and ``picture()``.

    Parameters
    ----------
    models : iterable of nn.Module
        Models whose weights the page depends on.
    state : traitlets.HasTraits
        Choices, with ``as_dict()``: those that the page knows.
    """

    kind = ""
    entry = ""
    sheets: tuple[str, ...] = ("explorer.css",)
    title = ""
    kinds: ClassVar[dict[str, str]] = {".html": "page that needs no kernel", ".csv": "table", ".parquet": "table"}
    """Endings of files that can be written, and what is written."""
    __signature__: ClassVar[Any]

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)
    _state = traitlets.Dict().tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    _about = traitlets.Dict().tag(sync=True)

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Check the arguments of ``__init__``; an error lists the options that the explorer has."""
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __init_subclass__(cls, **options: Any) -> None:
        """Give help and documentation the signature of ``__init__``, which ``__new__`` hides."""
        super().__init_subclass__(**options)
        cls.__signature__ = own_signature(cls)

    def __init__(self, models: Iterable[nn.Module], state: Any) -> None:
        self._models = tuple(models)
        self._run: Run | None = None
        self._error = ""
        self.state = state
        self._fingerprint = Fingerprint(self._models)
        # The page adapts to its width and has none of its own: without one it would vanish in an HBox.
        layout = ipywidgets.Layout(width="100%", min_width="0")
        super().__init__(
            _esm=front_end.script(self.entry), _css=front_end.style(self.kind, *self.sheets), layout=layout
        )
        self._state = state.as_dict()
        state.observe(self._on_state, list(state.as_dict()))
        self.observe(self._on_page_state, "_state")
        self.on_msg(self._on_message)
        self._stop_watching = _after_cells(self)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data: Any = bundle[0] if isinstance(bundle, tuple) else bundle
        with suppress(Exception):  # a picture for readers without a kernel must not keep the explorer from opening
            data["image/svg+xml"] = self._still()
        return bundle

    # Computing

    @property
    def ready(self) -> bool:
        """Whether everything has been computed for the present choices."""
        return self._run is not None and self._run.complete

    @property
    def progress(self) -> float:
        """Share of the analysis that is done, from 0 to 1."""
        return 0.0 if self._run is None else self._run.progress

    @property
    def message(self) -> str:
        """What is being computed, why it failed, or empty."""
        return str(self._status.get("message", ""))

    def wait(self, timeout: float | int | None = None) -> None:
        """Wait until the analysis is complete; Ctrl-C ends the analysis.

        Raises
        ------
        TimeoutError
            If it is not complete after ``timeout`` seconds; it goes on.
        RuntimeError
            If it was stopped, or the explorer is closed.
        """
        while True:
            run = self._run
            if run is None:
                self._check_open()
                return
            try:
                ended = run.wait(timeout)
            except KeyboardInterrupt:
                run.stop()
                raise
            if not ended:
                raise TimeoutError(
                    f"the analysis is at {run.progress:.0%} after {timeout:g} s ({run.message}); wait longer, or read "
                    f"explorer.progress"
                )
            if run is self._run:
                break
        if run.error is not None:
            raise run.error
        if run.stopped:
            raise RuntimeError("the analysis was stopped before its end; explorer.refresh() starts it again")

    def stop(self) -> None:
        """End the analysis; what has been computed stays."""
        if self._run is not None:
            self._run.stop()

    def _start(self) -> None:
        """Compute what the present choices need, in place of what is being computed."""
        self._error = ""
        self._run = Run(self._compute, self._on_run, after=self._run)
        try:
            self._tell()
        except BaseException:  # Ctrl-C in the cell that opens it: nobody has the explorer
            self.stop()
            raise

    def _compute(self, run: Run) -> None:
        raise NotImplementedError

    def _on_run(self, run: Run) -> None:
        if run is self._run:
            self._tell()

    def _tell(self) -> None:
        """Send to the page how the analysis stands."""
        run = self._run
        if run is None or self.comm is None:
            return
        kind, message = "computing", run.message
        if run.complete:
            kind, message = ("stale" if self.stale else "ready"), ""
        elif run.error is not None:
            kind, message = "error", f"{brief(run.error) or type(run.error).__name__}"
        elif run.ended:
            kind, message = "error", "Stopped before the analysis was complete."
        self._status = {"state": kind, "progress": run.progress, "message": self._error or message}

    # Staleness

    @property
    def stale(self) -> bool:
        """Whether the weights of a model have changed since the analysis began."""
        return self._fingerprint.changed()

    def refresh(self) -> None:
        """Compute everything again, from the weights that the models have now."""
        self._check_open()
        self.stop()
        if self._run is not None:
            self._run.wait()
        self._fingerprint = Fingerprint(self._models)
        self._clear()
        self._start()

    def _is_open(self) -> bool:
        return hasattr(self, "_stop_watching")

    def _check_open(self) -> None:
        if not self._is_open():
            raise RuntimeError(f"this {type(self).__name__} is closed; make a new one of the same model and data")

    def _clear(self) -> None:
        raise NotImplementedError

    # State

    def _on_state(self, change: Any) -> None:
        now = self.state.as_dict()
        if self._state.get(change["name"]) != now[change["name"]]:  # else the page has chosen it
            self._state = now

    def _on_page_state(self, change: Any) -> None:
        """Take over what was chosen on the page; what is not allowed is shown and the page gets the state again."""
        now = self.state.as_dict()
        chosen = {name: value for name, value in change["new"].items() if now.get(name, value) != value}
        if not chosen:  # the state itself, as it was sent to the page
            return
        before, self._error = self._error, ""
        for name, value in chosen.items():
            try:
                setattr(self.state, name, value)
            except Exception as refused:  # the user of the page must see it
                self._error = brief(refused) or type(refused).__name__
        if self._error != before:
            self._tell()
        self._state = self.state.as_dict()

    def _on_message(self, widget: Any, content: Mapping[str, Any], buffers: Any) -> None:
        """Answer a button of the page."""
        kind = content.get("kind")
        if kind == "stop":
            self.stop()
        elif kind == "refresh":
            try:
                self.refresh()
            except Exception as error:  # the user of the page must see it
                self._error = brief(error) or type(error).__name__
                self._tell()
        elif kind == "check":
            self._tell()
        elif kind == "save":
            path = str(content.get("path", ""))
            threading.Thread(target=self._save, args=(path,), name="rcviz-save", daemon=True).start()

    # Saving

    @property
    def table(self) -> pd.DataFrame:
        """The main result as a table; waits for the analysis."""
        raise NotImplementedError

    def picture(self) -> Figure:
        """Draw what is chosen as a matplotlib figure; waits for the analysis."""
        raise NotImplementedError

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write what is on screen; the ending of the path chooses what. Waits for the analysis."""
        ending = check_ending(os.fspath(path), tuple(self.kinds))
        check_target(path, "the export")
        if ending == ".html":
            self.to_html(path)
        elif ending in TABLES:
            save_table(self.table, path)
        elif ending in PICTURES:
            save_figure(self.picture(), path)
        else:
            self._export_other(ending, path)

    def _export_other(self, ending: str, path: str | os.PathLike[str]) -> None:
        raise NotImplementedError

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the explorer as a page that needs no kernel and no internet connection. Waits for the analysis."""
        check_ending(os.fspath(path), (".html",))
        check_target(path, "the page")
        page = html_page(self.title, [WIDE_PAGE, *self.html_parts()])
        with atomic_write(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def html_parts(self, place: str = "") -> list[str]:
        """Write the explorer as parts of another page; of several on a page, each needs a ``place`` of its own."""
        self.wait()
        traits = {**self._page_data(place), "_status": {"state": "ready"}}
        return front_end.page_parts(self.entry, front_end.style(self.kind, *self.sheets), traits, place)

    def _page_data(self, place: str) -> dict[str, Any]:
        """What a page without a kernel is drawn from: values of traits by name."""
        data = {name: getattr(self, name) for name in self._page_traits()}
        # The widget's own name is drawn by lot; the same explorer is saved as the same page.
        return {**data, "_about": {**self._about, "model_id": f"saved{place}"}}

    def _page_traits(self) -> list[str]:
        """Names of the traits that the page is drawn from."""
        own = {name for kind in type(self).__mro__ if issubclass(kind, Explorer) for name in vars(kind)}
        return sorted(name for name in own & set(self.keys) if name not in ("_esm", "_css", "_anywidget_id"))

    def _save(self, path: str) -> None:
        try:
            self.export(path)
        except Exception as error:
            self.send({"kind": "saved", "error": brief(error) or type(error).__name__})
        else:
            self.send({"kind": "saved", "path": os.path.abspath(path)})  # noqa: PTH100 - shown, with the folder

    def _still(self) -> str:
        """Picture for readers of a notebook without a kernel, as SVG; it must not wait."""
        raise NotImplementedError

    # End

    def close(self) -> None:
        """End the analysis, remove the explorer from all pages and release its memory."""
        run = getattr(self, "_run", None)
        if run is not None:
            run.stop()  # first: an interrupt may come at any moment
            run.wait(30)
            self._run = None
        if hasattr(self, "_stop_watching"):
            self._stop_watching()
            del self._stop_watching
            self.unobserve_all()
            self.on_msg(self._on_message, remove=True)
            self.state.unobserve_all()
            self._models = ()
            self._fingerprint = Fingerprint(())
            self._release()
            self.layout.close()
        super().close()
        for name in self._page_traits():  # nobody listens any more
            setattr(self, name, {})

    def _release(self) -> None:
        """Drop what the explorer has computed, and models."""


def _after_cells(explorer: Explorer) -> Callable[[], None]:
    """Let the explorer look after every cell of a notebook whether the model has changed; returns how to end that."""
    import sys

    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return lambda: None
    weak = weakref.ref(explorer)

    def after_cell(*_: Any) -> None:
        alive = weak()
        if alive is not None:
            alive._tell()

    shell.events.register("post_run_cell", after_cell)

    def end() -> None:
        with suppress(ValueError):
            shell.events.unregister("post_run_cell", after_cell)

    return end
