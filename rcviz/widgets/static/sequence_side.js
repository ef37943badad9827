// Beside each other: predictions of both strands, and the changes of one base that flip them.
import { h, refill } from "./dom.js";
import { linear } from "./scales.js";
import { answerOf, countFlips, flipText, predictionDigits } from "./sequence_data.js";
import { predictionRange } from "./strand_data.js";
import { dumbbell } from "./strand_table.js";
import { count, fixed, signed } from "./text.js";

const TASKS = 5; // other tasks that are listed

/** Other tasks of a model, those whose prediction has changed most first, or else those with the largest gap. */
export function otherTasks(each, task, most = TASKS) {
  const size = (index) => {
    const [now, start] = [each.now, each.start].map((both) => both.map((strand) => strand[index] ?? 0));
    const moved = Math.max(...now.map((value, strand) => Math.abs(value - start[strand])));
    return [moved, Math.abs(now[0] - now[1])];
  };
  return each.now[0]
    .map((_, index) => [index, ...size(index)])
    .filter(([index]) => index !== task)
    .sort((one, other) => other[1] - one[1] || other[2] - one[2] || one[0] - other[0])
    .slice(0, most)
    .map(([index]) => index);
}

/** The predictions, a row per model. */
export function predictionPanel() {
  const element = h("section", { class: "rcviz-predictions", "aria-label": "Predictions" });

  /** One range for all rows of a scale, so that their lines can be compared. */
  function rangesOf(rows) {
    const values = {};
    for (const [each, task] of rows) {
      const own = [...each.now, ...each.start].map((strand) => strand[task]).concat(each.threshold);
      values[each.scale] = [...(values[each.scale] ?? []), ...own.filter((value) => Number.isFinite(value))];
    }
    return Object.fromEntries(
      Object.entries(values).map(([scale, own]) => [scale, predictionRange(scale, Float64Array.from(own), [])]),
    );
  }

  function row(label, each, task, changed, range, attributes) {
    const digits = predictionDigits(each, task);
    const [now, start] = [each.now, each.start].map((both) => both.map((strand) => strand[task] ?? Number.NaN));
    const known = [...now, ...start].filter(Number.isFinite);
    const x = linear(...range[each.scale], 5, 115);
    const text = (value) => fixed(value, digits);
    const crossed =
      each.threshold !== null &&
      now.map((value, strand) => value >= each.threshold !== start[strand] >= each.threshold);
    const moved = now.map((value, strand) => signed(value - start[strand], digits));
    return h(
      "div",
      { class: "rcviz-prediction", role: "row", ...attributes },
      h("b", { role: "rowheader", title: label }, label),
      h(
        "span",
        { role: "cell", class: "rcviz-range" },
        known.length === 4 &&
          dumbbell(now[0], now[1], x, each.threshold, `${text(now[0])} forward, ${text(now[1])} reverse`),
      ),
      h("span", { role: "cell", class: "rcviz-number", "data-strand": "forward" }, text(now[0])),
      h("span", { role: "cell", class: "rcviz-number", "data-strand": "reverse" }, text(now[1])),
      h("span", { role: "cell", class: "rcviz-number" }, text(Math.abs(now[0] - now[1]))),
      changed &&
        h(
          "span",
          { role: "cell", class: "rcviz-moved" },
          `${moved[0]} forward, ${moved[1]} reverse`,
          crossed && flipText(crossed) && h("b", null, ` flips ${flipText(crossed)}`),
        ),
    );
  }

  return {
    element,
    draw(known, waits) {
      const { about, state, predictions } = known;
      const changed = known.codes.some((code, i) => code !== known.start[i]);
      const scales = predictions && new Set(about.models.map((name) => predictions.models[name].scale));
      const scale = scales?.size === 1 ? [...scales][0] : "prediction";
      const since = about.alleles.length > 1 ? "the reference" : "the start";
      const head = h(
        "div",
        { class: "rcviz-prediction rcviz-head", role: "row" },
        h("span", { role: "columnheader" }, scale),
        h(
          "span",
          { role: "columnheader", class: "rcviz-range rcviz-key" },
          h("i", { class: "rcviz-dot rcviz-ink" }),
          "fwd",
          h("i", { class: "rcviz-dot rcviz-hollow" }),
          "rev",
        ),
        ["forward", "reverse", "gap"].map((name) => h("span", { role: "columnheader", class: "rcviz-number" }, name)),
      );
      if (!predictions?.now) {
        element.removeAttribute("data-key");
        const text = waits ? "Predicting\u2026" : "Not computed for this sequence.";
        refill(element, h("h4", null, "Predictions"), h("p", { class: "rcviz-empty" }, text));
        return;
      }
      const each = predictions.models[state.model];
      const others = otherTasks(each, state.task);
      const range = rangesOf([
        ...about.models.map((name) => [predictions.models[name], state.task]),
        ...others.map((task) => [each, task]),
      ]);
      const rows = about.models.map((name) =>
        row(name, predictions.models[name], state.task, changed, range, { "data-model": name }),
      );
      const more = others.map((task) => row(about.tasks[task], each, task, changed, range, { "data-task": task }));
      refill(
        element,
        h("h4", null, "Predictions", changed && h("small", null, `and the change since ${since}`)),
        h("div", { role: "table", "aria-label": "Predictions of both strands" }, head, rows),
        others.length > 0 && h("h4", null, "Other tasks", h("small", null, `of ${state.model}`)),
        others.length > 0 && h("div", { role: "table", "aria-label": "Predictions of other tasks" }, more),
      );
      element.dataset.key = known.key;
    },
  };
}

