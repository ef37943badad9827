// What the page of a strand explorer knows, from the traits that have arrived.
import { row, unpack } from "./arrays.js";
import { count } from "./text.js";

/** Numbers in falling order of their gaps; of a selection, or of all that are known. */
export function orderByGap(gaps, selection) {
  const chosen = selection.length
    ? Uint32Array.from(selection.filter((index) => index < gaps.length))
    : Uint32Array.from(gaps, (_, index) => index);
  const places = selection.length ? new Map([...chosen].map((index, place) => [index, place])) : null;
  const place = (index) => (places ? places.get(index) : index);
  return chosen.sort((one, other) => gaps[other] - gaps[one] || place(one) - place(other));
}

const ranges = new WeakMap(); // by the forward predictions, as reading 100,000 takes a while

/** One range for both axes of a model's predictions: 0 to 1 for probabilities, with a little room. */
export function predictionRange(scale, forward, reverse) {
  if (!ranges.has(forward)) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const values of [forward, reverse]) {
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (scale === "probability") [low, high] = [0, 1];
    const room = 0.03 * (high - low) || 0.5;
    ranges.set(forward, [low - room, high + room]);
  }
  return ranges.get(forward);
}

/** Chromosome and first base of a sequence, or null. */
export function placeInGenome(sequences, index) {
  return sequences.chrom ? [sequences.chrom[index], unpack(sequences.origin).values[index]] : null;
}

/** Name of a sequence for people: its place in the genome, its own name, or its number. */
export function sequenceName(sequences, index, length) {
  const place = placeInGenome(sequences, index);
  if (place) return `${place[0]}:${place[1]}\u2013${place[1] + length}`;
  return sequences.names?.[index] ?? `sequence ${index}`;
}

/** First of `window` positions whose attributions are largest together, each model with the same weight. */
export function bestWindow(detail, window) {
  const length = detail.codes.length;
  const sizes = new Float64Array(length);
  for (const each of Object.values(detail.models)) {
    if (!each.forward) continue;
    let total = 0;
    for (let i = 0; i < length; i++) total += Math.abs(each.forward[i]) + Math.abs(each.reverse[i]);
    for (let i = 0; i < length; i++) sizes[i] += (Math.abs(each.forward[i]) + Math.abs(each.reverse[i])) / (total || 1);
  }
  let sum = 0;
  let [best, most] = [0, Number.NEGATIVE_INFINITY];
  for (let end = 0; end < length; end++) {
    sum += sizes[end] - (end >= window ? sizes[end - window] : 0);
    const start = end - window + 1;
    if (start >= 0 && sum > most + 1e-12) [best, most] = [start, sum];
  }
  return best;
}

/** Whether a model reads both strands alike, up to rounding. */
export function readsAlike(each) {
  let [largest, difference] = [0, 0];
  for (let i = 0; i < each.forward.length; i++) {
    largest = Math.max(largest, Math.abs(each.forward[i]), Math.abs(each.reverse[i]));
    difference = Math.max(difference, Math.abs(each.forward[i] - each.reverse[i]));
  }
  const [one, other] = each.outputs;
  return difference <= 1e-3 * largest && Math.abs(one - other) <= 1e-4 * Math.max(1, Math.abs(one));
}

/**
 * Windows of a sequence in which a filter fires, the strongest first, at most `most`, none over another:
 * `{start, score}`. `reversed` reads the reverse complement; starts are those on the sequence as given.
 */
export function sitesIn(codes, matrix, { limit, falling, stride = 1, padding = 0 }, reversed, most = 4) {
  const [length, width] = [codes.length, matrix.length / 4];
  const sign = falling ? -1 : 1;
  const found = [];
  for (let at = 0; at + width <= length; at++) {
    if ((at + padding) % stride) continue;
    let sum = 0;
    for (let k = 0; k < width && !Number.isNaN(sum); k++) {
      const code = reversed ? codes[length - 1 - at - k] : codes[at + k];
      sum += code > 3 ? Number.NaN : matrix[(reversed ? 3 - code : code) * width + k];
    }
    if (sign * sum > sign * limit) found.push({ start: reversed ? length - at - width : at, score: sum });
  }
  found.sort((one, other) => sign * (other.score - one.score) || one.start - other.start);
  const kept = [];
  for (const site of found) {
    if (kept.length < most && kept.every((other) => Math.abs(other.start - site.start) >= width)) kept.push(site);
  }
  return kept;
}

