// The table of runs: what is drawn, its best epoch, and its numbers at the epoch that is pointed at.
import { h } from "./dom.js";
import { count, fixed } from "./text.js";
import { colorOf, valuesAt } from "./training_chart.js";
import { seconds } from "./training_data.js";

const HEADS = ["run", "epochs", "time", "epoch", "validation", "validation", "training"];

/** The table; `show(number, is)` hides a run or shows it, `light(number)` draws it in front. */
export function trainingRuns(show, light) {
  const pointed = h("th", { colspan: 2, scope: "colgroup" });
  const groups = [h("td"), h("td", { class: "rcviz-col-1" }), h("td", { class: "rcviz-col-2" })];
  const heads = HEADS.map((text, place) => h("th", { scope: "col", class: `rcviz-col-${place}` }, text));
  const body = h("tbody");
  const nothing = h("tr", { class: "rcviz-muted" }, h("td", { colspan: HEADS.length }, "no run yet"));
  const element = h(
    "table",
    { class: "rcviz-runs" },
    h(
      "thead",
      null,
      h("tr", null, groups, h("th", { colspan: 2, scope: "colgroup" }, "best epoch"), pointed),
      h("tr", null, heads),
    ),
    body,
  );
  const rows = new Map(); // by number; they stay, as a click begins and ends on the same element
  let view = { runs: [], metric: null };

  function rowOf(run) {
    const box = h("input", {
      type: "checkbox",
      onchange: () => show(run.number, box.checked),
    });
    const name = h("b");
    const note = h("small");
    const label = h("label", null, box, h("span", { class: `rcviz-swatch ${colorOf(run.number)}` }), name, note);
    const cells = HEADS.slice(1).map((_, place) => h("td", { class: `rcviz-number rcviz-col-${place + 1}` }));
    const row = h(
      "tr",
      { "data-run": run.number, onpointerenter: () => light(run.number), onpointerleave: () => light(null) },
      h("th", { scope: "row" }, label),
      cells,
    );
    return { row, box, name, note, cells };
  }

  function write(element_, text) {
    if (element_.textContent !== text) element_.textContent = text;
  }

  function mark(epoch) {
    write(pointed, epoch === null ? "last epoch" : `epoch ${count(epoch)}`);
    for (const run of view.runs) {
      const at = valuesAt(run, epoch ?? run.n);
      write(rows.get(run.number).cells[4], at[0]);
      write(rows.get(run.number).cells[5], at[1]);
    }
  }

  /** Show the runs, and their numbers at an epoch, or (null) at the last. */
  function draw({ runs, metric, epoch }) {
    view = { runs, metric };
    if (!runs.length) body.append(nothing);
    else nothing.remove();
    for (const number of rows.keys()) {
      if (number > runs.length) {
        rows.get(number).row.remove();
        rows.delete(number);
      }
    }
    for (const run of runs) {
      if (!rows.has(run.number)) {
        rows.set(run.number, rowOf(run));
        body.append(rows.get(run.number).row);
      }
      const { row, box, name, note, cells } = rows.get(run.number);
      row.classList.toggle("rcviz-hidden-run", !run.shown);
      box.checked = run.shown;
      box.hidden = runs.length < 2;
      box.setAttribute("aria-label", `Show ${run.name}`);
      write(name, run.name);
      write(note, run.note);
      const best = run.valid && run.best ? fixed(run.valid[run.best - 1], 4) : "\u2013";
      const said = [count(run.n), run.n ? seconds(run.seconds) : "\u2013", run.best ? count(run.best) : "\u2013", best];
      for (const [place, text] of said.entries()) write(cells[place], text);
    }
    mark(epoch);
  }

  return { element, draw, mark };
}
