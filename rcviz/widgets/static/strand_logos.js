// Attributions of both strands as logos, and where they differ.
import { s } from "./dom.js";
import { logoPaths } from "./logo.js";
import { LETTERS } from "./matrices.js";
import { linear } from "./scales.js";
import { readsAlike } from "./strand_data.js";

const NARROWEST = 5; // pixels of a column that still has a letter
const NOTE = 11; // height of the note above the letters
export const TALL = 63; // height of a strand
export const STRIP = 8; // height of the differences

/** Letters of attributions, or bars where there is no room for letters. */
function columnLetters(values, codes, start, window, { dx, y }) {
  if (dx >= NARROWEST) {
    const heights = new Float32Array(4 * window);
    for (let i = 0; i < window; i++) {
      const code = codes[start + i];
      if (code < 4) heights[code * window + i] = values[start + i];
    }
    return logoPaths(heights, { x: (i) => i * dx, dx, y });
  }
  const paths = { A: "", C: "", G: "", T: "" };
  for (let i = 0; i < window; i++) {
    const code = codes[start + i];
    const height = y(0) - y(values[start + i]);
    if (code > 3 || Math.abs(height) < 0.1) continue;
    paths[LETTERS[code]] +=
      `M${(i * dx).toFixed(1)} ${y(0).toFixed(1)}h${Math.max(0.6, dx).toFixed(2)}v${(-height).toFixed(1)}h${(-Math.max(0.6, dx)).toFixed(2)}Z`;
  }
  return paths;
}

/** Draw the attributions of one strand; `sites` are marked, `note` is written above. */
function strandLogo(values, codes, { start, window, width, range, label, sites, note }) {
  const dx = width / window;
  const y = linear(range[0], range[1], TALL - 1, NOTE);
  const paths = columnLetters(values, codes, start, window, { dx, y });
  return s(
    "svg",
    { width, height: TALL, viewBox: `0 0 ${width} ${TALL}`, role: "img", "aria-label": label, class: "rcviz-strand" },
    sites.map((site) =>
      s("rect", {
        class: "rcviz-site",
        x: (site.start - start) * dx,
        y: 0.5,
        width: site.width * dx,
        height: TALL - 1,
      }),
    ),
    s("path", { class: "rcviz-axis", d: `M0 ${y(0)}H${width}` }),
    [...LETTERS].map((letter) => s("path", { class: `rcviz-${letter}`, d: paths[letter] })),
    note && s("text", { class: "rcviz-note", x: 2, y: NOTE - 2 }, note),
  );
}

/** Draw where two strands differ, as a share of the largest attribution. */
function differences(each, largest, { start, window, width }) {
  const dx = width / window;
  const cells = [];
  for (let i = 0; i < window; i++) {
    const share = Math.min(1, Math.abs(each.forward[start + i] - each.reverse[start + i]) / (largest || 1));
    if (share < 0.02) continue;
    cells.push(
      s("rect", {
        x: (i * dx).toFixed(1),
        y: 0,
        width: Math.max(0.5, dx - 0.5),
        height: STRIP,
        "fill-opacity": share.toFixed(2),
      }),
    );
  }
  return s(
    "svg",
    {
      class: "rcviz-difference",
      width,
      height: STRIP,
      viewBox: `0 0 ${width} ${STRIP}`,
      role: "img",
      "aria-label": "where the strands differ",
    },
    cells,
  );
}

/**
 * Draw both strands on one scale, with a strip where they differ; one logo where a model reads both alike.
 * `sites(reversed)` are marked on a strand.
 */
export function strandPictures(found, codes, { start, window, width, name, sites }) {
  let [low, high] = [0, 0];
  for (const values of [found.forward, found.reverse]) {
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const shown = { start, window, width };
  const picture = (values, reversed, note) =>
    strandLogo(values, codes, {
      ...shown,
      range: low < high ? [low, high] : [-1, 1],
      sites: sites(reversed),
      label: `${name}: attributions of the ${note}`,
      note,
    });
  if (readsAlike(found)) return [picture(found.forward, false, "both strands alike")];
  return [
    picture(found.forward, false, "forward"),
    picture(found.reverse, true, "reverse complement, in forward coordinates"),
    differences(found, Math.max(-low, high), shown),
  ];
}
