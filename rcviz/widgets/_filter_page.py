"""The filter explorer as one page that needs no kernel: a gallery, and the panels of every filter."""

import html
from typing import Any

import pandas as pd

from rcviz.widgets import _filter_panels as panels
from rcviz.widgets._filter_results import FilterResults, describe_positives
from rcviz.widgets.state import FilterState

_STYLE = """
body { max-width: 1340px; }
.explorer { display: grid; grid-template-columns: minmax(240px, 420px) minmax(0, 1fr); gap: 1rem; }
@media (max-width: 800px) { .explorer { grid-template-columns: 1fr; } }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); gap: 3px; align-content: start; }
.gallery button { font: 10px system-ui, sans-serif; color: inherit; background: none; cursor: pointer; padding: 0;
  border: 2px solid transparent; border-radius: 4px; min-width: 0; }
.gallery button[aria-pressed=true] { border-color: #1f5fa8; background: #1f5fa81c; }
.gallery button:focus-visible { outline: 2px solid #1f5fa8; }
.gallery svg { display: block; width: 100%; height: 30px; }
select { font: inherit; }
.rcviz-panels th, .rcviz-panels td { border: 0; }
.rcviz-panels th { background: Canvas; }
.rcviz-figure { width: fit-content; color: black; }
"""

# Without scripts the page shows the panels of all filters below each other.
_SCRIPT = """
const gallery = document.querySelector(".gallery"), sort = document.querySelector("select");
const buttons = [...gallery.children];
function choose(button) {
  for (const other of buttons) {
    other.setAttribute("aria-pressed", other === button);
    other.tabIndex = other === button ? 0 : -1;
    document.getElementById("filter-" + other.dataset.filter).hidden = other !== button;
  }
}
function arrange() {
  const by = (button) => Number(button.dataset[sort.value]);
  gallery.append(...buttons.sort((a, b) => by(a) - by(b)));
}
gallery.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) choose(button);
});
gallery.addEventListener("keydown", (event) => {
  const here = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  const columns = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
  const to = { ArrowRight: here + 1, ArrowLeft: here - 1, ArrowDown: here + columns, ArrowUp: here - columns,
               Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (buttons[to]) { choose(buttons[to]); buttons[to].focus(); }
});
sort.addEventListener("change", arrange);
arrange();
choose(buttons[0]);
"""


def filter_parts(
    results: FilterResults, state: FilterState, matches: pd.DataFrame | None, n_targets: int, colors: Any
) -> list[str]:
    """Write the parts of a page for the explorer's layer, task and positives, once per page."""
    question = state.question
    palindromicity = results.palindromicity(question.layer).table.set_index("filter")["palindromicity"]
    by_palindromicity = palindromicity.sort_values(ascending=False, kind="stable").index.tolist()
    contributions, bank = results.contributions(*question), results.bank(question.layer)
    buttons, sections = [], []
    for rank, index in enumerate(state.ranking):
        buttons.append(
            f'<button type="button" aria-pressed="false" data-filter="{index}" data-contribution="{rank}" '
            f'data-number="{index}" data-palindromicity="{by_palindromicity.index(index)}">'
            f"{panels.thumbnail(bank.weights[index], colors)}{index}: {contributions.scores[index]:+z.2f}</button>"
        )
        motifs = "" if matches is None else panels.nearest(matches, index, n_targets)
        sections.append(
            f'<div class="rcviz-panels" id="filter-{index}"><p class="rcviz-caption">'
            f"{panels.caption(results, question, index)}</p>{panels.logos(results, question, index, colors)}"
            f"{motifs}{panels.behaviour(results, question, index)}</div>"
        )
    task = results.task_names[question.task]
    compared = describe_positives(question.positives)
    compared = compared if question.positives == "all" else f"positives are those {compared}"
    about = (
        f"{len(state.ranking)} filters of layer {question.layer} on {len(results.data):,} sequences of "
        f"{results.data.length:,} bp; task {task}; {compared}."
    )
    return [
        panels.style(colors),
        f"<style>{_STYLE}</style>",
        f"<p>{html.escape(about)} Choose with the pointer or with the arrow keys.</p>",
        '<p><label>Sort by <select><option value="contribution">contribution</option>'
        '<option value="number">number</option><option value="palindromicity">palindromicity</option>'
        "</select></label></p>",
        f'<div class="explorer"><div class="gallery" role="group" aria-label="Filters">{"".join(buttons)}</div>'
        f'<div aria-live="polite">{"".join(sections)}</div></div>',
        f"<script>{_SCRIPT}</script>",
    ]
