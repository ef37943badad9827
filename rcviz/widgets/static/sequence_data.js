// What the page of a sequence explorer knows of the sequence that is shown, from the traits that have arrived.
import { unpack } from "./arrays.js";
import { LETTERS } from "./matrices.js";
import { placeInGenome, sequenceName } from "./strand_data.js";
import { count, fixed, signed } from "./text.js";

/** Name a sequence with its changes, as the kernel does. */
export function sequenceKey({ sequence, allele, edits }) {
  return JSON.stringify([sequence, allele, edits]);
}

/** Codes of a sequence with changes, each a position and a letter. */
export function editedCodes(whole, edits) {
  const codes = Uint8Array.from(whole);
  for (const [position, letter] of edits) codes[position] = LETTERS.indexOf(letter);
  return codes;
}

export const letterOf = (code) => LETTERS[code] ?? "N";

/** Both strands of a model's attributions and what it returns, as logos need them; null where there are none. */
function attributionsOf(part, outputs, task) {
  if (!part?.attributions) return null;
  const both = unpack(part.attributions).values;
  const half = both.length / 2;
  return {
    forward: both.subarray(0, half),
    reverse: both.subarray(half),
    outputs: outputs ? outputs.map((strand) => strand[task]) : [0, 0],
  };
}

function effectsOf(part) {
  const { values } = unpack(part.effects);
  const half = values.length / 2;
  return {
    ...part,
    forward: values.subarray(0, half),
    reverse: values.subarray(half),
    flips: unpack(part.flips).values,
  };
}

/** The traits of the sequence that is shown: the live ones, or those of a page without a kernel. */
function partsOf(store, state) {
  const key = sequenceKey(state);
  const visited = store.get("_visited")[key];
  const part = (name) => {
    const live = store.get(`_${name}`);
    const same = name === "bases" ? live.sequence === state.sequence : live.key === key;
    const asked = live.task === undefined || live.task === state.task;
    if (same && asked) return { value: live, now: true };
    if (visited) return { value: visited[name], now: true };
    const earlier = live.key !== undefined && JSON.parse(live.key)[0] === state.sequence;
    return { value: earlier ? live : null, now: false };
  };
  return {
    key,
    bases: part("bases"),
    predictions: part("predictions"),
    tracks: part("tracks"),
    mutations: part("mutations"),
  };
}

/**
 * What is known of the sequence that is shown. `predictions`, `tracks` and `mutations` are null where nothing is known;
 * their `now` says whether they are those of this sequence, task and changes, or of the sequence before its last change.
 */
export function sequenceOf(store) {
  const [about, state, sequences] = [store.get("_about"), store.state(), store.get("_sequences")];
  const { key, bases, predictions, tracks, mutations } = partsOf(store, state);
  const known = { about, state, sequences, key, codes: null };
  if (!bases.now) return known;
  const whole = unpack(bases.value[state.allele] ?? bases.value.alternative).values;
  const start = unpack(bases.value.reference ?? bases.value.alternative).values;
  const codesOf = (part) => editedCodes(whole, part.now ? state.edits : JSON.parse(part.value.key)[2]);
  const outputs = predictions.value?.models;
  const read = (part, model) =>
    part.value && {
      now: part.now,
      codes: codesOf(part),
      motifs: part.value.motifs,
      models: Object.fromEntries(Object.entries(part.value.models).map(([name, each]) => [name, model(each, name)])),
    };
  return {
    ...known,
    codes: editedCodes(whole, state.edits),
    start,
    predictions: predictions.value && { now: predictions.now, models: outputs },
    tracks: read(tracks, (each, name) => ({
      ...each,
      found: attributionsOf(each, outputs?.[name]?.outputs, state.task),
    })),
    mutations: read(mutations, effectsOf),
  };
}

/** Genome coordinate of a position, counted from 1; empty where it is not known. */
export function genomeText({ sequences, state }, position) {
  if (isShifted(sequences, state)) return "";
  const place = placeInGenome(sequences, state.sequence);
  return place ? `${place[0]}:${count(place[1] + position + 1)}` : "";
}

/** Whether the window of an insertion or deletion is shown, whose right part is elsewhere in the genome. */
export function isShifted(sequences, state) {
  return state.allele === "alternative" && Boolean(sequences.shifted?.includes(state.sequence));
}

/** Name of a sequence: of a variant its own, else its place in the genome, its own name, or its number. */
export function titleOf(sequences, index, length) {
  return (sequences.variants && sequences.names?.[index]) || sequenceName(sequences, index, length);
}

/** Digits that tell predictions of a model apart. */
export function predictionDigits(each, task) {
  if (each.scale === "probability") return 3;
  const size = Math.max(...[...each.now, ...each.start].map((strand) => Math.abs(strand[task] ?? 0)));
  return Math.min(6, Math.max(2, 2 - Math.floor(Math.log10(size || 1))));
}

