// Points of a scatter plot: which are near, which are inside an outline, which are drawn.

/** Number of the point nearest to (x, y) within a distance, -1 if there is none; NaN is nowhere. */
export function nearest(xs, ys, x, y, within) {
  let best = -1;
  let least = within * within;
  for (let i = 0; i < xs.length; i++) {
    const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (distance <= least) [best, least] = [i, distance];
  }
  return best;
}

/** Numbers of the points inside a closed outline of corners [x, y]. */
export function inside(xs, ys, outline) {
  const [left, right] = [Math.min(...outline.map((at) => at[0])), Math.max(...outline.map((at) => at[0]))];
  const found = [];
  for (let i = 0; i < xs.length; i++) {
    if (!(xs[i] >= left && xs[i] <= right)) continue;
    let odd = false;
    for (let k = 0, last = outline.length - 1; k < outline.length; last = k++) {
      const [[x, y], [before, above]] = [outline[k], outline[last]];
      if (y > ys[i] !== above > ys[i] && xs[i] < ((before - x) * (ys[i] - y)) / (above - y) + x) odd = !odd;
    }
    if (odd) found.push(i);
  }
  return found;
}

/** Visit 0 to n - 1 once each, in an order that mixes what lies beside each other. */
export function mixed(n, visit) {
  let step = Math.max(1, Math.round(n * 0.618));
  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  while (divisor(step, n) > 1) step++;
  for (let k = 0, i = 0; k < n; k++, i = (i + step) % n) visit(i);
}

/**
 * Numbers of the points that are drawn, in a mixed order: at most `most` of a group in a square of side `cell`, as
 * more would not change what is seen. `size` is the side of the plot; points outside it are left out.
 */
export function thinned(xs, ys, groups, size, cell = 2, most = 3) {
  const across = Math.ceil(size / cell) + 1;
  const counts = new Map();
  const drawn = [];
  mixed(xs.length, (i) => {
    const [column, line] = [Math.floor(xs[i] / cell), Math.floor(ys[i] / cell)];
    if (!(column >= 0 && line >= 0 && column < across && line < across)) return;
    if (!counts.has(groups[i])) counts.set(groups[i], new Uint8Array(across * across));
    const here = counts.get(groups[i]);
    const place = line * across + column;
    if (here[place] >= most) return;
    here[place] += 1;
    drawn.push(i);
  });
  return drawn;
}
