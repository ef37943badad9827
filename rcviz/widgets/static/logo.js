// Outlines of sequence logos, one path per letter.
import { LETTERS, columns } from "./matrices.js";

// Outlines of the letters in a unit box, y upwards, in thousandths: those of rcviz.plots.glyphs.
export const OUTLINES = {
  A: "M693 182L308 182L247 0L0 0L353 1000L647 1000L1000 0L753 0L693 182ZM369 368L631 368L500 766L369 368Z",
  C: "M1000 72Q916 36 826 18Q735 0 637 0Q343 0 172 135Q0 269 0 500Q0 731 172 865Q343 1000 637 1000Q735 1000 826 982Q916 964 1000 928L1000 729Q916 776 834 798Q752 820 661 820Q499 820 406 735Q313 649 313 500Q313 351 406 265Q499 180 661 180Q752 180 834 202Q916 224 1000 271L1000 72Z",
  G: "M1000 90Q899 45 791 23Q682 0 567 0Q305 0 153 135Q0 269 0 500Q0 733 155 866Q311 1000 581 1000Q686 1000 781 982Q877 964 961 928L961 729Q874 775 788 797Q701 820 614 820Q453 820 366 737Q279 654 279 500Q279 347 363 263Q447 180 602 180Q644 180 680 185Q716 190 745 200L745 387L580 387L580 554L1000 554L1000 90Z",
  T: "M0 1000L1000 1000L1000 805L640 805L640 0L360 0L360 805L0 805L0 1000Z",
};
const SHARE = 0.94; // of its column that a letter takes: a narrow gap keeps letters legible

const segments = Object.fromEntries(
  Object.entries(OUTLINES).map(([letter, outline]) => [
    letter,
    outline.match(/[MLQZ][^MLQZ]*/g).map((part) => [part[0], part.slice(1).split(" ").map(Number)]),
  ]),
);

/** Write the outline of a letter in a box; `rise` is the height of its top above its foot, negative upside down. */
export function letterPath(letter, left, foot, width, rise) {
  let path = "";
  for (const [command, numbers] of segments[letter]) {
    path += command;
    if (command === "Z") continue;
    for (let i = 0; i < numbers.length; i += 2) {
      const x = Math.round(10 * (left + (numbers[i] * width) / 1000)) / 10;
      const y = Math.round(10 * (foot - (numbers[i + 1] * rise) / 1000)) / 10;
      path += `${i ? " " : ""}${x} ${y}`;
    }
  }
  return path;
}

/**
 * Paths of a logo by letter. The taller a letter, the farther from the baseline; letters below it are upside down.
 * `x(i)` is the left edge of column i, `dx` its width, `y(v)` the place of a height.
 */
export function logoPaths(heights, { x, dx, y }) {
  const width = columns(heights);
  const paths = { A: "", C: "", G: "", T: "" };
  for (let i = 0; i < width; i++) {
    const left = x(i) + (dx * (1 - SHARE)) / 2;
    const stack = [0, 1, 2, 3].map((base) => [heights[base * width + i], base]);
    stack.sort((one, other) => Math.abs(one[0]) - Math.abs(other[0]));
    let up = 0;
    let down = 0;
    for (const [height, base] of stack) {
      const rise = y(0) - y(Math.abs(height));
      if (rise < 0.05) continue;
      const letter = LETTERS[base];
      if (height > 0) {
        paths[letter] += letterPath(letter, left, y(up), dx * SHARE, rise);
        up += height;
      } else {
        paths[letter] += letterPath(letter, left, y(down), dx * SHARE, -rise);
        down += height;
      }
    }
  }
  return paths;
}
