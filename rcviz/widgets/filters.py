"""Explore the filters of a model: logos, sites, contributions, profiles, palindromes and similar motifs."""

import html
import os
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from rcviz._core.checks import check_positive, task_index
from rcviz._core.files import atomic_write, check_ending
from rcviz._core.tables import ENDINGS as TABLES
from rcviz._core.tables import save_table
from rcviz.analysis.filters import layer_of
from rcviz.analysis.neurons import At
from rcviz.motifs.formats.jaspar import write_jaspar
from rcviz.motifs.formats.meme import write_meme
from rcviz.motifs.formats.transfac import write_transfac
from rcviz.motifs.similarity import as_motifs
from rcviz.plots import saving
from rcviz.plots.page import html_page
from rcviz.sequences.checks import check_not_empty
from rcviz.sequences.sequence_set import as_sequence_set
from rcviz.widgets import _filter_panels as panels
from rcviz.widgets._export import ExportBox
from rcviz.widgets._filter_page import filter_parts
from rcviz.widgets._filter_results import FilterResults, describe_positives
from rcviz.widgets._gallery import Gallery
from rcviz.widgets._keyboard import KeyboardGuard
from rcviz.widgets._naming import Naming
from rcviz.widgets._pane import ErrorPane, MarkupPane
from rcviz.widgets.explorer import Explorer
from rcviz.widgets.state import FilterState

SORTS = {"contribution": "contribution", "number": "number", "palindromicity": "palindromicity"}
MOTIFS = {".meme": write_meme, ".jaspar": write_jaspar, ".transfac": write_transfac}
PAGE = 64
"""Logos per page of the gallery; a thousand would keep a browser busy for seconds."""
KINDS = (".html", *TABLES, *MOTIFS, *saving.ENDINGS)


