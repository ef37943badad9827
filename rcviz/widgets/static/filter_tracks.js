// Weights, motif of the sites and known motif of a filter, on one axis of positions.
import { row, unpack } from "./arrays.js";
import { h, s } from "./dom.js";
import { logoPaths } from "./logo.js";
import { LETTERS, columns, information, reverseComplement, stackRange } from "./matrices.js";
import { digitsOf, linear, sharedAxis, ticks } from "./scales.js";
import { fixed, plural, signed } from "./text.js";

const AXIS_ROOM = 34; // room for the y axis
const LABEL_ROOM = 108; // room for the name of a track

/** The known motif as it lies on a strand of the filter: its matrix, and where it begins. */
export function placedMotif(names, entry, width, strand) {
  const motif = names.motifs[entry.motif];
  const matrix = unpack(motif.matrix).values;
  const turned = (entry.strand === "-") !== (strand === "-");
  const offset = strand === "-" ? width - entry.offset - columns(matrix) : entry.offset;
  return { motif, matrix: turned ? reverseComplement(matrix) : matrix, offset, turned };
}

function logoSvg(heights, range, { width, height, axis, offset, positions, label }) {
  const dx = (width - AXIS_ROOM) / (axis[1] - axis[0]);
  const bottom = height - (positions ? 13 : 2);
  const y = linear(range[0], range[1], bottom, 3);
  const x = (i) => AXIS_ROOM + (i + offset - axis[0]) * dx;
  const paths = logoPaths(heights, { x, dx, y });
  const marks = ticks(range[0], range[1], range[0] < 0 ? 3 : 2);
  const numbered = Array.from({ length: columns(heights) }, (_, i) => i).filter(
    (i) => positions && i % Math.ceil(18 / dx) === 0,
  );
  const clip = axis[0] > offset || axis[1] < offset + columns(heights);
  return s(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    clip && s("title", null, "The known motif goes on outside."),
    s("path", { class: "rcviz-axis", d: `M${AXIS_ROOM - 4} 3V${bottom}` }),
    marks.map((value) => [
      s("path", { class: "rcviz-axis", d: `M${AXIS_ROOM - 7} ${y(value)}h3` }),
      s(
        "text",
        { x: AXIS_ROOM - 9, y: Math.max(9, y(value) + 3), "text-anchor": "end" },
        fixed(value, digitsOf(marks)),
      ),
    ]),
    s("path", { class: "rcviz-axis", d: `M${AXIS_ROOM} ${y(0)}H${width}` }),
    s(
      "svg",
      {
        x: AXIS_ROOM,
        y: 0,
        width: width - AXIS_ROOM,
        height,
        viewBox: `${AXIS_ROOM} 0 ${width - AXIS_ROOM} ${height}`,
      },
      [...LETTERS].map((letter) => s("path", { class: `rcviz-${letter}`, d: paths[letter] })),
    ),
    numbered.map((i) => s("text", { x: x(i) + dx / 2, y: height - 3, "text-anchor": "middle" }, i)),
  );
}

const SIGN = { "+": "+", "-": "\u2212" };

function track(label, note, picture) {
  return h(
    "div",
    { class: "rcviz-track" },
    h("div", { class: "rcviz-track-label" }, h("b", null, label), note && h("small", null, note)),
    picture,
  );
}

function skeleton(height) {
  return h("div", { class: "rcviz-skeleton rcviz-picture", style: `height:${height}px` });
}

/** All tracks of a filter; `width` is that of the detail, `chosenName` which of its known motifs is drawn. */
export function tracksOf(filters, index, { strand, width, narrow, chosenName, pickName }) {
  const inner = Math.max(160, width - (narrow ? 0 : LABEL_ROOM));
  const strands = strand === "both" ? ["+", "-"] : [strand];
  const turn = (matrix, on) => (on === "-" ? reverseComplement(matrix) : matrix);
  const weights = row(filters.weights.matrices, index);
  const entries = filters.names?.rows[index] ?? [];
  const entry = entries[Math.min(chosenName, entries.length - 1)];
  const placed = entry && placedMotif(filters.names, entry, filters.width, strands[0]);
  const axis = sharedAxis(filters.width, placed?.offset ?? 0, placed && columns(placed.matrix));
  const range = stackRange(weights);
  const parts = [];
  for (const on of strands) {
    const name = strands.length > 1 ? `weights ${SIGN[on]}` : "weights";
    const options = {
      width: inner,
      height: 104,
      axis,
      offset: 0,
      positions: true,
      label: `${name} of filter ${index}`,
    };
    parts.push(track(name, "mean-centred", logoSvg(turn(weights, on), range, options)));
  }
  const sites = filters.sites;
  const n = sites ? unpack(sites.counts).values[index] : 0;
  const motif = sites && n ? row(sites.motifs, index) : null;
  for (const on of strands) {
    const name = strands.length > 1 ? `sites ${SIGN[on]}` : "sites";
    let picture = skeleton(80);
    let note = null;
    if (motif) {
      const options = { width: inner, height: 80, axis, offset: 0, positions: true, label: `motif of ${n} sites` };
      picture = logoSvg(information(turn(motif, on)), [0, 2], options);
      note = siteNote(filters, index, n);
    } else if (sites) {
      picture = h("p", { class: "rcviz-empty", style: "height:80px" }, noSites(filters, index));
    }
    parts.push(track(name, note, picture));
  }
  parts.push(knownTrack(filters, index, { placed, entries, entry, chosenName, pickName, inner, axis }));
  const readout = h("p", { class: "rcviz-readout" }, "\u00a0");
  const cursor = h("div", { class: "rcviz-cursor", hidden: true });
  const element = h("div", { class: "rcviz-tracks" }, parts, cursor, readout);
  const dx = (inner - AXIS_ROOM) / (axis[1] - axis[0]);
  const shown = { weights: turn(weights, strands[0]), motif: motif && turn(motif, strands[0]), placed };

  element.addEventListener("pointermove", (event) => {
    const picture = element.querySelector("svg");
    const x = event.clientX - picture.getBoundingClientRect().left - AXIS_ROOM;
    const place = Math.floor(x / dx) + axis[0];
    if (x < 0 || place < axis[0] || place >= axis[1]) return leave();
    const left = picture.getBoundingClientRect().left - element.getBoundingClientRect().left;
    cursor.hidden = false;
    cursor.style.left = `${left + AXIS_ROOM + (place - axis[0]) * dx}px`;
    cursor.style.width = `${dx}px`;
    readout.textContent = numbersAt(place, shown);
  });
  function leave() {
    cursor.hidden = true;
    readout.textContent = "\u00a0";
  }
  element.addEventListener("pointerleave", leave);
  return element;
}

