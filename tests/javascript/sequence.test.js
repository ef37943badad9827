// Truths about the parts of the sequence explorer that need no page.
import {
  answerOf,
  changeOf,
  changeSentence,
  countFlips,
  editedCodes,
  flipText,
  genomeText,
  lanesOf,
  predictionAfter,
  sequenceKey,
  sequenceOf,
} from "../../rcviz/widgets/static/sequence_data.js";
import { effectsAlike, largestEffect } from "../../rcviz/widgets/static/sequence_map.js";
import { otherTasks } from "../../rcviz/widgets/static/sequence_side.js";
import { equal, near, test } from "./harness.js";

const block = (values, Kind, type, shape) => ({ type, shape, data: new Kind(values).buffer });
const floats = (values, shape) => block(values, Float32Array, "float32", shape);
const bytes = (values, shape) => block(values, Uint8Array, "uint8", shape);

/** A store of ACGT, in which changing position 1 to A flips the reverse strand. */
function storeOf(edits = [], key = '[0,"alternative",[]]') {
  const effects = new Float32Array(32);
  effects[1] = -0.5;
  effects[16 + 1] = -2;
  const flips = new Uint8Array(16);
  flips[1] = 2;
  const traits = {
    _about: { length: 4, models: ["RC"], tasks: ["bound"] },
    _sequences: { chrom: ["chr1"], origin: block([999], Int32Array, "int32", [1]) },
    _bases: { sequence: 0, alternative: bytes([0, 1, 2, 3], [4]), reference: null },
    _predictions: {
      key,
      models: {
        RC: {
          scale: "probability",
          unit: "logit",
          threshold: 0.5,
          outputs: [[1], [1]],
          now: [[0.73], [0.73]],
          start: [[0.73], [0.73]],
        },
      },
    },
    _tracks: {
      key,
      task: 0,
      motifs: [],
      models: { RC: { attributions: floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]), hits: [] } },
    },
    _mutations: {
      key,
      task: 0,
      models: { RC: { effects: floats(effects, [2, 4, 4]), flips: bytes(flips, [4, 4]), region: [0, 4], nearest: [] } },
    },
    _visited: {},
  };
  return {
    get: (name) => traits[name] ?? {},
    state: () => ({ task: 0, sequence: 0, allele: "alternative", edits, model: "RC" }),
  };
}

test("a sequence with its changes has the name that the kernel writes", () => {
  equal(sequenceKey({ sequence: 3, allele: "reference", edits: [[1, "A"]] }), '[3,"reference",[[1,"A"]]]');
});

test("changes are made in their order, and leave the sequence as it was", () => {
  const whole = Uint8Array.from([0, 1, 2, 3]);
  equal(
    editedCodes(whole, [
      [0, "T"],
      [3, "A"],
      [0, "C"],
    ]),
    [1, 1, 2, 0],
  );
  equal(whole, [0, 1, 2, 3]);
});

test("what was computed for this sequence is told from what was computed before its last change", () => {
  const fresh = sequenceOf(storeOf());
  equal([fresh.predictions.now, fresh.tracks.now, fresh.mutations.now], [true, true, true]);
  equal([...fresh.tracks.models.RC.found.reverse], [5, 6, 7, 8]);
  const edited = sequenceOf(storeOf([[2, "A"]]));
  equal([edited.predictions.now, edited.tracks.now, edited.mutations.now], [false, false, false]);
  equal([...edited.codes], [0, 1, 0, 3]);
  equal([...edited.mutations.codes], [0, 1, 2, 3]); // letters of what is drawn
  equal(changeOf(edited, "RC", 1, 0), null);
  const other = sequenceOf(storeOf([], '[1,"alternative",[]]'));
  equal(other.mutations, null);
});

test("a change says both strands, and which of them flips", () => {
  const known = sequenceOf(storeOf());
  const each = known.predictions.models.RC;
  const change = changeOf(known, "RC", 1, 0);
  equal([change.from, change.to, change.flips], ["C", "A", [false, true]]);
  near(change.after, [1 / (1 + Math.exp(-0.5)), 1 / (1 + Math.exp(1))]);
  equal(
    changeSentence(change, each, 2),
    "C\u2192A at 1: forward 0.73 to 0.62 (\u22120.50 logit), reverse 0.73 to 0.27 (\u22122.00 logit). It flips the reverse strand.",
  );
  near(predictionAfter({ scale: "value", outputs: [[3], [4]] }, 1, 0, -1.5), 2.5);
  equal(predictionAfter({ scale: "value", outputs: [[3], [null]] }, 1, 0, 1), Number.NaN);
  equal(
    [flipText([true, true]), flipText([true, false]), flipText([false, false])],
    ["both strands", "the forward strand", ""],
  );
});

test("the answer names the flip, or what comes nearest to one, or the largest change of a value", () => {
  const known = sequenceOf(storeOf());
  const counts = countFlips(known.mutations.models.RC, known.codes);
  equal(counts, { forward: 0, reverse: 1, either: 1, all: 12 });
  const each = known.predictions.models.RC;
  const change = changeOf(known, "RC", 1, 0);
  equal(
    answerOf("RC", each, counts, [change], 2),
    "1 of 12 changes of one base flips RC: C\u2192A at 1, on the reverse strand: reverse 0.73 to 0.27.",
  );
  const near = { ...change, after: [0.6, 0.55], flips: [false, false] };
  equal(
    answerOf("RC", each, { ...counts, either: 0 }, [near], 2),
    "None of 12 changes of one base flips RC. Nearest to 0.50 is C\u2192A at 1: reverse 0.73 to 0.55.",
  );
  const value = answerOf("RC", { ...each, threshold: null }, counts, [near], 1);
  equal(
    value,
    "RC predicts values, which no threshold divides. C\u2192A at 1 moves it most: forward 0.7 to 0.6, reverse 0.7 to 0.6.",
  );
});

test("genome coordinates count from 1, and an insertion or deletion has none", () => {
  const known = sequenceOf(storeOf());
  equal(genomeText(known, 0), "chr1:1,000");
  equal(genomeText({ ...known, sequences: { ...known.sequences, shifted: [0] } }, 0), "");
  equal(genomeText({ ...known, sequences: {} }, 0), "");
});

test("spans share as few rows as they can", () => {
  const spans = [
    { from: 5, to: 9 },
    { from: 0, to: 6 },
    { from: 6, to: 8 },
    { from: 9, to: 12 },
  ];
  equal(lanesOf(spans), [1, 0, 0, 0]);
  equal(lanesOf([]), []);
});

test("maps that are alike are drawn once, and unknown effects do not count", () => {
  const forward = Float32Array.from([0.5, -2, Number.NaN]);
  equal(largestEffect({ forward, reverse: forward }), 2);
  equal(effectsAlike({ forward, reverse: forward.slice() }), true);
  equal(effectsAlike({ forward, reverse: Float32Array.from([0.5, -1.9, Number.NaN]) }), false);
});

test("other tasks are listed by their change, then by their gap", () => {
  const each = {
    now: [
      [0.5, 0.9, 0.2, 0.3],
      [0.5, 0.9, 0.3, 0.3],
    ],
    start: [
      [0.5, 0.7, 0.2, 0.3],
      [0.5, 0.9, 0.3, 0.3],
    ],
  };
  equal(otherTasks(each, 0), [1, 2, 3]);
  equal(otherTasks(each, 1, 2), [2, 0]);
});