class FilterExplorer(Explorer):
    """All filters of a convolution over the four bases, and the details of the chosen one (section 3.5).

    Choose a filter in the gallery with pointer or arrow keys, or by setting ``explorer.state``.

    Parameters
    ----------
    model : nn.Module
        Maps one-hot ``(batch, 4, length)`` to logits ``(batch, tasks)``; it is not modified. For other
        inputs and outputs see :func:`rcviz.as_sequence_model`.
    data : SequenceSet, list of str, codes (N, L) or one-hot (N, 4, L)
        Sequences for contributions and sites; without labels, scores are means over all sequences, until
        :meth:`set_positives` selects some. Where labels are values, the upper 25% are compared with the rest. Profiles
        along the sequence use a random sample where all sequences would need more than 1 GB, and the panel then states
        its size.
    motifs : list of Motif, path of a MEME file, or None
        Known motifs to compare filters with; None takes the vertebrate motifs of JASPAR 2024.
    task : int or str
        Task to start with, by index or by name.
    layer, at
        Convolution over the four bases to start with, and which of its neurons; see
        :func:`rcviz.filter_contributions`.
    colors
        Colours of the letters, as in :func:`rcviz.plot_logo`: "colorblind", "classic", a scheme of logomaker or a
        dict.
    batch_size : int
        Number of sequences that are in memory as floats at a time.

    Attributes
    ----------
    state : FilterState
        ``state.filter``, ``state.task``, ``state.layer``, ``state.positives`` and ``state.sort`` can be read, set and
        observed. Where labels are values, ``state.positives = "upper 10%"`` chooses another upper part.

    Examples
    --------
    >>> explorer = rcviz.FilterExplorer(model, parts.test)
    >>> explorer.state.select_rank(0)
    >>> explorer.export("best_filter.svg")
    >>> explorer.close()
    """

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        *,
        motifs: Any = None,
        task: int | np.integer | str = 0,
        layer: nn.Module | str | None = None,
        at: At = "auto",
        colors: Any = "colorblind",
        batch_size: int = 500,
    ) -> None:
        self._naming: dict[str, Naming] = {}  # first, as close() uses it and is called even if the rest fails
        check_positive("batch_size", batch_size)
        data = as_sequence_set(data)
        check_not_empty(data)
        self._targets = as_motifs(motifs)
        self._colors = colors
        self._results = FilterResults(model, data, at, batch_size)
        first_task = task_index(task, self._results.task_names)
        layers = self._layers(layer)
        positives = self._results.first_positives(first_task)
        first = self._results.contributions(layers[0], first_task, positives)
        self._results.sites(layers[0])
        self._results.profiles(layers[0])
        self.state = FilterState(
            layers=layers,
            task_names=self._results.task_names,
            positives=self._results.positives,
            sorts=tuple(SORTS),
            ranking=tuple(first.ranking.tolist()),
        )
        self.state.task, self.state.positives = first_task, positives
        self._markup: dict[tuple[Any, ...], tuple[str, str, str]] = {}
        self._following = False  # whether a control is set from the state and must not write it back
        self._build()
        self.state.observe(self._on_question, ["layer", "task", "positives"])
        self.state.observe(self._on_order, ["ranking", "sort"])
        self.state.observe(self._redraw, "filter")
        self._name_filters()
        self._fill_gallery()
        self._redraw()
        look = MarkupPane()
        look.show(panels.style(colors))
        super().__init__(
            [
                look,
                self._controls,
                self._error,
                ipywidgets.HBox(
                    [self._gallery, ipywidgets.VBox([self._caption, self._logos, self._named, self._behaviour])]
                ),
                self._export,
                KeyboardGuard(),
            ]
        )
        self.add_class("rcviz-explorer").add_class("rcviz-filter-explorer")

    def __repr__(self) -> str:
        n_filters = len(self._results.bank(self.state.layer))
        return f"FilterExplorer({n_filters:,} filters of {self.state.layer}, {len(self._results.data):,} sequences)"

    @property
    def table(self) -> pd.DataFrame:
        """Contributions, consensus, palindromicity and, when ready, nearest motif of every filter, best first."""
        layer, naming = self.state.layer, self._naming[self.state.layer]
        contributions = self._results.contributions(*self.state.question).table
        bank = self._results.bank(layer).table[["filter", "consensus"]]
        palindromicity = self._results.palindromicity(layer).table[["filter", "palindromicity"]]
        table = contributions.merge(bank, on="filter").merge(palindromicity, on="filter")
        if naming.table is None:
            return table
        nearest = naming.table.groupby("filter").first()[["motif", "alternative_name", "similarity", "p_value"]]
        return table.merge(nearest.reset_index(), on="filter", how="left")

    def set_positives(self, mask: Any) -> None:
        """Compare the sequences where ``mask`` (N,) is True with all others, whatever their labels."""
        self._results.set_positives(mask)
        self._markup = {key: markup for key, markup in self._markup.items() if "own" not in key}
        if self.state.positives == "own":
            self._on_question()
        self.state.positives = "own"

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write what is on screen; the ending of the path chooses what.

        Parameters
        ----------
        path : path-like
            ``.csv`` and ``.parquet``: :attr:`table`; ``.meme``, ``.jaspar`` and ``.transfac``: the PWMs of all
            filters' sites, in the gallery's order; ``.svg``, ``.pdf`` and ``.png``: the chosen filter's pictures;
            ``.html``: a page of all filters, see :meth:`to_html`.
        """
        ending = check_ending(os.fspath(path), KINDS)
        if ending == ".html":
            self.to_html(path)
        elif ending in MOTIFS:
            sites = self._results.sites(self.state.layer)
            MOTIFS[ending]([sites.motif(index) for index in self.state.order], path)
        elif ending in TABLES:
            save_table(self.table, path)
        else:
            saving.save_figure(self.picture(), path)

    def picture(self) -> Figure:
        """Draw the chosen filter as a matplotlib figure, which a saved notebook shows without a kernel."""
        return panels.picture(self._results, self.state.question, self.state.filter, self._colors)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one page of all filters, with choosing and sorting, that needs no kernel and no internet connection.

        Waits until the filters have been compared with known motifs.
        """
        check_ending(os.fspath(path), (".html",))
        page = html_page("Filters", self.html_parts())
        with atomic_write(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def html_parts(self) -> list[str]:
        """Write the parts of :meth:`to_html`, for another :func:`rcviz.plots.page.html_page`, once per page."""
        naming = self._naming[self.state.layer]
        naming.wait()
        return filter_parts(self._results, self.state, naming.table, len(self._targets), self._colors)

    def close(self) -> None:
        """Stop the comparison with known motifs and remove the explorer from the page."""
        for naming in getattr(self, "_naming", {}).values():
            naming.stop()
        super().close()

    def _layers(self, layer: nn.Module | str | None) -> tuple[str, ...]:
        """List the layers to choose from, the one to start with first."""
        layers = self._results.layers()
        if layer is not None or not layers:
            asked = layer_of(self._results.model, layer)[0]
            self._results.bank(asked)  # raises an error for a layer that has no logos
            layers = [asked, *(name for name in layers if name != asked)]
        return tuple(layers)

    def _build(self) -> None:
        self._error = ErrorPane()
        self._task = _choice("Task", enumerate(self.state.task_names), "Task that the contributions belong to")
        self._layer = _choice("Layer", ((name, name) for name in self.state.layers), "Layer whose filters are shown")
        choices = [(name, describe_positives(name)) for name in self._results.positives]
        self._positives = _choice("Positives", choices, "Sequences treated as positive", width="290px")
        self._sort = _choice("Sort by", SORTS.items(), "Order of the gallery")
        self._page = _choice("Page", [(0, "")], "Page of the gallery")
        self._gallery = Gallery(description="Filters", layout=ipywidgets.Layout(flex="0 0 352px"))
        self._caption, self._logos, self._named, self._behaviour = (MarkupPane() for _ in range(4))
        self._export = ExportBox(self.export, "filters.html", KINDS, self._error)
        self._controls = ipywidgets.HBox(
            [self._sort, self._page, self._task, self._layer, self._positives],
            layout=ipywidgets.Layout(flex_flow="row wrap"),
        )
        for name in ("task", "layer", "positives", "sort"):
            getattr(self, f"_{name}").observe(lambda change, name=name: self._write(name, change["new"]), "value")
        self._gallery.observe(lambda change: self._write("filter", change["new"]), "value")
        self._page.observe(lambda change: self._turn_to(change["new"]), "value")

    def _write(self, name: str, value: Any) -> None:
        if not self._following:
            with self._error.reporting():
                setattr(self.state, name, value)
            self._follow()  # after an error the control shows the state again

    def _turn_to(self, page: int) -> None:
        """Show a page of the gallery by choosing its first filter."""
        if not self._following:
            self._write("filter", self.state.order[page * PAGE])

    def _on_question(self, change: Any = None) -> None:
        state = self.state
        try:
            contributions = self._results.contributions(*state.question)
            self._results.sites(state.layer)
            self._results.profiles(state.layer)
        except Exception:
            if change is not None:
                setattr(state, change["name"], change["old"])
            raise
        ranking = tuple(contributions.ranking.tolist())
        with state.hold_trait_notifications():
            if state.filter not in ranking:
                state.filter = ranking[0]
            state.ranking = ranking
        self._name_filters()
        self._on_order()
        self._redraw()

    def _on_order(self, change: Any = None) -> None:
        state = self.state
        if state.sort == "palindromicity":
            table = self._results.palindromicity(state.layer).table.sort_values(
                "palindromicity", ascending=False, kind="stable"
            )
            state.order = tuple(table["filter"].tolist())
        else:
            state.order = tuple(sorted(state.ranking)) if state.sort == "number" else state.ranking
        self._fill_gallery()

    def _fill_gallery(self) -> None:
        bank, scores = self._results.bank(self.state.layer), self._results.contributions(*self.state.question).scores
        order = self.state.order
        page, n = order.index(self.state.filter) // PAGE, len(order)
        pages = tuple(
            (f"{first + 1:,} to {min(first + PAGE, n):,} of {n:,}", first // PAGE) for first in range(0, n, PAGE)
        )
        self._following = True
        try:
            with self._gallery.hold_sync():
                self._gallery.items = [
                    (
                        index,
                        f"{index}: {scores[index]:+z.2f}",
                        panels.thumbnail(bank.weights[index], self._colors),
                    )
                    for index in order[page * PAGE : (page + 1) * PAGE]
                ]
                self._gallery.value = self.state.filter
            if self._page.options != pages:
                self._page.options = pages
            self._page.value, self._page.disabled = page, False
            self._page.layout.display = None if n > PAGE else "none"
        finally:
            self._following = False

    def _redraw(self, change: Any = None) -> None:
        question, index = self.state.question, self.state.filter
        key = (*question, index)
        if key not in self._markup:
            self._markup[key] = (
                panels.caption(self._results, question, index),
                panels.logos(self._results, question, index, self._colors),
                panels.behaviour(self._results, question, index),
            )
        caption, logos, behaviour = self._markup[key]
        self._caption.show(f'<div class="rcviz-panels rcviz-caption" aria-live="polite">{caption}</div>')
        self._logos.show(f'<div class="rcviz-panels" data-filter="{index}">{logos}</div>')
        self._behaviour.show(f'<div class="rcviz-panels" data-filter="{index}">{behaviour}</div>')
        self._show_names()
        if index in self.state.order and index not in [shown for shown, *_ in self._gallery.items]:
            self._fill_gallery()  # it is on another page
        self._follow()

    def _follow(self) -> None:
        """Set the controls to the values of the state, without writing them back."""
        self._following = True
        try:
            self._gallery.value = self.state.filter
            positives = self.state.positives
            if positives not in [name for _, name in self._positives.options]:  # another upper part
                self._positives.options = [*self._positives.options, (describe_positives(positives), positives)]
            for name in ("task", "layer", "positives", "sort"):
                getattr(self, f"_{name}").value = getattr(self.state, name)
        finally:
            self._following = False

    def _name_filters(self) -> None:
        layer = self.state.layer
        if layer not in self._naming:
            sites = self._results.sites(layer)
            queries = [sites.motif(index) for index in range(sites.n_filters)]
            self._naming[layer] = Naming(queries, self._targets, self._show_names)

    def _show_names(self) -> None:
        naming, index = self._naming[self.state.layer], self.state.filter
        if naming.table is not None:
            text = panels.nearest(naming.table, index, len(self._targets))
        elif naming.error:
            text = f"<p>The comparison with known motifs failed: {html.escape(naming.error)}</p>"
        else:
            n_targets = len(self._targets)
            text = f'<p role="status">Comparing the filters with {n_targets:,} known motifs in the background.</p>'
        self._named.show(f'<div class="rcviz-panels rcviz-named" data-filter="{index}">{text}</div>')


def _choice(description: str, options: Any, tooltip: str, *, width: str = "200px") -> ipywidgets.Dropdown:
    """Make a drop-down list of (value, label); with one entry it is disabled."""
    listed = [(str(label), value) for value, label in options]
    return ipywidgets.Dropdown(
        options=listed,
        description=description,
        tooltip=tooltip,
        disabled=len(listed) == 1,
        layout=ipywidgets.Layout(width=width),
        style={"description_width": "60px"},
    )
