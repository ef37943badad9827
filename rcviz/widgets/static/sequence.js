// The sequence explorer.
import { choice, h, refill } from "./dom.js";
import { mountExplorer, storeOf } from "./explorer.js";
import {
  changeOf,
  changeSentence,
  genomeText,
  letterOf,
  predictionDigits,
  sequenceOf,
  titleOf,
} from "./sequence_data.js";
import { flipPanel, predictionPanel } from "./sequence_side.js";
import { sequenceTracks } from "./sequence_tracks.js";
import { count, plural } from "./text.js";

const SEQUENCE_HELP = [
  [
    "Predictions",
    "are those of the sequence as given (forward) and of its reverse complement (reverse), which is the same molecule. A prediction flips when it crosses the threshold, the dashed line.",
  ],
  [
    "Changes",
    "of one base to each other are the cells of the heat maps, on either strand at the position and base of the forward strand. A framed cell flips the prediction; a dot is the base that is there.",
  ],
  [
    "Attributions",
    "say how much each base adds to the output (gradient times input, mean-centred, unless you gave your own).",
  ],
  [
    "Spans",
    "are known motifs (p at most 0.0001, and expected by chance at most once in the search), and where the six filters fire that add most to this sequence; arrows tell the strand.",
  ],
  ["Positions", "within the sequence count from 0, genome coordinates of a base from 1, as in VCF."],
];
const SEQUENCE_KEYS = [
  ["\u2190 \u2192", "position"],
  ["A C G T", "change it", true],
  ["\u2191 \u2193", "other base"],
  ["\u232b", "undo", true],
  ["?", "help"],
  ["Enter", "put the chosen base there", true],
  ["S", "save", true],
  ["+ \u2212", "wider, narrower letters"],
  ["0", "where the attributions are largest"],
  ["Home End", "first, last position"],
  ["Page \u2191 \u2193", "next, previous sequence"],
];
const CHOICES = 300; // sequences that a list of choices holds

function summarizeSequence(store) {
  const about = store.get("_about");
  const task = about.tasks?.[store.state().task];
  const models = about.models ?? [];
  return {
    title: "Sequence",
    summary: `${plural(models.length, "model")} \u00b7 ${count(about.length ?? 0)} bp${task ? ` \u00b7 ${task}` : ""}`,
    controls: [
      ["Effects of", "model", models.map((name) => [name, name])],
      ["Task", "task", (about.tasks ?? []).map((name, index) => [index, name]), true],
      ["Allele", "allele", (about.alleles ?? []).map((name) => [name, name]), !alleleIsThere(store)],
    ],
    footer: store.live
      ? "Choose a position, type A, C, G or T; Backspace takes it back"
      : "Changing bases needs a kernel; everything else works",
  };
}

/** Whether a page without a kernel has the other allele as well. */
function alleleIsThere(store) {
  const { sequence } = store.state();
  const keys = Object.keys(store.get("_visited"));
  return keys.filter((key) => JSON.parse(key)[0] === sequence).length > 1;
}

