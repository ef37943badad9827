"""Leave the arrow keys to a widget: JupyterLab and Notebook 7 take them to move between cells."""

import anywidget

# Front ends built on Lumino pass keys on when the focused element carries this attribute, which no ipywidget can set
# from Python.

_SCRIPT = """
function guard(element) {
  const explorer = element.closest(".rcviz-explorer");
  if (explorer) {
    explorer.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  } else if (!element.isConnected) {
    requestAnimationFrame(() => guard(element));
  }
}
export default { render({ el }) { guard(el); } };
"""


class KeyboardGuard(anywidget.AnyWidget):
    """Invisible part of an explorer (a widget of class ``rcviz-explorer``) that keeps the keys inside it."""

    _esm = _SCRIPT