/** The list of changes that flip the prediction of the chosen model; `pick(position, base)` is called for a row. */
export function flipPanel(pick) {
  const answer = h("p", { class: "rcviz-answer", "aria-live": "polite" });
  const list = h("div", { class: "rcviz-flips", role: "list", "aria-label": "Changes of one base" });
  const element = h(
    "section",
    { class: "rcviz-flip-panel", "aria-label": "Which base flips this prediction?" },
    h("h4", null, "Which base flips this prediction?"),
    answer,
    list,
  );

  function row(change, digits, chosen) {
    const here = chosen.position === change.position && "ACGT"[chosen.base] === change.to;
    const text = (strand) => `${fixed(change.before[strand], digits)} \u2192 ${fixed(change.after[strand], digits)}`;
    const strand = (name, index) =>
      h(
        "span",
        { class: change.flips[index] ? "rcviz-strong" : "" },
        h("small", null, `${name} `),
        text(index),
        change.flips[index] && h("span", { class: "rcviz-flag" }, "flips"),
      );
    return h(
      "div",
      { role: "listitem" },
      h(
        "button",
        {
          type: "button",
          class: "rcviz-flip",
          "data-key": `flip ${change.position} ${change.to}`,
          "data-position": change.position,
          "data-base": change.to,
          "aria-pressed": String(here),
          onclick: () => pick(change.position, "ACGT".indexOf(change.to)),
        },
        h("span", null, `${count(change.position)} `, h("b", null, `${change.from}\u2192${change.to}`)),
        strand("fwd", 0),
        strand("rev", 1),
      ),
    );
  }

  return {
    element,
    draw(known, waits, chosen) {
      const { state, mutations, predictions } = known;
      const effects = mutations?.now && predictions?.now && mutations.models[state.model];
      element.toggleAttribute("data-key", false);
      if (!effects) {
        answer.textContent = waits ? "Changing every base to every other\u2026" : "Not computed for this sequence.";
        refill(list, waits && h("div", { class: "rcviz-skeleton", style: "height:140px" }));
        return;
      }
      const each = predictions.models[state.model];
      const digits = predictionDigits(each, state.task);
      const part = effects.region[1] - effects.region[0] < known.codes.length;
      const where = part ? ` Changed were positions ${count(effects.region[0])} to ${count(effects.region[1])}.` : "";
      const text = answerOf(state.model, each, countFlips(effects, known.codes), effects.nearest, digits) + where;
      if (answer.textContent !== text) answer.textContent = text;
      refill(
        list,
        effects.nearest.slice(0, 8).map((change) => row(change, digits, chosen)),
      );
      element.dataset.key = known.key;
    },
  };
}
