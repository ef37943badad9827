// One sequence: what it is, where its attributions are, and both strands of every model on one axis.
import { unpack } from "./arrays.js";
import { h, refill } from "./dom.js";
import { LETTERS } from "./matrices.js";
import { STRIP, TALL, strandPictures } from "./strand_logos.js";
import { positionText, strandOverview } from "./strand_overview.js";
import { bestWindow, digitsOfScale, gapText, labelOf, sequenceName, sitesIn } from "./strand_data.js";
import { fixed, signed } from "./text.js";

const LABEL = 104; // room for the name of a model

/** What the sorting model says about a sequence, in parts; those in a list are bold. */
export function sentenceOf(strands) {
  const { about, state, points, sequences } = strands;
  const index = state.sequence;
  const each = points.sorting;
  if (index >= each.forward.length) return [[`Sequence ${index}`], " has no predictions yet."];
  const digits = digitsOfScale(each);
  const name = sequenceName(sequences, index, about.length);
  const named = name === `sequence ${index}` ? "" : ` ${name}`;
  const own = sequences.names?.[index];
  const also = own && own !== name && !own.startsWith(name.split(":")[0]) ? ` (${own})` : "";
  const [forward, reverse] = [each.forward[index], each.reverse[index]];
  const task = about.tasks.length > 1 ? ` for ${about.tasks[state.task]}` : "";
  const flips = each.threshold !== null && forward >= each.threshold !== reverse >= each.threshold;
  const what = { probability: "says", logit: "has a logit of", value: "predicts" }[each.scale];
  const gap = fixed(forward, digits) === fixed(reverse, digits) ? "" : `, a gap of ${gapText(each.gap[index])}`;
  return [
    [`Sequence ${index}`],
    `${named}${also} \u00b7 ${labelOf(strands, index)}${task}. `,
    [each.name],
    ` ${what} ${fixed(forward, digits)} reading forward and ${fixed(reverse, digits)} reading the other strand${gap}${flips ? ": the decision flips" : ""}.`,
  ];
}