function renderSequence({ model, el }) {
  const store = storeOf(model);
  let known = null;
  let base = null; // row of the chosen cell
  let note = "";
  let root = null;

  const pick = (position, row) => {
    base = row ?? base;
    note = "";
    goTo(position);
    keys.focus({ preventScroll: true });
  };
  const predictions = predictionPanel();
  const flips = flipPanel(pick);
  const tracks = sequenceTracks({ set: (changes) => store.set(changes), pick });
  const title = h("div", { class: "rcviz-sequence-title" });
  const bar = h("div", { class: "rcviz-edit" });
  const said = h("p", { class: "rcviz-change", "aria-live": "polite" }, "\u00a0");
  const keys = h(
    "div",
    {
      class: "rcviz-sequence-keys",
      tabindex: 0,
      role: "group",
      "aria-label": "The sequence: arrow keys choose a position and a base, A, C, G and T change it",
    },
    tracks.element,
  );
  const beside = h("div", { class: "rcviz-sequence-first" }, predictions.element, flips.element);
  const body = h(
    "div",
    { class: "rcviz-strand-body rcviz-sequence-body" },
    title,
    beside,
    h("div", { class: "rcviz-sequence-detail" }, bar, said, keys),
  );

  const chosen = () => ({ position: store.state().cursor, base });

  /** Choose a position, and bring it into sight. */
  function goTo(position) {
    const { start, window } = tracks.shown();
    const to = Math.min(Math.max(0, position), known.about.length - 1);
    const seen = to >= start && to < start + window;
    const first = Math.min(Math.max(0, to - Math.floor(window / 2)), known.about.length - window);
    store.set({ cursor: to, position: seen ? start : first });
  }

  function edit(letter) {
    const { cursor, edits } = store.state();
    if (!store.live) note = "Changing bases needs a kernel: this page shows what was computed.";
    else if (cursor === null) note = "Choose a position first: click a base, or use the arrow keys.";
    else if (letterOf(known.codes[cursor]) === letter) note = `Position ${count(cursor)} is ${letter} already.`;
    else {
      note = "";
      base = "ACGT".indexOf(letter);
      store.set({ edits: [...edits, [cursor, letter]], position: tracks.shown().start });
      return;
    }
    frame.redraw();
  }

  function takeBack(all) {
    const { edits } = store.state();
    if (!edits.length || !(store.live || all)) return;
    note = "";
    store.set({ edits: all ? [] : edits.slice(0, -1), position: tracks.shown().start });
  }

  const look = (sequence) => store.set({ sequence, edits: [], position: null });

  function sequences() {
    if (store.live) return Array.from({ length: known.about.n_sequences }, (_, index) => index);
    const visited = Object.keys(store.get("_visited")).map((key) => JSON.parse(key)[0]);
    return [...new Set([...visited, known.state.sequence])].sort((one, other) => one - other);
  }

  function drawTitle() {
    const { state, about } = known;
    const there = sequences();
    const name = (index) => titleOf(known.sequences, index, about.length);
    const number = h("input", {
      type: "number",
      min: 0,
      max: about.n_sequences - 1,
      value: state.sequence,
      "aria-label": "Sequence",
      "data-key": "sequence",
      onchange: () => look(Number(number.value)),
    });
    const label = (index) => (name(index) === `sequence ${index}` ? String(index) : `${index} \u00b7 ${name(index)}`);
    const list =
      there.length > CHOICES
        ? h("label", { class: "rcviz-choice" }, h("span", null, "Sequence"), number, `of ${count(about.n_sequences)}`)
        : choice(
            "Sequence",
            there.map((index) => [index, label(index)]),
            state.sequence,
            (value) => look(Number(value)),
          );
    const whole = name(state.sequence);
    const changes = state.edits.length ? `, ${plural(state.edits.length, "change")}` : "";
    const allele = about.alleles.length > 1 ? `, ${state.allele} allele` : "";
    refill(
      title,
      list,
      (!list || there.length > CHOICES) && h("b", null, whole),
      h("span", { class: "rcviz-muted" }, `${allele}${changes}`.slice(2)),
    );
  }

  function drawBar() {
    const { state, codes } = known;
    const { cursor, edits } = state;
    const genome = cursor === null ? "" : genomeText(known, cursor);
    const here = cursor === null ? "" : letterOf(codes[cursor]);
    const fixedWhy = store.live ? null : "Changing bases needs a kernel.";
    const buttons = [..."ACGT"].map((letter) =>
      h(
        "button",
        {
          type: "button",
          class: `rcviz-icon rcviz-${letter}`,
          "data-key": `base ${letter}`,
          "data-base": letter,
          "aria-label": `Change to ${letter}`,
          "aria-pressed": String(here === letter),
          disabled: cursor === null || Boolean(fixedWhy),
          onclick: () => edit(letter),
        },
        letter,
      ),
    );
    const canReset =
      edits.length > 0 && (store.live || JSON.stringify([state.sequence, state.allele, []]) in store.get("_visited"));
    refill(
      bar,
      h(
        "span",
        null,
        cursor === null
          ? "No position is chosen"
          : [h("b", null, `Position ${count(cursor)}`), genome && ` \u00b7 ${genome}`],
      ),
      h("span", { class: "rcviz-bases", role: "group", "aria-label": "Change the base" }, buttons),
      h(
        "button",
        {
          type: "button",
          "data-key": "undo",
          disabled: !edits.length || Boolean(fixedWhy),
          onclick: () => takeBack(false),
        },
        "Undo",
      ),
      h("button", { type: "button", "data-key": "reset", disabled: !canReset, onclick: () => takeBack(true) }, "Reset"),
      fixedWhy && h("span", { class: "rcviz-muted rcviz-fixed" }, fixedWhy),
      edits.length > 0 &&
        h(
          "span",
          { class: "rcviz-edits" },
          `Changed: ${edits
            .slice(-8)
            .map(([position, letter]) => `${count(position)} ${letterOf(known.given[position])}\u2192${letter}`)
            .join(", ")}`,
        ),
    );
  }

  function drawSaid() {
    const { state } = known;
    let text = note;
    if (!text && state.cursor !== null) {
      const others = [0, 1, 2, 3].filter((code) => code !== known.codes[state.cursor]);
      if (base === null || base === known.codes[state.cursor]) {
        const listed = known.mutations?.models[state.model]?.nearest.find((one) => one.position === state.cursor);
        base = listed ? "ACGT".indexOf(listed.to) : others[0];
      }
      const change = changeOf(known, state.model, state.cursor, base);
      const each = known.predictions?.models[state.model];
      if (change && each) text = `${state.model}, ${changeSentence(change, each, predictionDigits(each, state.task))}`;
    }
    if (said.textContent !== (text || "\u00a0")) said.textContent = text || "\u00a0";
  }

  function draw(on) {
    root = on;
    known = { ...sequenceOf(store), live: store.live };
    body.classList.toggle("rcviz-waiting", !known.codes);
    if (!known.codes) return;
    const { state } = known;
    const visited = store.get("_visited");
    // Changes belong to the sequence that was saved with them.
    if (
      !store.live &&
      state.edits.length &&
      !known.mutations?.now &&
      JSON.stringify([state.sequence, state.allele, []]) in visited
    )
      return store.set({ edits: [] });
    known.given = sequenceOf({ get: store.get, state: () => ({ ...state, edits: [] }) }).codes;
    const waits = store.live && store.get("_status").state !== "error"; // what is missing will come
    const total = root.clientWidth || 900;
    drawTitle();
    predictions.draw(known, waits);
    drawBar();
    drawSaid();
    flips.draw(known, waits, chosen());
    tracks.draw(known, { width: total - 26, narrow: total <= 460, waits, chosen: chosen(), root });
    body.dataset.sequence = state.sequence;
  }

  function onKey(event, typing) {
    if (typing || !known?.codes) return false;
    const { key } = event;
    const { cursor, sequence } = store.state();
    const onButton = event.target.closest("button");
    const letter = key.length === 1 ? key.toUpperCase() : "";
    if ("ACGT".includes(letter) && letter) edit(letter);
    else if (key === "Enter" && !onButton && base !== null) edit("ACGT"[base]);
    else if (key === "Backspace") takeBack(false);
    else if (key === "+" || key === "=") tracks.shift(0.7);
    else if (key === "-") tracks.shift(1.4);
    else if (key === "0") store.set({ position: null, cursor: null, window: Math.min(60, known.about.length) });
    else if (key === "PageDown" || key === "PageUp") {
      const there = sequences();
      const place = there.indexOf(sequence) + (key === "PageDown" ? 1 : -1);
      if (place < 0 || place >= there.length) return true;
      look(there[place]);
    } else {
      const { start, window } = tracks.shown();
      const from = cursor ?? start + Math.floor(window / 2);
      const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: known.about.length - 1 }[key];
      const up = { ArrowUp: -1, ArrowDown: 1 }[key];
      if (to === undefined && up === undefined) return false;
      note = "";
      if (to !== undefined) goTo(cursor === null && key.startsWith("Arrow") ? from : to);
      else {
        const others = [0, 1, 2, 3].filter((code) => code !== known.codes[from]);
        base = others[Math.min(Math.max(0, others.indexOf(base) + up), others.length - 1)];
        if (cursor === null) goTo(from);
        else frame.redraw();
      }
      if (!onButton) keys.focus({ preventScroll: true });
    }
    return true;
  }

  const frame = mountExplorer(
    { model, el, store },
    {
      kind: "sequence",
      help: SEQUENCE_HELP,
      keys: SEQUENCE_KEYS,
      describe: summarizeSequence,
      body,
      redrawOn: ["_state", "_status", "_about", "_sequences", "_bases", "_predictions", "_tracks", "_mutations"],
      draw,
      onKey,
    },
  );
  return frame.end;
}

const widget = { render: renderSequence };
export default widget;
