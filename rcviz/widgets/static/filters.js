// The filter explorer.
import { h } from "./dom.js";
import { mountExplorer, storeOf } from "./explorer.js";
import { filtersOf, listed } from "./filter_data.js";
import { exists, filterDetail } from "./filter_detail.js";
import { filterList } from "./filter_list.js";
import { count, plural } from "./text.js";

const HELP = [
  [
    "The list",
    "has every filter of a convolution over the bases, with its score: what it adds to the output in positives minus what it adds in negatives (gradient times activation).",
  ],
  [
    "Sort by knock-out",
    "silences one filter after the other and lists how much the output falls, in positives minus in negatives: what the score estimates. It is computed when it is first chosen.",
  ],
  ["Weights", "are mean-centred: every column sums to zero, which changes nothing on known bases."],
  [
    "Sites",
    "are the windows that activate the filter most, one per sequence, among what is treated as positive, and only where the filter fires.",
  ],
  [
    "The known motif",
    "is the nearest one by Tomtom, shifted and turned to match the sites. A filter has a name where the motif of at least 5 sites has a similarity of at least 0.5 to it, and an E-value of at most 0.05: fewer than 0.05 of all known motifs would match as well by chance.",
  ],
  ["Contributions", "are drawn one line per sequence, with the mean of each class."],
  [
    "Fires",
    "where the activation of a filter is above zero, behind normalisation and nonlinearity. The share of the sequences in which it fires, on either strand, is fires_in in the saved table.",
  ],
  [
    "Palindromes",
    "equal their own reverse complement. \u201cwhy?\u201d tells how a filter was judged, from its weights and from its sites: a palindrome has sites that are palindromes; a hybrid holds both strands of a motif that is none.",
  ],
  [
    "Repetition",
    "is how alike columns one to four apart are. From 0.75 on a filter is of low complexity: it reads a repeat or a composition.",
  ],
  [
    "Excess",
    "is the number of sequences with a site that shuffled sequences do not explain; z is the evidence for it, in standard deviations. With too little of it a verdict stays unknown.",
  ],
];
const KEYS = [
  ["\u2191 \u2193", "filter"],
  ["R", "strand"],
  ["P", "pin"],
  ["/", "search"],
  ["?", "help"],
  ["S", "save", true],
  ["Home End", "first, last filter"],
  ["Page \u2191 \u2193", "ten filters"],
  ["Esc", "close, end the search"],
];
const SORT_NAMES = {
  score: "score",
  "knock-out": "knock-out",
  number: "number",
  palindromicity: "palindromicity",
  name: "name",
};

let views = 0; // ids are unique on a page with several explorers, or with one shown twice

/** Sorts that there are; a page without a kernel has knock-outs only if they were computed before. */
function sortsOf(store) {
  const sorts = store.get("_about").sorts ?? [];
  return sorts.filter((name) => name !== "knock-out" || store.live || store.get("_knock_outs")?.scores);
}

/** Why the list is not sorted by knock-outs, although that was asked for. */
export function withoutKnockOuts(live) {
  const why = live ? "they were not computed to the end" : "they were not computed before the kernel ended";
  return `No knock-outs: ${why}. Sorted by score.`;
}

function describe(store) {
  const about = store.get("_about");
  const scores = store.get("_scores");
  const names = store.get("_names");
  const weights = store.get("_weights");
  const state = store.state();
  const n = weights.matrices?.shape[0] ?? 0;
  const classes = scores.labelled ? `, ${count(scores.n_positive)} positive` : "";
  const named = names.rows?.filter((row) => row.length).length ?? 0;
  return {
    title: "Filters",
    summary: `${state.layer} \u00b7 ${plural(n, "filter")} \u00b7 ${plural(about.n_sequences ?? 0, "sequence")}${classes}`,
    controls: [
      ["Sort", "sort", sortsOf(store).map((name) => [name, SORT_NAMES[name] ?? name])],
      ["Task", "task", (about.tasks ?? []).map((name, index) => [index, name]), true],
      ["Layer", "layer", (about.layers ?? []).map((name) => [name, name]), true],
      ["Positives", "positives", about.positives ?? [], true],
    ],
    footer: names.rows
      ? `${count(named)} of ${count(n)} named, compared with ${plural(names.n_targets, "known motif")}`
      : "",
  };
}

