// Scales and axes.

/** Map [low, high] linearly to [from, to]. */
export function linear(low, high, from, to) {
  const slope = high > low ? (to - from) / (high - low) : 0;
  return (value) => from + (value - low) * slope;
}

/** Smallest and largest finite number of several arrays. */
export function extent(...arrays) {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const array of arrays) {
    for (const value of array ?? []) {
      if (value < low) low = value;
      if (value > high && value < Number.POSITIVE_INFINITY) high = value;
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Round numbers from low to high, about `wanted` of them, at least two: one does not tell a scale. */
export function ticks(low, high, wanted = 3) {
  const rough = (high - low) / Math.max(1, wanted);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const within = (step) => {
    const first = Math.ceil(low / step - 1e-9);
    const number = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
    return Array.from({ length: number }, (_, k) => (first + k) * step);
  };
  const steps = [10, 5, 2, 1, 0.5].map((factor) => factor * power);
  const largest = steps.findLastIndex((step) => step >= 0.7 * rough);
  return (
    steps
      .slice(largest)
      .map(within)
      .find((found) => found.length > 1) ?? within(steps[largest])
  );
}

/** Digits after the point that tell neighbouring round numbers apart. */
export function digitsOf(marks) {
  const step = marks.length > 1 ? marks[1] - marks[0] : Math.abs(marks[0]) || 1;
  return Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
}

/** Digits after the point that show two digits of the largest of some numbers, at least two. */
export function digitsFor(values) {
  const largest = (values ?? []).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest > 0 ? Math.min(7, Math.max(2, 1 - Math.floor(Math.log10(largest)))) : 2;
}

const OVERHANG = 5; // most columns of a known motif that are drawn outside the filter, on each side

/** Columns of an axis that holds a filter of `width` and a known motif that begins at `offset`, `[first, last)`. */
export function sharedAxis(width, offset, motifWidth) {
  if (motifWidth === undefined) return [0, width];
  return [Math.max(Math.min(0, offset), -OVERHANG), Math.min(Math.max(width, offset + motifWidth), width + OVERHANG)];
}
