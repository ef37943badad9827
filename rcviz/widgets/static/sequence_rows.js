// Rows on the position axis of a sequence: its letters, and spans of hits.
import { s } from "./dom.js";
import { ticks } from "./scales.js";
import { genomeText, lanesOf, letterOf } from "./sequence_data.js";
import { count } from "./text.js";

const ROOM = 5.5; // pixels that a letter needs
const LANE = 14; // height of a row of spans
const CHARACTER = 6; // pixels, about

/** The bases; those that differ from the start are underlined, positions stand below. */
export function lettersRow(known, { start, window, width }) {
  const dx = width / window;
  const parts = [];
  for (let i = 0; i < window; i++) {
    const code = known.codes[start + i];
    const letter = letterOf(code);
    const x = i * dx;
    if (code !== known.start[start + i]) {
      parts.push(s("rect", { class: "rcviz-edited", x, y: 0.5, width: Math.max(2, dx), height: 17, rx: 2 }));
    }
    if (dx >= ROOM) {
      parts.push(
        s(
          "text",
          {
            class: `rcviz-base rcviz-${letter}`,
            style: `font-size:${Math.min(12, 1.5 * dx).toFixed(1)}px`,
            x: x + dx / 2,
            y: 13,
            "text-anchor": "middle",
          },
          letter,
        ),
      );
    } else {
      parts.push(s("rect", { class: `rcviz-${letter}`, x, y: 5, width: Math.max(0.5, dx), height: 8 }));
    }
  }
  const genome = genomeText(known, 0) !== "";
  const origin = genome ? Number(genomeText(known, 0).split(":").at(-1).replaceAll(",", "")) : 0;
  const marks = ticks(start + origin, start + origin + window - 1, Math.max(2, width / 130)).filter(Number.isInteger);
  const axis = marks.map((mark) => {
    const x = (mark - origin - start + 0.5) * dx;
    const room = 3.2 * count(mark).length;
    const anchor = x < room ? "start" : x > width - room ? "end" : "middle";
    const at = anchor === "middle" ? x : anchor === "start" ? Math.max(0, x - 4) : Math.min(width, x + 4);
    return [
      s("path", { class: "rcviz-axis", d: `M${x.toFixed(1)} 18v4` }),
      s("text", { x: at, y: 31, "text-anchor": anchor }, count(mark)),
    ];
  });
  return s(
    "svg",
    {
      class: "rcviz-letters",
      width,
      height: 34,
      viewBox: `0 0 ${width} 34`,
      role: "img",
      "aria-label": [...known.codes.subarray(start, start + window)].map(letterOf).join(""),
    },
    parts,
    axis,
  );
}

/** Hits as labelled spans, in as few lanes as hold them; an arrow tells the strand. */
export function spansRow(hits, { start, window, width, label }) {
  const dx = width / window;
  const shown = hits
    .filter((hit) => hit.end > start && hit.start < start + window)
    .map((hit) => {
      const text = hit.strand === "-" ? `\u2190 ${hit.name}` : `${hit.name} \u2192`;
      const left = Math.max(0, (hit.start - start) * dx);
      const right = Math.min(width, (hit.end - start) * dx);
      const wide = CHARACTER * text.length + 8;
      // The label of a span near the right end is drawn to its left.
      const before = right - left < wide && left + wide > width;
      return {
        hit,
        text,
        left,
        right,
        before,
        from: before ? right - wide : left,
        to: Math.max(right, left + wide) + 3,
      };
    });
  const lanes = lanesOf(shown);
  const height = LANE * Math.max(1, ...lanes.map((lane) => lane + 1));
  return s(
    "svg",
    {
      class: "rcviz-spans",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `${label}: ${shown.map((one) => `${one.text} ${one.hit.start} to ${one.hit.end}`).join("; ") || "none here"}`,
    },
    shown.map((one, index) => {
      const y = lanes[index] * LANE;
      return [
        s(
          "rect",
          {
            class: "rcviz-site",
            x: one.left,
            y: y + 0.5,
            width: Math.max(2, one.right - one.left),
            height: LANE - 3,
            rx: 2,
          },
          s("title", null, `${one.text}, positions ${one.hit.start} to ${one.hit.end}`),
        ),
        s(
          "text",
          { x: one.before ? one.right - 3 : one.left + 3, y: y + 9.5, "text-anchor": one.before ? "end" : "start" },
          one.text,
        ),
      ];
    }),
    !shown.length && s("text", { x: 2, y: 10 }, hits.length ? "none among the positions drawn" : "none"),
  );
}