function detailOf(part, place) {
  const models = {};
  for (const [name, each] of Object.entries(part.models)) {
    const both = each.attributions && row(each.attributions, place);
    const filters = each.filters && row(each.filters, place);
    models[name] = {
      forward: both?.subarray(0, both.length / 2),
      reverse: both?.subarray(both.length / 2),
      filters: filters && [filters.subarray(0, filters.length / 2), filters.subarray(filters.length / 2)],
      outputs: row(each.outputs, place),
      noAttributions: each.no_attributions,
      noFilters: each.no_filters,
    };
  }
  return { codes: row(part.codes, place), models };
}

const MOST = 3000; // sequences whose details the page keeps

/** Details of sequences that have arrived, as long as predictions stay. */
export function detailCache(store) {
  const known = new Map();
  const read = new Set();
  return {
    /** Take over what has arrived. */
    update() {
      if (!store.get("_points").models) {
        known.clear();
        read.clear();
      }
      if (known.size > MOST) known.clear();
      for (const name of ["_ahead", "_chosen"]) {
        const part = store.get(name);
        if (!part.sequences || read.has(part.sequences)) continue;
        read.add(part.sequences);
        unpack(part.sequences).values.forEach((sequence, place) => {
          known.set(`${part.task} ${sequence}`, detailOf(part, place));
        });
      }
    },
    get: (task, sequence) => known.get(`${task} ${sequence}`) ?? null,
    /** Whether any sequence has details for a task. */
    any: (task) => [...known.keys()].some((key) => key.startsWith(`${task} `)),
  };
}

/** Points, order and names for the present choices; `points` is null until those of the task have arrived. */
export function strandsOf(store, cache) {
  const state = store.state();
  const points = store.get("_points");
  cache.update();
  if (!points.models || points.task !== state.task) return { about: store.get("_about"), state, points: null };
  const models = points.models.map((each) => ({
    ...each,
    forward: unpack(each.forward).values,
    reverse: unpack(each.reverse).values,
    gap: unpack(each.gap).values,
  }));
  const sorting = models.find((each) => each.name === state.model) ?? models[0];
  return {
    about: store.get("_about"),
    state,
    points: {
      models,
      sorting,
      known: points.known,
      groups: points.groups,
      group: unpack(points.group).values,
      values: points.values && unpack(points.values).values,
    },
    sequences: store.get("_sequences"),
    filters: store.get("_filters").models ?? null,
    detail: cache.get(state.task, state.sequence),
    others: cache.any(state.task),
    without: withoutBases(store.get("_chosen"), state),
  };
}

/** Whether the kernel has said that the chosen sequence has no details, as no base of it is known. */
function withoutBases(chosen, state) {
  return chosen.task === state.task && chosen.sequence === state.sequence && !chosen.sequences;
}

/** Label of a sequence in words. */
export function labelOf({ about, points }, index) {
  if (!about.labelled) return "without a label";
  const name = points.groups[points.group[index]].name;
  if (name === "unknown") return "label unknown";
  return points.values ? `label ${Number(points.values[index].toPrecision(4))}` : `labelled ${name}`;
}

/** Digits that tell predictions of a model apart. */
export function digitsOfScale(each) {
  if (each.scale === "probability") return 2;
  const [low, high] = predictionRange(each.scale, each.forward, each.reverse);
  return Math.min(5, Math.max(0, 2 - Math.floor(Math.log10(Math.max(high - low, 1e-9)))));
}

/** A gap as text: small ones as a power of ten. */
export function gapText(gap) {
  if (!(gap > 0)) return "0";
  if (gap >= 0.005) return gap >= 100 ? count(Math.round(gap)) : gap.toPrecision(2);
  return gap.toExponential(0).replace("e-", "e\u2212");
}
