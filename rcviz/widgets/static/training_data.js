// Trainings: their epochs, and what is said about them.
import { unpack } from "./arrays.js";
import { extent } from "./scales.js";
import { count } from "./text.js";

const columnsOf = new WeakMap(); // by block

/** One column of a block of rows, or null if there is none. */
export function column(block, index) {
  if (!block || index < 0) return null;
  if (!columnsOf.has(block)) columnsOf.set(block, new Map());
  const known = columnsOf.get(block);
  if (!known.has(index)) {
    const { shape, values } = unpack(block);
    known.set(
      index,
      Float32Array.from({ length: shape[0] }, (_, row) => values[row * shape[1] + index]),
    );
  }
  return known.get(index);
}

/** All runs with the metric that is drawn; `train` and `valid` are null where a run does not have it. */
export function runsOf(store) {
  const { metric, hidden = [] } = store.state();
  return (store.get("_runs").runs ?? []).map((run, place) => {
    const index = run.metrics.indexOf(metric);
    return {
      number: place + 1,
      name: run.name,
      note: run.note,
      best: run.best,
      seconds: run.seconds,
      n: run.valid.shape[0],
      shown: !hidden.includes(place + 1),
      train: column(run.train, index),
      valid: column(run.valid, index),
    };
  });
}

/** Last epoch of an axis that holds `n` epochs: it grows in steps, and ends at `most`, if that is known. */
export function axisEnd(n, most) {
  let end = 10;
  for (let power = 10; end < n; power *= 10) {
    end = power * ([1, 1.5, 2, 3, 4, 6, 8, 10].find((factor) => factor * power >= n) ?? 10);
  }
  return Math.max(n, Math.min(end, most || end), 2);
}

/**
 * Points `[epoch, value]` of a curve between two epochs: all of them, or of many the smallest and the largest in each
 * of so many parts. One point beyond each end is kept, so that lines reach the edge.
 */
export function pointsOf(values, first, last, parts) {
  const from = Math.max(0, Math.floor(first) - 2);
  const to = Math.min(values.length, Math.ceil(last) + 1);
  const size = Math.max(1, (to - from) / parts);
  const points = [];
  if (size <= 2) {
    for (let i = from; i < to; i++) points.push([i + 1, values[i]]);
    return points;
  }
  for (let start = from; start < to; start += size) {
    let low = -1;
    let high = -1;
    for (let i = Math.floor(start); i < Math.min(to, Math.floor(start + size)); i++) {
      if (low < 0 || values[i] < values[low]) low = i;
      if (high < 0 || values[i] > values[high]) high = i;
    }
    for (const i of low < high ? [low, high] : [high, low]) if (i >= 0) points.push([i + 1, values[i]]);
  }
  return points;
}

/** The outline of a curve; values that are not known leave gaps. */
export function linePath(points, x, y) {
  let path = "";
  let down = false;
  for (const [epoch, value] of points) {
    const known = Number.isFinite(value);
    if (known) path += `${down ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`;
    down = known;
  }
  return path;
}

/** The whole epochs next to two places of the axis, at least one apart. */
export function wholeEpochs(from, to) {
  const first = Math.max(1, Math.round(from));
  return [first, Math.max(Math.round(to), first + 1)];
}

/** Lowest and highest value between two epochs, with some room. */
export function valueRange(curves, first, last) {
  const parts = curves.map((values) =>
    values.subarray(Math.max(0, Math.ceil(first) - 1), Math.max(1, Math.floor(last))).filter(Number.isFinite),
  );
  const [low, high] = extent(...parts);
  const room = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.05 || 0.5;
  return [low - room, high + room];
}

/** A time in its two largest units. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  if (whole >= 60) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${whole} s`;
}

/** A time that may be short. */
export function seconds(value) {
  return value >= 10 ? duration(value) : `${value >= 1 ? value.toFixed(1) : value.toPrecision(1)} s`;
}

/** Where a run is, or (`active` false) was: epoch, samples, speed and time left, as far as they are known. */
export function progressText(training, nValid, active) {
  const { epoch, n_epochs: epochs, n_samples: samples, samples_per_epoch: most, n_validated: validated } = training;
  const parts = [`Epoch ${count(epoch)} of ${count(epochs)}`];
  const ended = !active && samples >= most;
  if (validated && !ended) parts.push(`validating ${count(validated)} of ${count(nValid)}`);
  else if (!ended) parts.push(`sample ${count(samples)} of ${count(most)}`);
  if (training.rate) parts.push(`${count(Math.round(training.rate))} samples/s`);
  if (active && Number.isFinite(training.left)) parts.push(`${duration(training.left)} left`);
  return parts.join(" \u00b7 ");
}

/** The number in a field, or null; whole numbers that JavaScript would round stay text. */
export function numberOf(text) {
  const number = Number(text);
  if (text === "") return null;
  return /^\d+$/.test(text) && !Number.isSafeInteger(number) ? text : number;
}

/** The settings in one line. */
export function settingsText(state) {
  const own = state.architecture
    ? [state.architecture === "revcomp" ? "RC" : state.architecture, `${count(state.n_filters)} filters`]
    : [];
  const augmented = state.augmentation === "revcomp" ? "with reverse complements" : "no augmentation";
  return [
    ...own,
    `seed ${state.seed}`,
    `learning rate ${state.learning_rate}`,
    augmented,
    `at most ${count(state.epochs)} ${state.epochs === 1 ? "epoch" : "epochs"}`,
  ].join(" \u00b7 ");
}