function render({ model, el }) {
  const store = storeOf(model);
  views += 1;
  const list = filterList(`rcviz-${store.get("_about").model_id ?? "saved"}-${views}`, (filter) =>
    store.set({ filter }),
  );
  const search = h("input", {
    type: "search",
    class: "rcviz-search",
    placeholder: "Search name or bases  /",
    "aria-label": "Search filters",
    oninput: () => store.set({ search: search.value }),
  });
  const detail = filterDetail(store, "filter");
  const pinned = filterDetail(store, "pinned");
  const details = h("div", { class: "rcviz-details" }, detail.element);
  const missing = h("p", { class: "rcviz-missing", role: "status", hidden: true });
  const side = h("nav", { class: "rcviz-side" }, search, missing, list.element);
  const body = h("div", { class: "rcviz-body" }, side, details);

  function colors(root) {
    for (const [letter, color] of Object.entries(store.get("_about").letters ?? {})) {
      if ("ACGT".includes(letter)) root.style.setProperty(`--rcviz-${letter}`, color);
    }
  }

  function draw(root) {
    const filters = filtersOf(store);
    const chosen = store.state();
    const state = { ...chosen, sort: filters.sort };
    missing.hidden = filters.sort === chosen.sort;
    missing.textContent = missing.hidden ? "" : withoutKnockOuts(store.live);
    if (!exists(filters, state.filter)) return;
    filters.task = filters.about.tasks?.[state.task];
    colors(root);
    const order = listed(filters, state);
    const ranked = listed(filters, { sort: "score" });
    if (document.activeElement !== search && search.value !== (state.search ?? "")) search.value = state.search ?? "";
    const both = exists(filters, state.pinned) && state.pinned !== state.filter;
    if (both && !pinned.element.isConnected) details.append(pinned.element);
    if (!both) pinned.element.remove();
    const total = root.clientWidth || 900;
    const [wide, narrow] = [total > 760, total <= 460];
    const across = (wide ? total - 300 : total) - 30;
    const beside = both && wide;
    details.classList.toggle("rcviz-side-by-side", beside);
    const width = beside ? (across - 30) / 2 : across;
    const options = { filters, state, width, narrow: narrow || beside };
    list.draw(filters, order, state);
    detail.draw({ ...options, index: state.filter, rank: ranked.indexOf(state.filter) + 1 });
    if (both) pinned.draw({ ...options, index: state.pinned, rank: ranked.indexOf(state.pinned) + 1 });
  }

  function move(key) {
    const filters = filtersOf(store);
    const state = { ...store.state(), sort: filters.sort };
    const order = listed(filters, state);
    const place = order.indexOf(state.filter);
    const last = order.length - 1;
    const to = {
      ArrowDown: place + 1,
      ArrowRight: place + 1,
      ArrowUp: place - 1,
      ArrowLeft: place - 1,
      PageDown: place + 10,
      PageUp: place - 10,
      Home: 0,
      End: last,
    }[key];
    if (to === undefined || last < 0) return false;
    store.set({ filter: order[Math.min(Math.max(to, 0), last)] });
    return true;
  }

  function onKey(event, typing) {
    const state = store.state();
    if (event.target === search) {
      if (event.key === "Escape") {
        search.value = "";
        store.set({ search: "" });
        list.element.focus();
        return true;
      }
      if (event.key === "Enter" || event.key === "ArrowDown") {
        list.element.focus();
        return event.key === "Enter" || move("ArrowDown");
      }
      return false;
    }
    if (typing) return false;
    if (event.key === "/") {
      search.focus();
      search.select();
      return true;
    }
    if (/^r$/i.test(event.key)) {
      store.set({ strand: state.strand === "-" ? "+" : "-" });
      return true;
    }
    if (/^p$/i.test(event.key)) {
      store.set({ pinned: state.pinned === state.filter ? null : state.filter });
      return true;
    }
    if (event.target.closest("button, .rcviz-scroll")) return false;
    return move(event.key);
  }

  const frame = mountExplorer(
    { model, el, store },
    {
      kind: "filters",
      help: HELP,
      keys: KEYS,
      describe,
      body,
      redrawOn: [
        "_state",
        "_about",
        "_weights",
        "_scores",
        "_sites",
        "_profiles",
        "_names",
        "_verdicts",
        "_knock_outs",
      ],
      draw,
      onKey,
    },
  );
  return frame.end;
}

const widget = { render };
export default widget;
