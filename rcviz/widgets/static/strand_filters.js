// Which filters make the gap of a sequence.
import { row, unpack } from "./arrays.js";
import { choice, h, refill, s } from "./dom.js";
import { smallLogo } from "./small_logo.js";
import { fixed, plural, signed } from "./text.js";

const SHOWN_FIRST = 6;
const SMALLEST = 0.01; // differences of the size of rounding are not drawn large, even if there are no others
const BAR = 200;

/** A difference with two decimals; smaller ones as a power of ten. */
export function differenceText(value) {
  if (value === 0 || !Number.isFinite(value) || Math.abs(value) >= 0.005) return signed(value, 2);
  return `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toExponential(0).replace("e-", "e\u2212")}`;
}

/** Filters by the size of their differences, and what is left: `{filters, forward, reverse, difference, rest}`. */
export function splitOf([forward, reverse], outputs) {
  const difference = Float32Array.from(forward, (value, index) => value - reverse[index]);
  const numbers = Array.from({ length: forward.length }, (_, index) => index);
  numbers.sort((one, other) => Math.abs(difference[other]) - Math.abs(difference[one]) || one - other);
  const whole = outputs[0] - outputs[1];
  return {
    filters: numbers,
    forward,
    reverse,
    difference,
    whole,
    rest: whole - difference.reduce((sum, value) => sum + value, 0),
  };
}

function bar(value, scale) {
  const length = Math.min(1, Math.abs(value) / scale) * (BAR / 2 - 2);
  return s(
    "svg",
    { class: "rcviz-diverging", viewBox: `0 0 ${BAR} 12`, preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { x: value < 0 ? BAR / 2 - length : BAR / 2, y: 2, width: length, height: 8 }),
    s("path", { class: "rcviz-axis", d: `M${BAR / 2} 0V12`, "vector-effect": "non-scaling-stroke" }),
  );
}

/** The filters of one model; `set(changes)` changes the state. */
export function strandFilters(set) {
  const title = h("h4");
  const list = h("div", { class: "rcviz-split", role: "group", "aria-label": "Filters by their part in the gap" });
  const rest = h("p", { class: "rcviz-muted" });
  const element = h("section", { class: "rcviz-strand-filters" }, title, list, rest);
  let all = false;
  let present = null;
  let drawnFor = null;

  function line(split, index, scale, bank, state, name) {
    const logo = bank?.matrices ? smallLogo(row(bank.matrices, index), `logo of filter ${index}`, 110, 24) : h("span");
    const chosen = state.filter === index;
    return h(
      "button",
      {
        class: "rcviz-split-row",
        "data-key": `filter${index}`,
        "data-filter": index,
        "aria-pressed": String(chosen),
        onclick: () => set({ split: name, filter: chosen ? null : index }),
      },
      logo,
      h("span", null, `filter ${index}`),
      bar(split.difference[index], scale),
      h("b", { class: "rcviz-number" }, differenceText(split.difference[index])),
      h("span", { class: "rcviz-number rcviz-both" }, `${fixed(split.forward[index])} forward`),
      h("span", { class: "rcviz-number rcviz-both" }, `${fixed(split.reverse[index])} reverse`),
    );
  }

  function draw(strands) {
    present = strands;
    const { state, points, detail, filters } = strands;
    const name = state.split ?? points.sorting.name;
    const key = [detail, name, state.filter, filters, all, strands.waits, strands.without, points.models.length];
    if (drawnFor && key.every((part, i) => part === drawnFor[i])) return;
    drawnFor = key;
    const each = points.models.find((model) => model.name === name) ?? points.sorting;
    const picker = choice(
      "of",
      points.models.map((model) => [model.name, model.name]),
      name,
      (split) => set({ split, filter: null }),
    );
    const found = detail?.models[name];
    const ready = found?.filters;
    const split = ready ? splitOf(found.filters, found.outputs) : null;
    const what = split ? ` make the gap of ${differenceText(split.whole)} ${each.unit}` : " make the gap";
    refill(title, h("span", null, "Which filters"), picker ?? h("span", null, `of ${name}`), h("span", null, what));
    if (!split) {
      const reason = found?.noFilters;
      const waits =
        detail || strands.without || !strands.waits
          ? null
          : h("div", { class: "rcviz-skeleton", style: "height:150px" });
      const why = reason ? `No split by filter: ${reason}.` : "Not computed.";
      refill(list, waits ?? h("p", { class: "rcviz-empty" }, why));
      refill(rest);
      return;
    }
    const bank = filters?.[name];
    const scale = Math.max(SMALLEST, Math.abs(split.difference[split.filters[0]] ?? 0));
    const shown = all ? split.filters : split.filters.slice(0, SHOWN_FIRST);
    const others = split.filters.slice(shown.length);
    refill(
      list,
      shown.map((index) => line(split, index, scale, bank, state, name)),
    );
    const sum = others.reduce((total, index) => total + split.difference[index], 0);
    const parts = others.length ? `${plural(others.length, "other filter")} ${differenceText(sum)} \u00b7 ` : "";
    const logits = `${each.unit} ${fixed(found.outputs[0])} forward, ${fixed(found.outputs[1])} reverse`;
    const more =
      split.filters.length > SHOWN_FIRST &&
      h(
        "button",
        { class: "rcviz-link", "data-key": "allfilters", "aria-expanded": String(all), onclick: () => toggle() },
        all ? `show ${SHOWN_FIRST}` : "show all",
      );
    refill(
      rest,
      h(
        "span",
        null,
        `${parts}what no filter explains, such as a bias ${differenceText(split.rest)} \u00b7 ${logits} \u00b7 bars to the right: more on the forward strand `,
      ),
      more,
    );
    if (state.filter !== null && bank?.reason) rest.append(h("span", null, ` \u00b7 No sites: ${bank.reason}.`));
  }

  function toggle() {
    all = !all;
    draw(present);
  }

  return { element, draw };
}

/** Whether a filter exists in the weights that have arrived. */
export function nFilters(filters, name) {
  return filters?.[name]?.matrices ? unpack(filters[name].matrices).shape[0] : 0;
}