/** The detail of a sequence; `set(changes)` changes the state. */
export function strandTracks(set) {
  const said = h("p", { class: "rcviz-sentence", "aria-live": "polite" });
  const overview = strandOverview({
    move(shown) {
      present.shown = shown;
      drawnFor = null;
      overview.draw(present);
      drawTracks();
    },
    end: () => set({ window: present.shown.window, position: present.shown.start }),
  });
  const tracks = h("div", { class: "rcviz-strand-tracks" });
  const cursor = h("div", { class: "rcviz-cursor", hidden: true });
  const readout = h("p", { class: "rcviz-readout" }, "\u00a0");
  const element = h("section", { class: "rcviz-strand-detail" }, said, overview.element, tracks, readout);
  let present = null;
  let drawnFor = null;

  function windowOf({ state, about, detail }) {
    const window = Math.min(state.window, about.length);
    const start = state.position ?? (detail ? bestWindow(detail, window) : 0);
    return { window, start: Math.min(Math.max(start, 0), about.length - window) };
  }

  function sitesFor(each, reversed) {
    const { strands } = present;
    const { state, filters, detail } = strands;
    const name = state.split ?? strands.points.sorting.name;
    const bank = filters?.[name];
    if (each !== name || state.filter === null || !bank?.matrices || state.filter >= bank.matrices.shape[0]) return [];
    const [, , width] = bank.matrices.shape;
    const size = 4 * width;
    const matrix = unpack(bank.matrices).values.subarray(state.filter * size, (state.filter + 1) * size);
    const options = {
      limit: unpack(bank.limit).values[state.filter],
      falling: unpack(bank.falling).values[state.filter],
      stride: bank.stride,
      padding: bank.padding,
    };
    const found = sitesIn(detail.codes, matrix, options, reversed);
    const more = bank.tied ? sitesIn(detail.codes, matrix, options, !reversed) : [];
    return [...found, ...more].map((site) => ({ ...site, width }));
  }

  function modelTrack(each) {
    const { strands, inner, shown, narrow } = present;
    const { state, detail } = strands;
    const index = state.sequence;
    const digits = digitsOfScale(each) + 1;
    const known = index < each.forward.length;
    const label = h(
      "div",
      { class: "rcviz-model" },
      h("b", { title: each.name }, each.name),
      h("span", null, h("i", { class: "rcviz-dot rcviz-ink" }), known ? fixed(each.forward[index], digits) : "\u2013"),
      h(
        "span",
        null,
        h("i", { class: "rcviz-dot rcviz-hollow" }),
        known ? fixed(each.reverse[index], digits) : "\u2013",
      ),
      h("small", null, known ? `gap ${gapText(each.gap[index])}` : ""),
    );
    const found = detail?.models[each.name];
    let pictures = null;
    if (!detail) {
      const why = strands.without
        ? "No base of this sequence is known, so it has no attributions."
        : strands.live || !strands.others
          ? "Not computed."
          : "This page has no attributions of this sequence. Choose one from the top of the list.";
      pictures =
        strands.waits && !strands.without
          ? h("div", { class: "rcviz-skeleton", style: `height:${2 * TALL + STRIP}px` })
          : h("p", { class: "rcviz-empty" }, why);
    } else if (!found?.forward) {
      pictures = h("p", { class: "rcviz-empty" }, `No attributions: ${found?.noAttributions ?? "not computed"}.`);
    } else {
      pictures = strandPictures(found, detail.codes, {
        ...shown,
        width: inner,
        name: each.name,
        sites: (reversed) => sitesFor(each.name, reversed),
      });
    }
    return h(
      "div",
      { class: `rcviz-model-track${narrow ? " rcviz-above" : ""}`, "data-track": each.name },
      label,
      h("div", { class: "rcviz-pictures" }, pictures),
    );
  }

  function drawTracks() {
    const { strands } = present;
    const missing =
      strands.about.refused &&
      h("p", { class: "rcviz-empty rcviz-refused", role: "alert" }, `${strands.about.refused}.`);
    refill(tracks, strands.points.models.map(modelTrack), missing, cursor);
    cursor.hidden = true;
  }

  function draw(strands, width, narrow) {
    const { state } = strands;
    present = {
      strands,
      width,
      narrow,
      inner: Math.max(120, narrow ? width : width - LABEL),
      shown: windowOf(strands),
    };
    const key = [
      strands.detail,
      state.sequence,
      state.filter,
      state.split,
      state.model,
      present.shown.start,
      present.shown.window,
      width,
      strands.points.sorting.forward,
      strands.filters,
      strands.live,
      strands.waits,
      strands.without,
    ];
    if (drawnFor && key.every((part, i) => part === drawnFor[i])) return;
    drawnFor = key;
    refill(
      said,
      sentenceOf(strands).map((part) => (Array.isArray(part) ? h("b", null, part[0]) : part)),
    );
    overview.draw(present);
    drawTracks();
    // Only what is painted is said to be so.
    if (strands.detail || strands.without || !strands.waits) element.dataset.sequence = state.sequence;
  }

  // Numbers of the position that is pointed at.
  tracks.addEventListener("pointermove", (event) => {
    const picture = tracks.querySelector(".rcviz-strand");
    if (!picture || !present.strands.detail) return;
    const box = picture.getBoundingClientRect();
    const { start, window } = present.shown;
    const column = Math.floor(((event.clientX - box.left) / box.width) * window);
    if (column < 0 || column >= window) return leave();
    const outer = tracks.getBoundingClientRect();
    cursor.hidden = false;
    cursor.style.left = `${box.left - outer.left + (column * box.width) / window}px`;
    cursor.style.width = `${box.width / window}px`;
    readout.textContent = numbersOf(present.strands, start + column, positionText(present.strands, start + column));
  });
  function leave() {
    cursor.hidden = true;
    readout.textContent = "\u00a0";
  }
  tracks.addEventListener("pointerleave", leave);

  return {
    element,
    draw,
    /** Move or widen the window from the keyboard. */
    shift(by, factor = 1) {
      if (!present) return;
      const { length } = present.strands.about;
      const { start, window } = present.shown;
      const size = Math.min(length, Math.max(10, Math.round(window * factor)));
      const from = start + Math.round((window - size) / 2) + Math.round(by * window);
      set({ window: size, position: Math.min(Math.max(0, from), length - size) });
    },
  };
}

/** Attributions of all models at one position, as text. */
export function numbersOf({ detail, points }, position, place) {
  const code = detail.codes[position];
  const parts = points.models
    .map((each) => [each.name, detail.models[each.name]])
    .filter(([, found]) => found?.forward)
    .map(
      ([name, found]) =>
        `${name} ${signed(found.forward[position], 3)} forward, ${signed(found.reverse[position], 3)} reverse`,
    );
  return `position ${position}${place === String(position) ? "" : ` (${place})`} ${LETTERS[code] ?? "N"}: ${parts.join("; ")}`;
}
