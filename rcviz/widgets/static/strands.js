// The strand explorer.
import { h, refill } from "./dom.js";
import { mountExplorer, storeOf } from "./explorer.js";
import { detailCache, digitsOfScale, orderByGap, sequenceName, strandsOf } from "./strand_data.js";
import { strandFilters } from "./strand_filters.js";
import { groupColors, scatterPanel } from "./strand_scatter.js";
import { strandTable } from "./strand_table.js";
import { strandTracks } from "./strand_tracks.js";
import { count, fixed, plural } from "./text.js";

const STRAND_HELP = [
  [
    "Points",
    "are sequences: the prediction for the sequence as given against that for its reverse complement. On the diagonal both agree. A flip is a decision that differs.",
  ],
  [
    "Click",
    "a point to look at it, draw around some to list only these; Shift adds. A click on nothing, or Esc, lists all again. Ctrl and the wheel zoom, a double click shows the whole.",
  ],
  [
    "Attributions",
    "say how much each base adds to the output (gradient times input, mean-centred). Those of the reverse complement stand at the same base pair; the strip below marks where the strands differ.",
  ],
  [
    "Filters",
    "are listed by the difference of what they add on both strands (gradient times activation). Click one to mark where it fires.",
  ],
];
const STRAND_KEYS = [
  ["\u2191 \u2193", "sequence"],
  ["\u2190 \u2192", "move"],
  ["Esc", "all sequences"],
  ["?", "help"],
  ["S", "save", true],
  ["+ \u2212", "wider, narrower letters"],
  ["0", "where the attributions are largest"],
  ["Home End", "first, last sequence"],
  ["Page \u2191 \u2193", "ten sequences"],
];
const TABLE = 385; // least width of the table
const LISTED = 22; // height of the line above it
let strandViews = 0; // ids are unique on a page with several explorers, or with one shown twice

function summarize(store) {
  const about = store.get("_about");
  const state = store.state();
  const models = about.models ?? [];
  const points = store.get("_points");
  const known = points.known < about.n_sequences ? `${count(points.known)} of ` : "";
  const task = about.tasks?.[state.task];
  return {
    title: "Strands",
    summary: `${plural(models.length, "model")} \u00b7 ${known}${plural(about.n_sequences ?? 0, "sequence")}${about.labelled && task ? ` \u00b7 ${task}` : ""}`,
    controls: [
      ["Largest gap of", "model", models.map((name) => [name, name])],
      ["Task", "task", (about.tasks ?? []).map((name, index) => [index, name]), true],
    ],
    footer: "Click or draw around points; the list, the tracks and the bars follow",
  };
}

const sameNumbers = (one, other) => one.length === other.length && one.every((value, i) => value === other[i]);

