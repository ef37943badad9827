// The sequence on one position axis: bases, hits, attributions of every model, and the effects of changes.
import { h, refill } from "./dom.js";
import { effectKey, effectMaps } from "./sequence_map.js";
import { changeOf, changeSentence, genomeText, isShifted, letterOf, predictionDigits } from "./sequence_data.js";
import { lettersRow, spansRow } from "./sequence_rows.js";
import { STRIP, TALL, strandPictures } from "./strand_logos.js";
import { bestWindow } from "./strand_data.js";
import { strandOverview } from "./strand_overview.js";
import { count, signed } from "./text.js";

const NAMES_WIDE = 104; // room for names
const GUTTER = 13; // room for the letters of the rows of a map
const EARLIER = "of the sequence before its last change";

/** The tracks; `set(changes)` changes the state, `pick(position, base)` chooses a cell, base null outside the maps. */
export function sequenceTracks({ set, pick }) {
  const overview = strandOverview({
    move(shown) {
      present.shown = shown;
      drawOverview();
      drawTracks();
    },
    end: () => set({ window: present.shown.window, position: present.shown.start }),
  });
  const maps = effectMaps();
  const tracks = h("div", { class: "rcviz-strand-tracks rcviz-sequence-tracks" });
  const pointer = h("div", { class: "rcviz-cursor", hidden: true });
  const caret = h("div", { class: "rcviz-caret", hidden: true });
  const readout = h("p", { class: "rcviz-readout" }, "\u00a0");
  const element = h("div", { class: "rcviz-sequence-axis" }, overview.element, tracks, readout);
  let present = null;

  function windowOf({ state, about, tracks: known }) {
    const window = Math.min(state.window, about.length);
    const models = Object.fromEntries(
      Object.entries(known?.models ?? {}).map(([name, each]) => [name, each.found ?? { forward: null }]),
    );
    const best = () => (known ? bestWindow({ codes: known.codes, models }, window) : 0);
    const start = state.position ?? (state.cursor === null ? best() : state.cursor - Math.floor(window / 2));
    return { window, start: Math.min(Math.max(start, 0), about.length - window) };
  }

  /** What the overview of the strand explorer needs. */
  function drawOverview() {
    const { known, width, shown } = present;
    const models = Object.fromEntries(
      Object.entries(known.tracks?.models ?? {})
        .filter(([, each]) => each.found)
        .map(([name, each]) => [name, each.found]),
    );
    const strands = {
      about: known.about,
      state: known.state,
      sequences: isShifted(known.sequences, known.state) ? {} : known.sequences,
      detail: known.tracks && { codes: known.tracks.codes, models },
    };
    const changed = [];
    for (let i = 0; i < known.about.length; i++) if (known.codes[i] !== known.start[i]) changed.push(i);
    overview.draw({ strands, width, shown, marks: changed });
  }

  function track(label, pictures, name) {
    const { narrow } = present;
    return h(
      "div",
      { class: `rcviz-model-track${narrow ? " rcviz-above" : ""}`, "data-track": name },
      h("div", { class: "rcviz-model" }, label),
      h("div", { class: "rcviz-pictures" }, pictures),
    );
  }

  function waiting(height) {
    const { known, waits } = present;
    if (waits) return h("div", { class: "rcviz-skeleton", style: `height:${height}px` });
    const where = known.live ? "Not computed." : "This page does not have it: a kernel would compute it.";
    return h("p", { class: "rcviz-empty" }, where);
  }

  /** Dim what belongs to the sequence before its last change, and say so. */
  function earlier(part, content) {
    if (!part || part.now) return content;
    const why = present.waits ? `${EARLIER}; computing` : EARLIER;
    return [h("p", { class: "rcviz-earlier" }, why), h("div", { class: "rcviz-dim" }, content)];
  }

  function attributionTrack(name) {
    const { known, inner, shown } = present;
    const part = known.tracks;
    const each = part?.models[name];
    const label = [h("b", { title: name }, name), h("small", null, each?.own ? "your attributions" : "attributions")];
    if (!part) return track(label, waiting(2 * TALL + STRIP), name);
    if (!each.found)
      return track(label, h("p", { class: "rcviz-empty" }, `No attributions: ${each.no_attributions}.`), name);
    const codes = each.unedited ? known.given : part.codes;
    const pictures = strandPictures(each.found, codes, { ...shown, width: inner, name, sites: () => [] });
    const note = each.unedited && h("p", { class: "rcviz-earlier" }, "yours, of the sequence without changes");
    return track(label, earlier(part, [note, pictures].flat()), name);
  }

  function hitTracks() {
    const { known, inner, shown } = present;
    const part = known.tracks;
    const model = known.state.model;
    const each = part?.models[model];
    const row = (title, of, hits, why) =>
      track(
        [h("b", null, title), h("small", { title: of }, of)],
        !part
          ? waiting(14)
          : why
            ? h("p", { class: "rcviz-empty" }, why)
            : earlier(part, spansRow(hits, { ...shown, width: inner, label: title })),
        title,
      );
    const of = known.about.models.length > 1 ? `of ${model}` : (each?.layer ?? "");
    return [
      row("motifs", "known ones", part?.motifs ?? []),
      row("filters", of, each?.hits ?? [], each?.no_filters && `No filters: ${each.no_filters}.`),
    ];
  }

  function mapTrack() {
    const { known, inner, shown, chosen, root } = present;
    const part = known.mutations;
    const name = known.state.model;
    const effects = part?.models[name];
    const unit = known.predictions?.models[name]?.unit ?? "output";
    const label = [
      h("b", { title: name }, name),
      h("small", null, "effect of each change"),
      effects && effectKey(effects, unit),
    ];
    if (!effects) return track(label, waiting(3 * 70), "effects");
    maps.draw({
      effects,
      codes: part.codes,
      ...shown,
      width: inner,
      name,
      root,
      chosen: part.now ? chosen : { position: null },
    });
    return track(label, earlier(part, maps.element), "effects");
  }

  function drawTracks() {
    const { known, inner, shown } = present;
    refill(
      tracks,
      track([h("b", null, "sequence")], lettersRow(known, { ...shown, width: inner }), "sequence"),
      hitTracks(),
      known.about.models.map(attributionTrack),
      mapTrack(),
      caret,
      pointer,
    );
    pointer.hidden = true;
    mark(caret, present.chosen.position);
  }

  /** Put a column over all tracks. */
  function mark(column, position) {
    const { shown, inner } = present;
    const place = position === null ? -1 : position - shown.start;
    column.hidden = place < 0 || place >= shown.window;
    if (column.hidden) return;
    const picture = tracks.querySelector(".rcviz-letters").getBoundingClientRect();
    const dx = inner / shown.window;
    column.style.left = `${picture.left - tracks.getBoundingClientRect().left + place * dx}px`;
    column.style.width = `${dx}px`;
  }

  function cellAt(event) {
    const letters = tracks.querySelector(".rcviz-letters");
    if (!letters) return null;
    const box = letters.getBoundingClientRect();
    const { start, window } = present.shown;
    const column = Math.floor(((event.clientX - box.left) / box.width) * window);
    if (column < 0 || column >= window) return null;
    const inMap = event.target === maps.canvas;
    const base = inMap ? maps.baseAt(event.clientY - maps.canvas.getBoundingClientRect().top) : null;
    return { position: start + column, base };
  }

  function leave() {
    pointer.hidden = true;
    readout.textContent = "\u00a0";
  }
  tracks.addEventListener("pointermove", (event) => {
    const cell = present && cellAt(event);
    if (!cell) return leave();
    mark(pointer, cell.position);
    readout.textContent = textOf(present.known, cell);
  });
  tracks.addEventListener("pointerleave", leave);
  tracks.addEventListener("click", (event) => {
    const cell = present && cellAt(event);
    if (cell) pick(cell.position, cell.base);
  });

  return {
    element,
    draw(known, { width, narrow, waits, chosen, root }) {
      const inner = Math.max(120, narrow ? width - GUTTER : width - NAMES_WIDE - GUTTER);
      present = { known, width, narrow, waits, chosen, root, inner, shown: windowOf(known) };
      drawOverview();
      drawTracks();
      // Only what is painted is said to be so.
      if (known.mutations?.now || !waits) element.dataset.key = known.key;
    },
    shown: () => present?.shown,
    /** Move or widen the window from the keyboard. */
    shift(factor) {
      const { length } = present.known.about;
      const { start, window } = present.shown;
      const size = Math.min(length, Math.max(10, Math.round(window * factor)));
      const from = start + Math.round((window - size) / 2);
      set({ window: size, position: Math.min(Math.max(0, from), length - size) });
    },
  };
}

/** A cell in words: of a map the change, elsewhere the attributions at the position. */
export function textOf(known, { position, base }) {
  const { state } = known;
  const genome = genomeText(known, position);
  const place = `position ${count(position)}${genome && ` (${genome})`}`;
  const each = known.predictions?.models[state.model];
  if (base !== null && base !== known.codes[position]) {
    const change = changeOf(known, state.model, position, base);
    if (change && each) {
      return `${state.model}, ${changeSentence(change, each, predictionDigits(each, state.task))}${genome && ` ${genome}`}`;
    }
  }
  const parts = known.about.models
    .map((name) => [name, known.tracks?.models[name]?.found])
    .filter(([, found]) => found && known.tracks.now)
    .map(
      ([name, found]) =>
        `${name} ${signed(found.forward[position], 3)} forward, ${signed(found.reverse[position], 3)} reverse`,
    );
  return `${place} ${letterOf(known.codes[position])}${parts.length ? `: attribution of ${parts.join("; ")}` : ""}`;
}
