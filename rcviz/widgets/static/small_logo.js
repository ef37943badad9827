// Small logos, for lists.
import { s } from "./dom.js";
import { logoPaths } from "./logo.js";
import { LETTERS, columns, stackRange } from "./matrices.js";
import { linear } from "./scales.js";

const [LOGO_WIDTH, LOGO_HEIGHT] = [102, 30];

/** Draw a small logo without axes. */
export function smallLogo(heights, label, width = LOGO_WIDTH, height = LOGO_HEIGHT) {
  const dx = width / columns(heights);
  const [low, high] = stackRange(heights);
  const paths = logoPaths(heights, { x: (i) => i * dx, dx, y: linear(low, high, height - 0.5, 0.5) });
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    [...LETTERS].map((letter) => s("path", { class: `rcviz-${letter}`, d: paths[letter] })),
  );
}