function renderStrands({ model, el }) {
  const store = storeOf(model);
  const cache = detailCache(store);
  strandViews += 1;
  let root = null;
  let strands = null;
  let order = [];
  let orderedBy = [null, []];
  let chosen = null; // the selection as a set
  let [panels, panelNames] = [new Map(), ""];

  const point = (index) => {
    for (const panel of panels.values()) panel.point(index);
    pointed.textContent = index === null ? "" : pointedText(index);
  };
  const look = (sequence) => store.set({ sequence, position: null });
  const table = strandTable(`rcviz-${store.get("_about").model_id ?? "saved"}-${strandViews}`, { look, point });
  const tracks = strandTracks((changes) => store.set(changes));
  const filters = strandFilters((changes) => store.set(changes));
  const scatters = h("div", { class: "rcviz-scatters" });
  const listed = h("p", { class: "rcviz-listed" });
  const pointed = h("p", { class: "rcviz-pointed" });
  const list = h("div", { class: "rcviz-strand-list" }, listed, table.element);
  const first = h("div", { class: "rcviz-strand-first" }, h("div", null, scatters, pointed), list);
  const body = h("div", { class: "rcviz-strand-body" }, first, tracks.element, filters.element);

  function pointedText(index) {
    const { sorting } = strands.points;
    const digits = digitsOfScale(sorting);
    const [forward, reverse] = [sorting.forward, sorting.reverse].map((values) => fixed(values[index], digits));
    const name = sequenceName(strands.sequences, index, strands.about.length);
    return `${name}: ${forward} forward, ${reverse} reverse (${sorting.name})`;
  }

  function choose(indices, add) {
    const before = store.state().selection ?? [];
    if (!indices.length) {
      pointed.textContent = "No point is inside; the list has not changed.";
      return;
    }
    const selection = add ? [...new Set([...before, ...indices])] : indices;
    const [largest] = orderByGap(strands.points.sorting.gap, selection);
    store.set({ selection, sequence: largest, position: null });
  }
  const all = () => store.set({ selection: [] });

  function arrange(total) {
    const names = strands.points.models.map((each) => each.name);
    const n = names.length;
    const [gap, room] = [12, total - 24];
    const beside = Math.min(240, Math.floor((room - TABLE - gap * n) / n));
    const side = beside >= 160;
    const across = Math.min(n, Math.max(1, Math.floor((room + gap) / (150 + gap))));
    const width = side ? beside : Math.min(300, Math.floor((room - gap * (across - 1)) / across));
    first.classList.toggle("rcviz-beside", side);
    list.style.height = `${LISTED + 22 * (1 + Math.round((side ? width : 200) / 22))}px`; // whole rows
    if (panelNames !== names.join("\n")) {
      panelNames = names.join("\n");
      panels = new Map(names.map((name) => [name, scatterPanel(name, { look, select: choose, clear: all, point })]));
      scatters.replaceChildren(...[...panels.values()].map((panel) => panel.element));
    }
    return width;
  }

  function drawListed() {
    const { state } = strands;
    const n = order.length;
    refill(
      listed,
      h(
        "span",
        null,
        state.selection.length ? `${count(n)} chosen` : `${n === 1 ? "" : "all "}${plural(n, "sequence")}`,
      ),
      h("span", { class: "rcviz-label-key" }, legend()),
      state.selection.length > 0 &&
        h("button", { class: "rcviz-small", "data-key": "all", onclick: all }, "all sequences"),
    );
  }

  function legend() {
    const { points, about } = strands;
    if (!about.labelled) return null;
    const colors = groupColors(root, points.groups);
    return points.groups.map((group, place) => {
      if (!points.group.includes(place)) return null;
      const dot = h("i", { class: "rcviz-dot" });
      dot.style.background = colors[place];
      return h("span", null, dot, group.name);
    });
  }

  function draw(on) {
    root = on;
    strands = strandsOf(store, cache);
    strands.live = store.live;
    strands.waits = store.live && store.get("_status").state !== "error"; // what is missing will come
    body.classList.toggle("rcviz-waiting", !strands.points);
    if (!strands.points) return;
    const { points, state } = strands;
    if (orderedBy[0] !== points.sorting.gap || !sameNumbers(orderedBy[1], state.selection)) {
      orderedBy = [points.sorting.gap, state.selection];
      order = orderByGap(points.sorting.gap, state.selection);
      chosen = state.selection.length ? new Set(state.selection) : null;
    }
    const total = root.clientWidth || 900;
    const width = arrange(total);
    const colors = groupColors(root, points.groups);
    for (const each of points.models) {
      panels.get(each.name).draw({ each, points, width, selected: chosen, marked: state.sequence, colors });
    }
    drawListed();
    table.draw(strands, order, colors);
    tracks.draw(strands, total - 26, total <= 460);
    filters.draw(strands);
  }

  function move(key) {
    const place = order.indexOf(store.state().sequence);
    const last = order.length - 1;
    const to = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + 10,
      PageUp: place - 10,
      Home: 0,
      End: last,
    }[key];
    if (to === undefined || last < 0) return false;
    look(order[Math.min(Math.max(to, 0), last)]);
    return true;
  }

  function onKey(event, typing) {
    if (typing || !strands?.points) return false;
    const { key } = event;
    if (key === "Escape") {
      if (!store.state().selection.length) return false;
      all();
      return true;
    }
    const shift = { ArrowLeft: [-0.25], ArrowRight: [0.25], "+": [0, 0.7], "=": [0, 0.7], "-": [0, 1.4] }[key];
    if (shift) {
      tracks.shift(...shift);
      return true;
    }
    if (key === "0") {
      store.set({ position: null, window: Math.min(60, strands.about.length) });
      return true;
    }
    return move(key);
  }

  const frame = mountExplorer(
    { model, el, store },
    {
      kind: "strands",
      help: STRAND_HELP,
      keys: STRAND_KEYS,
      describe: summarize,
      body,
      redrawOn: ["_state", "_status", "_about", "_sequences", "_points", "_filters", "_chosen", "_ahead"],
      draw,
      onKey,
    },
  );
  return frame.end;
}

const widget = { render: renderStrands };
export default widget;
