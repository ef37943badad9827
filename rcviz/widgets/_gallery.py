"""A gallery of pictures, of which one is chosen with pointer or keyboard; ipywidgets has no such control."""

from typing import Any

import anywidget
import traitlets

# A listbox as in the ARIA practices: one tab stop; arrows, Home and End move the choice. Up and down move by the
# number of columns on the page.
_SCRIPT = """
function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "rcviz-gallery";
  list.setAttribute("role", "listbox");
  list.tabIndex = 0;
  el.appendChild(list);
  const cells = () => [...list.children];
  const chosen = () => cells().findIndex((cell) => Number(cell.dataset.id) === model.get("value"));

  function mark() {
    for (const cell of cells()) {
      const on = Number(cell.dataset.id) === model.get("value");
      if (cell.getAttribute("aria-selected") !== String(on)) cell.setAttribute("aria-selected", on);
      if (!on) continue;
      list.setAttribute("aria-activedescendant", cell.id);
      const above = cell.offsetTop - list.scrollTop, below = above + cell.offsetHeight - list.clientHeight;
      if (above < 0) list.scrollTop += above;
      if (below > 0) list.scrollTop += below;
    }
  }
  function fill() {
    list.setAttribute("aria-label", model.get("description"));
    const name = model.model_id ?? "rcviz";
    list.innerHTML = model.get("items").map(([id, label, markup]) =>
      `<div role="option" id="${name}-${id}" data-id="${id}">${markup}<span></span></div>`).join("");
    cells().forEach((cell, place) => {
      const label = model.get("items")[place][1];
      cell.lastChild.textContent = label;
      cell.setAttribute("aria-label", label);
    });
    mark();
  }
  function choose(place) {
    model.set("value", Number(cells()[place].dataset.id));
    model.save_changes();
  }
  list.addEventListener("click", (event) => {
    const cell = event.target.closest("[role=option]");
    if (cell) choose(cells().indexOf(cell));
  });
  list.addEventListener("keydown", (event) => {
    const top = cells()[0]?.offsetTop, columns = cells().filter((cell) => cell.offsetTop === top).length;
    const to = { ArrowRight: chosen() + 1, ArrowLeft: chosen() - 1, ArrowDown: chosen() + columns,
                 ArrowUp: chosen() - columns, Home: 0, End: cells().length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (to >= 0 && to < cells().length) choose(to);
  });
  model.on("change:items", fill);
  model.on("change:value", mark);
  fill();
}
export default { render };
"""

# With containment and a separate layer, the browser does not repaint thousands of letters at every choice.
_STYLE = """
.rcviz-gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(80px, 1fr)); gap: 3px; padding: 3px;
  max-height: 760px; overflow-y: auto; position: relative; will-change: transform; }
.rcviz-gallery [role=option] { contain: layout paint style; content-visibility: auto; contain-intrinsic-size: 82px 44px;
  cursor: pointer; border: 2px solid transparent; border-radius: 4px; text-align: center;
  line-height: 1.1; min-width: 0; }
.rcviz-gallery [role=option]:hover { border-color: #8a8a8a88; }
.rcviz-gallery [role=option][aria-selected=true] { border-color: #1f5fa8; background: #1f5fa81c; }
.rcviz-gallery:focus-visible { outline: 2px solid #1f5fa8; }
.rcviz-gallery svg { display: block; width: 100%; height: 30px; }
.rcviz-gallery span { font-size: 10px; white-space: nowrap; }
"""


class Gallery(anywidget.AnyWidget):
    """Small pictures in a grid; ``value`` is the id of the chosen picture.

    Parameters
    ----------
    items : list of (int, str, str)
        Id, label (plain text) and markup made by rcviz.
    value : int
    description : str
        Name of the gallery for screen readers.
    """

    _esm = _SCRIPT
    _css = _STYLE

    items: Any = traitlets.List().tag(sync=True)
    value = traitlets.Int().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
