// Effects of all changes of one base: a heat map of bases by positions for each strand, and for their difference.
import { h } from "./dom.js";
import { LETTERS } from "./matrices.js";
import { readsAlike } from "./strand_data.js";
import { fixed } from "./text.js";

const CELL = 13; // height of a base
const CAPTION = 14; // height of the text above a map
const BETWEEN = 4;
const NAMES = ["forward", "reverse complement, in forward coordinates", "forward minus reverse"];

const heightOf = (maps) => maps * (CAPTION + 4 * CELL + BETWEEN);

/** Largest effect on a strand. */
export function largestEffect({ forward, reverse }) {
  let largest = 0;
  for (const values of [forward, reverse]) {
    for (const value of values) if (Math.abs(value) > largest) largest = Math.abs(value);
  }
  return largest;
}

/** Whether a map has nothing to show beside another: both strands have the same effects, up to rounding. */
export function effectsAlike({ forward, reverse }) {
  const known = (values) => Array.from(values, (value) => (Number.isNaN(value) ? 0 : value));
  return readsAlike({ forward: known(forward), reverse: known(reverse), outputs: [0, 0] });
}

/** The maps; they are drawn on a canvas, as a long sequence has thousands of cells. */
export function effectMaps() {
  const canvas = h("canvas", { role: "img" });
  const letters = h("div", { class: "rcviz-map-letters", "aria-hidden": "true" });
  const element = h("div", { class: "rcviz-map" }, letters, canvas);
  let present = null;

  function draw(next) {
    present = next;
    const { effects, codes, start, window, width, name, root, chosen } = next;
    const alike = effectsAlike(effects);
    const maps = alike ? 1 : 3;
    const height = heightOf(maps);
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.setAttribute(
      "aria-label",
      `${name}: effects of all changes of one base on ${alike ? "both strands" : "each strand"}`,
    );
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(root);
    const color = (variable) => style.getPropertyValue(variable).trim();
    const [ink, mute, pos, neg, hi, line] = ["--ink", "--mute", "--pos", "--neg", "--hi", "--line"].map(color);
    const largest = largestEffect(effects) || 1;
    const [length, dx] = [codes.length, width / window];
    letters.replaceChildren();
    for (let map = 0; map < maps; map++) {
      const top = map * (CAPTION + 4 * CELL + BETWEEN) + CAPTION;
      pen.globalAlpha = 1;
      pen.fillStyle = mute;
      pen.font = "400 10px system-ui, sans-serif";
      pen.fillText(alike ? "both strands alike" : NAMES[map], 2, top - 4);
      for (let base = 0; base < 4; base++) {
        const mark = h("span", { class: `rcviz-${LETTERS[base]}` }, LETTERS[base]);
        mark.style.top = `${top + base * CELL}px`;
        letters.append(mark);
        for (let i = 0; i < window; i++) {
          const at = base * length + start + i;
          const value =
            map === 2 ? effects.forward[at] - effects.reverse[at] : map ? effects.reverse[at] : effects.forward[at];
          const [x, y] = [i * dx, top + base * CELL];
          if (codes[start + i] === base) {
            pen.globalAlpha = 1;
            pen.fillStyle = mute;
            pen.beginPath();
            pen.arc(x + dx / 2, y + CELL / 2, Math.min(2, dx / 3), 0, 7);
            pen.fill();
            continue;
          }
          if (!Number.isFinite(value)) continue;
          pen.globalAlpha = Math.min(1, Math.abs(value) / largest);
          pen.fillStyle = value < 0 ? neg : pos;
          pen.fillRect(x, y, dx + 0.4, CELL);
          const flips = map < 2 && effects.flips[at] & (alike ? 3 : map + 1);
          if (!flips) continue;
          pen.globalAlpha = 1;
          pen.strokeStyle = ink;
          pen.lineWidth = 1.4;
          pen.strokeRect(x + 0.9, y + 0.9, Math.max(1, dx - 1.8), CELL - 1.8);
        }
      }
      pen.globalAlpha = 1;
      pen.strokeStyle = line;
      pen.lineWidth = 1;
      pen.strokeRect(0.5, top - 0.5, width - 1, 4 * CELL + 1);
      const column = chosen.position === null ? -1 : chosen.position - start;
      if (column >= 0 && column < window && chosen.base !== null) {
        pen.strokeStyle = hi;
        pen.lineWidth = 2;
        pen.strokeRect(column * dx, top + chosen.base * CELL, Math.max(3, dx), CELL);
      }
    }
  }

  return {
    element,
    canvas,
    draw,
    /** Base of the cell at a height on the canvas, or null. */
    baseAt(y) {
      const within = y % (CAPTION + 4 * CELL + BETWEEN);
      const base = Math.floor((within - CAPTION) / CELL);
      return present && base >= 0 && base < 4 ? base : null;
    },
  };
}

/** The scale of the colours, as text and two swatches. */
export function effectKey(effects, unit) {
  const largest = fixed(largestEffect(effects), 2);
  const swatch = (kind) => h("i", { class: `rcviz-swatch rcviz-${kind}` });
  return h(
    "small",
    { class: "rcviz-map-key" },
    swatch("down"),
    `\u2212${largest} lowers`,
    h("br"),
    swatch("up"),
    `+${largest} raises the ${unit}`,
    effects.flips.some((bits) => bits > 0) && [h("br"), swatch("framed"), "flips it"],
  );
}