const STRAND_NAMES = ["forward", "reverse"];

/** Prediction after a change of the logit, or value. */
export function predictionAfter(each, strand, task, effect) {
  const output = each.outputs[strand][task];
  if (output === null || !Number.isFinite(effect)) return Number.NaN;
  return each.scale === "probability" ? 1 / (1 + Math.exp(-output - effect)) : output + effect;
}

/** A change of one base by one model: effects and predictions of both strands, and which strands flip. */
export function changeOf(known, name, position, base) {
  const effects = known.mutations?.models[name];
  const each = known.predictions?.models[name];
  if (!effects || !each || !known.mutations.now || !known.predictions.now) return null;
  const { task } = known.state;
  const letter = LETTERS[base];
  const listed = effects.nearest.find((one) => one.position === position && one.to === letter);
  if (listed) return listed;
  const at = base * known.about.length + position;
  const both = [effects.forward[at], effects.reverse[at]];
  return {
    position,
    from: letterOf(known.codes[position]),
    to: letter,
    effects: both,
    before: each.now.map((strand) => strand[task]),
    after: both.map((effect, strand) => predictionAfter(each, strand, task, effect)),
    flips: [1, 2].map((bit) => Boolean(effects.flips[at] & bit)),
  };
}

/** Which strands a change flips, in words; empty if none. */
export function flipText([forward, reverse]) {
  if (forward && reverse) return "both strands";
  return forward ? "the forward strand" : reverse ? "the reverse strand" : "";
}

/** A change as a sentence. */
export function changeSentence(change, each, digits) {
  const what = `${change.from}\u2192${change.to} at ${count(change.position)}`;
  if (!change.effects.every((effect) => effect !== null && Number.isFinite(effect))) return `${what}: not computed.`;
  const strands = STRAND_NAMES.map((name, strand) => {
    const moved = `${fixed(change.before[strand], digits)} to ${fixed(change.after[strand], digits)}`;
    const by = signed(change.effects[strand], each.scale === "probability" ? 2 : digits);
    return `${name} ${moved} (${by}${each.scale === "probability" ? " logit" : ""})`;
  });
  const flip = flipText(change.flips);
  return `${what}: ${strands.join(", ")}.${flip ? ` It flips ${flip}.` : ""}`;
}

/** How many changes flip the forward strand, the reverse strand, either, and how many there are. */
export function countFlips(effects, codes) {
  const length = codes.length;
  const counts = { forward: 0, reverse: 0, either: 0, all: 0 };
  for (let position = effects.region[0]; position < effects.region[1]; position++) {
    for (let base = 0; base < 4; base++) {
      if (codes[position] === base) continue;
      const bits = effects.flips[base * length + position];
      counts.all += 1;
      counts.forward += bits & 1;
      counts.reverse += bits >> 1;
      counts.either += bits > 0 ? 1 : 0;
    }
  }
  return counts;
}

/** The answer to "which base flips this prediction?" as a sentence. */
export function answerOf(name, each, counts, nearest, digits) {
  if (!nearest.length) return `No change of a base has a prediction of ${name}.`;
  const [first] = nearest;
  const change = `${first.from}\u2192${first.to} at ${count(first.position)}`;
  const after = (strand) =>
    `${STRAND_NAMES[strand]} ${fixed(first.before[strand], digits)} to ${fixed(first.after[strand], digits)}`;
  if (each.threshold === null)
    return `${name} predicts values, which no threshold divides. ${change} moves it most: ${after(0)}, ${after(1)}.`;
  const all = `${count(counts.all)} changes of one base`;
  if (first.flips.some(Boolean)) {
    const flipped = [0, 1].filter((strand) => first.flips[strand]).map(after);
    const number = Math.max(1, counts.either);
    const which = number === 1 ? `flips ${name}:` : `flip ${name}, the first of them`;
    return `${count(number)} of ${all} ${which} ${change}, on ${flipText(first.flips)}: ${flipped.join(", ")}.`;
  }
  const side = (strand) => (first.before[strand] >= each.threshold ? 1 : -1);
  const left = [0, 1].map((strand) => side(strand) * (first.after[strand] - each.threshold));
  const nearer = left[0] <= left[1] ? 0 : 1;
  return `None of ${all} flips ${name}. Nearest to ${fixed(each.threshold, Math.min(digits, 2))} is ${change}: ${after(nearer)}.`;
}

/** Put spans with `from` and `to` in as few rows as hold them without overlap; returns the row of each. */
export function lanesOf(spans) {
  const ends = [];
  const rows = new Array(spans.length).fill(0);
  const order = spans.map((_, index) => index).sort((one, other) => spans[one].from - spans[other].from || one - other);
  for (const index of order) {
    const free = ends.findIndex((end) => end <= spans[index].from);
    rows[index] = free < 0 ? ends.length : free;
    ends[rows[index]] = spans[index].to;
  }
  return rows;
}