/** Why a filter has no name. */
export function nameless(filters, index) {
  const { similarity, chance, sites } = filters.about.named;
  const n = filters.sites ? unpack(filters.sites.counts).values[index] : sites;
  if (n < sites) return `No name: it takes the motif of ${sites} sites, and there ${n === 1 ? "is 1" : `are ${n}`}.`;
  return `None of ${plural(filters.names.n_targets, "known motif")} resembles it (similarity ${similarity} or more, E-value ${chance} or less).`;
}

function knownTrack(filters, index, { placed, entries, entry, chosenName, pickName, inner, axis }) {
  const height = 62;
  if (!filters.names) return track("known motif", null, skeleton(height));
  if (!placed) {
    const text = nameless(filters, index);
    return track("known motif", null, h("p", { class: "rcviz-empty", style: `height:${height}px` }, text));
  }
  const options = {
    width: inner,
    height,
    axis,
    offset: placed.offset,
    positions: false,
    label: `motif ${placed.motif.name}`,
  };
  const picture = logoSvg(information(placed.matrix), [0, 2], options);
  const note = `${placed.motif.id}, ${placed.turned ? "\u2212" : "+"}\u00a0strand`;
  const label = h(
    "div",
    { class: "rcviz-track-label" },
    entries.length > 1
      ? h(
          "select",
          {
            "aria-label": "Known motif",
            "data-key": "known",
            onchange: (event) => pickName(Number(event.target.value)),
          },
          entries.map((other, place) =>
            h(
              "option",
              { value: place, selected: other === entry || place === chosenName },
              filters.names.motifs[other.motif].name,
            ),
          ),
        )
      : h("b", null, placed.motif.name),
    h("small", null, note),
    h("small", null, `similarity ${fixed(entry.similarity)}`),
  );
  return h("div", { class: "rcviz-track" }, label, picture);
}

function siteNote(filters, index, n) {
  if (!filters.scores?.labelled) return `${n} strongest`;
  const negative = filters.score[index] < 0;
  const most = Math.min(500, filters.scores.n_positive);
  if (negative) return `${n} strongest, in negatives`;
  return n === most && n < 500 ? `${n} strongest, as many as positives` : `${n} strongest, in positives`;
}

function noSites(filters, index) {
  if (!filters.scores?.labelled) return "No sites: the filter fires in no sequence.";
  return `No sites: the filter fires in no ${filters.score[index] < 0 ? "negative" : "positive"} sequence.`;
}

/** Numbers of one position of all tracks. */
export function numbersAt(place, { weights, motif, placed }) {
  const width = columns(weights);
  const parts = [];
  if (place >= 0 && place < width) {
    parts.push(
      `weights ${[...LETTERS].map((letter, base) => `${letter} ${signed(weights[base * width + place])}`).join(" ")}`,
    );
    if (motif)
      parts.push(
        `sites ${[...LETTERS].map((letter, base) => `${letter} ${Math.round(100 * motif[base * width + place])}%`).join(" ")}`,
      );
  }
  if (placed) {
    const size = columns(placed.matrix);
    const at = place - placed.offset;
    if (at >= 0 && at < size) {
      parts.push(
        `${placed.motif.name} ${[...LETTERS].map((letter, base) => `${letter} ${Math.round(100 * placed.matrix[base * size + at])}%`).join(" ")}`,
      );
    }
  }
  return `position ${fixed(place, 0)}: ${parts.join("; ")}`;
}
