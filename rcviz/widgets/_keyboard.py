"""Keep the arrow keys in a widget: JupyterLab and Notebook 7 use them to move between cells."""

import anywidget

# Front ends built on Lumino ignore keys if the focused element has this attribute, which ipywidgets cannot set from
# Python.

_SCRIPT = """
function guard(element) {
  const explorer = element.closest(".rcviz-box");
  if (explorer) {
    explorer.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  } else if (!element.isConnected) {
    requestAnimationFrame(() => guard(element));
  }
}
export default { render({ el }) { guard(el); } };
"""


class KeyboardGuard(anywidget.AnyWidget):
    """Invisible part of an explorer (a widget of class ``rcviz-box``) that keeps the keys inside it."""

    _esm = _SCRIPT
