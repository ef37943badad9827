// Truths about the parts of the front end that need no page.
import { half, row, unpack } from "../../rcviz/widgets/static/arrays.js";
import { withoutKernel } from "../../rcviz/widgets/static/explorer.js";
import { filtersOf, listed } from "../../rcviz/widgets/static/filter_data.js";
import { sentence } from "../../rcviz/widgets/static/filter_detail.js";
import { placeOf } from "../../rcviz/widgets/static/filter_sites.js";
import { nameless, numbersAt, placedMotif } from "../../rcviz/widgets/static/filter_tracks.js";
import { reasons } from "../../rcviz/widgets/static/filter_verdict.js";
import { watchKernel } from "../../rcviz/widgets/static/kernel.js";
import { letterPath, logoPaths } from "../../rcviz/widgets/static/logo.js";
import { consensus, information, reverseComplement, stackRange } from "../../rcviz/widgets/static/matrices.js";
import { matching, orderOf } from "../../rcviz/widgets/static/order.js";
import { digitsFor, digitsOf, extent, linear, sharedAxis, ticks } from "../../rcviz/widgets/static/scales.js";
import { count, fixed, percent, plural, pValue, signed } from "../../rcviz/widgets/static/text.js";
import { latestText } from "../../rcviz/widgets/static/training.js";
import {
  axisEnd,
  duration,
  linePath,
  numberOf,
  pointsOf,
  progressText,
  runsOf,
  seconds,
  settingsText,
  valueRange,
  wholeEpochs,
} from "../../rcviz/widgets/static/training_data.js";
import { equal, near, test } from "./harness.js";

import "./sequence.test.js";
import "./strands.test.js";

export { run } from "./harness.js";

const block = (type, shape, values) => {
  const Kind = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array }[type];
  return { type, shape, data: new DataView(Kind.from(values).buffer) };
};

/** One-hot matrix of a sequence. */
const oneHot = (text) =>
  Float32Array.from([..."ACGT"].flatMap((letter) => [...text].map((base) => Number(base === letter))));

/** Corners of a path of absolute coordinates. */
function box(path) {
  const numbers = path.match(/-?[\d.]+/g).map(Number);
  const [x, y] = [0, 1].map((odd) => numbers.filter((_, i) => i % 2 === odd));
  return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
}

test("numbers have true minus signs, and none before a zero", () => {
  equal(
    [fixed(-1.234), fixed(-0.001), fixed(2), signed(2), signed(-2), signed(0.001)],
    ["\u22121.23", "0.00", "2.00", "+2.00", "\u22122.00", "0.00"],
  );
  equal([fixed(Number.NaN), fixed(null), signed(undefined)], ["\u2013", "\u2013", "\u2013"]);
  equal(
    [count(1234567), count(999), plural(1, "site"), plural(2000, "site")],
    ["1,234,567", "999", "1 site", "2,000 sites"],
  );
  equal([percent(0), percent(0.004), percent(0.5), percent(0.996), percent(1)], ["0%", "< 1%", "50%", "> 99%", "100%"]);
  equal([pValue(0.0312), pValue(2.2e-22), pValue(1)], ["0.031", "2.2 \u00d7 10\u207b\u00b2\u00b2", "1"]);
});

test("blocks are read from any offset, and from base64", () => {
  const bytes = new Uint8Array(13);
  bytes.set(new Uint8Array(Float32Array.of(1.5, -2, 3).buffer), 1);
  const view = { type: "float32", shape: [3], data: new DataView(bytes.buffer, 1, 12) };
  near(unpack(view).values, [1.5, -2, 3]);
  const again = unpack(view);
  equal(unpack(view) === again, true);
  near(unpack({ type: "float32", shape: [1], data: { base64: "AADAPw==" } }).values, [1.5]);
  near(row(block("float32", [2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]), 1), [4, 5, 6, 7]);
  near([0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000].map(half), [1, -2, 65504, 2 ** -24, 0]);
});

test("the reverse complement of a matrix is that of its sequence", () => {
  equal(consensus(reverseComplement(oneHot("GATTACA"))), "TGTAATC");
  const matrix = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i));
  near(reverseComplement(reverseComplement(matrix)), matrix);
});

test("information is two bits for one base, one for two, none for four", () => {
  const p = Float32Array.of(1, 0.5, 0.25, 0, 0.5, 0.25, 0, 0, 0.25, 0, 0, 0.25);
  near(information(p), [2, 0.5, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0]);
  near(stackRange(Float32Array.of(1, -2, 3, -1)), [-3, 4]);
});

test("a letter fills its box, upright and upside down", () => {
  near(box(letterPath("A", 10, 50, 20, 30)), [10, 20, 30, 50], 0.06);
  near(box(letterPath("G", 10, 50, 20, -30)), [10, 50, 30, 80], 0.06);
});

test("letters are stacked from the baseline, the taller the farther", () => {
  const y = linear(-2, 4, 60, 0);
  const paths = logoPaths(Float32Array.of(1, 3, -2, 0), { x: () => 0, dx: 10, y });
  const [a, c, g] = ["A", "C", "G"].map((letter) => box(paths[letter]));
  near([a[3], a[1]], [y(0), y(1)], 0.06);
  near([c[3], c[1]], [y(1), y(4)], 0.06);
  near([g[1], g[3]], [y(0), y(-2)], 0.06);
  equal(paths.T, "");
});

test("scales and round numbers", () => {
  near([0, 5, 10].map(linear(0, 10, 100, 0)), [100, 50, 0]);
  near(linear(3, 3, 7, 9)(3), 7);
  near(ticks(0, 2, 2), [0, 1, 2]);
  near(ticks(-0.35, 0.33, 3), [-0.2, 0, 0.2]);
  near(ticks(4.1, 12.7, 4), [6, 8, 10, 12]);
  near(ticks(-0.95, 0.9, 3), [-0.5, 0, 0.5]); // zero alone would be no scale
  near(ticks(3.1, 3.3, 1), [3.1, 3.2, 3.3]);
  equal([digitsOf([0, 1, 2]), digitsOf([-0.2, 0, 0.2]), digitsOf([0.05, 0.1]), digitsOf([100, 200])], [0, 1, 2, 0]);
  near(extent([3, Number.NaN, -1], [7]), [-1, 7]);
  near(extent([]), [0, 1]);
});

test("small scores have enough digits", () => {
  equal([digitsFor([4, -0.2]), digitsFor([0.0004, -0.00002]), digitsFor([0]), digitsFor(null)], [2, 5, 2, 2]);
});

test("the axis holds the filter and at most five columns of a motif outside it", () => {
  equal(sharedAxis(15, 0), [0, 15]);
  equal(sharedAxis(15, -2, 10), [-2, 15]);
  equal(sharedAxis(15, -9, 40), [-5, 20]);
  equal(sharedAxis(15, 3, 20), [0, 20]);
});

test("orders: ties by number, NaN last, names before none", () => {
  const filters = {
    n: 4,
    scores: [1, 3, 3, -1],
    palindromicity: [0.2, Number.NaN, 0.9, 0.2],
    names: [null, "SPI1", null, "ctcf"],
  };
  equal(orderOf("score", filters), [1, 2, 0, 3]);
  equal(orderOf("number", filters), [0, 1, 2, 3]);
  equal(orderOf("knock-out", { ...filters, knockOuts: [3, 1, 2, 4] }), [3, 0, 2, 1]);
  equal(orderOf("knock-out", filters), [1, 2, 0, 3]);
  equal(orderOf("palindromicity", filters), [2, 0, 3, 1]);
  equal(orderOf("name", filters), [3, 1, 2, 0]);
  equal(orderOf("score", { n: 3 }), [0, 1, 2]);
});

test("a search finds names, numbers and bases of either strand", () => {
  const known = {
    names: [null, "CTCF", null],
    ids: [null, "MA0139.2", null],
    consensuses: ["GATAAG", "CCACCAGGG", "TTTTTT"],
  };
  const found = (text) => matching([2, 1, 0], text, known);
  equal(found(""), [2, 1, 0]);
  equal(found("ctc"), [1]);
  equal(found("ma0139"), [1]);
  equal(found("GATA"), [0]);
  equal(found("TATC"), [0]);
  equal(found("2"), [2]);
  equal(found("xyz"), []);
});

test("a known motif turns with the filter", () => {
  const filter = "AAGATAAGCC";
  const names = { motifs: [{ name: "GATA", matrix: block("float32", [4, 6], oneHot("GATAAG")) }] };
  const turned = { motifs: [{ name: "GATA", matrix: block("float32", [4, 6], oneHot("CTTATC")) }] };
  for (const [known, strand] of [
    [names, "+"],
    [turned, "-"],
  ]) {
    for (const shown of ["+", "-"]) {
      const bases = shown === "+" ? filter : consensus(reverseComplement(oneHot(filter)));
      const { matrix, offset } = placedMotif(known, { motif: 0, strand, offset: 2 }, 10, shown);
      equal(consensus(matrix), bases.slice(offset, offset + 6));
    }
  }
});

test("the numbers of a position are those of its column in each track", () => {
  const placed = { motif: { name: "X" }, matrix: oneHot("GT"), offset: 1 };
  const text = numbersAt(1, { weights: Float32Array.of(0, -1, 0, 1, 0, 0, 0, 0), motif: oneHot("AC"), placed });
  equal(
    text,
    "position 1: weights A \u22121.00 C +1.00 G 0.00 T 0.00; sites A 0% C 100% G 0% T 0%; X A 0% C 0% G 100% T 0%",
  );
  equal(numbersAt(2, { weights: oneHot("AC"), motif: null, placed }), "position 2: X A 0% C 0% G 0% T 100%");
});

test("a sentence says the score as a person would", () => {
  const scores = (positive, negative) => ({
    labelled: true,
    mean_positive: block("float32", [1], [positive]),
    mean_negative: block("float32", [1], [negative]),
  });
  const said = (filters) =>
    sentence({ about: { scale: "logit", tasks: ["CTCF"] }, n: 8, ...filters }, 0, 1)
      .map((part) => (Array.isArray(part) ? part[0] : part))
      .join("");
  equal(
    said({ scores: scores(9.73, 7.5), score: [2.23] }),
    "Rank 1 of 8. Adds +9.73 to the logit in positives and +7.50 in negatives: it separates them by 2.23.",
  );
  equal(
    said({ scores: scores(-1, 0.5), score: [-1.5] }),
    "Rank 1 of 8. Adds \u22121.00 to the logit in positives and +0.50 in negatives, 1.50 more in negatives.",
  );
  const all = { labelled: false, mean_positive: block("float32", [1], [3]) };
  equal(said({ scores: all, score: [3] }), "Rank 1 of 8. Adds +3.00 to the logit on average.");
});

test("a verdict gives the numbers that decided it", () => {
  const hybrid = { verdict: "hybrid", palindromicity: 0.71, p_value: 0.001, loss: 0.43, n_sites: 68, balance: 0.56 };
  const text = reasons(hybrid).join(" ");
  for (const part of ["0.71", "p = 0.001", "43%", "68 sites", "0.56", "not palindromes"])
    equal([part, text.includes(part)], [part, true]);
  equal(reasons({ verdict: "none", palindromicity: 0.1, p_value: 0.4, loss: 0.2, n_sites: 50 }).length, 1);
  const simple = reasons({ ...hybrid, verdict: "low complexity", repetition: 0.93 });
  equal(simple[0].includes("0.93"), true);
  equal(reasons({ verdict: "inactive" }), ["It fires in no sequence that counts here, so it has no sites."]);
  const unknown = { verdict: "unknown", palindromicity: 0.9, p_value: 0.001, loss: null, excess: 3.4, excess_z: 1.25 };
  equal(
    reasons(unknown).at(-1),
    "About 3 sequences hold a site that shuffled sequences do not explain (the excess; z = 1.3).",
  );
});

test("a site has genome coordinates where the data has them", () => {
  const index = block("int32", [1], [17]);
  const genome = { chrom: ["chr1"], origin: block("int32", [1], [1000]), names: ["chr1:1000-1200"], index };
  equal(placeOf(genome, 0, 50, 15), "chr1:1050\u20131065");
  equal(placeOf({ ...genome, names: ["peak 3"] }, 0, 50, 15), "chr1:1050\u20131065 (peak 3)");
  equal(placeOf({ chrom: null, names: ["a"], index }, 0, 5, 10), "sequence 17 (a), 5\u201315");
});

/** A page with two runs, of three epochs and of none, and of two metrics. */
const trainings = (metric, hidden) => ({
  state: () => ({ metric, hidden }),
  get: () => ({
    runs: [
      {
        name: "RC",
        note: "seed 0",
        metrics: ["loss", "auroc"],
        best: 2,
        seconds: 1.5,
        train: block("float32", [3, 2], [1, 0.5, 0.75, 0.625, 0.5, 0.75]),
        valid: block("float32", [3, 2], [2, 0.25, 1, 0.875, 1.5, Number.NaN]),
      },
      {
        name: "new",
        note: "",
        metrics: [],
        best: 0,
        seconds: 0,
        train: block("float32", [0, 0], []),
        valid: block("float32", [0, 0], []),
      },
    ],
  }),
});

test("runs have the metric that is drawn, by epoch", () => {
  const [one, two] = runsOf(trainings("auroc", [2]));
  equal([one.n, one.shown, two.n, two.shown, two.valid], [3, true, 0, false, null]);
  equal(
    [one.train, one.valid],
    [
      [0.5, 0.625, 0.75],
      [0.25, 0.875, null],
    ].map((values) => Float32Array.from(values, (v) => v ?? Number.NaN)),
  );
  equal(runsOf(trainings("loss", []))[0].valid, Float32Array.of(2, 1, 1.5));
  equal(runsOf(trainings("mse", []))[0].valid, null);
  equal(latestText([one, two]), "RC: epoch 3, best 2 \u00b7 new: no epoch yet");
});

test("the axis of epochs holds all of them and ends at the last planned one", () => {
  equal(
    [0, 1, 10, 11, 16, 81, 150, 151].map((n) => axisEnd(n)),
    [10, 10, 10, 15, 20, 100, 150, 200],
  );
  equal([axisEnd(3, 4), axisEnd(3, 500), axisEnd(12, 13), axisEnd(0, 1), axisEnd(30, 30)], [4, 10, 13, 2, 30]);
  equal(
    [wholeEpochs(3.4, 3.45), wholeEpochs(0.2, 5.6)],
    [
      [3, 4],
      [1, 6],
    ],
  );
});

test("a curve of many epochs keeps its smallest and largest values", () => {
  const values = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i / 7));
  values[3210] = 9;
  values[1234] = -9;
  const points = pointsOf(values, 1, 5000, 300);
  equal(points.length <= 602, true);
  equal(
    points.some(([epoch, value]) => epoch === 3211 && value === 9) && points.some(([epoch]) => epoch === 1235),
    true,
  );
  equal(
    points.every(([epoch], i) => i === 0 || epoch > points[i - 1][0]),
    true,
  );
  equal(pointsOf(Float32Array.of(1, 2, 3, 4, 5), 3, 4, 300), [
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
  ]);
});

test("lines have gaps where a value is not known", () => {
  const at = (value) => 10 * value;
  equal(
    linePath(
      [
        [1, 1],
        [2, Number.NaN],
        [3, 2],
        [4, 3],
      ],
      at,
      at,
    ),
    "M10.0 10.0M30.0 20.0L40.0 30.0",
  );
  const [low, high] = valueRange([Float32Array.of(5, 1, 3, Number.NaN), Float32Array.of(0, 2, 2, 9)], 2, 3);
  equal([low < 1, low > 0.5, high > 3, high < 3.5], [true, true, true, true]);
  equal(valueRange([Float32Array.of(2)], 1, 10)[0] < 2, true);
});

test("progress and settings are said as a person says them", () => {
  const now = {
    epoch: 2,
    n_epochs: 30,
    n_samples: 1200,
    samples_per_epoch: 5000,
    n_validated: 0,
    rate: 4321.4,
    left: 63,
  };
  equal(
    progressText(now, 375, true),
    "Epoch 2 of 30 \u00b7 sample 1,200 of 5,000 \u00b7 4,321 samples/s \u00b7 1 min 3 s left",
  );
  const done = { ...now, epoch: 30, n_samples: 5000, n_validated: 375, left: null };
  equal(progressText(done, 375, true), "Epoch 30 of 30 \u00b7 validating 375 of 375 \u00b7 4,321 samples/s");
  equal(progressText(done, 375, false), "Epoch 30 of 30 \u00b7 4,321 samples/s");
  equal([7325, 59.6, 3].map(duration), ["2 h 2 min", "1 min 0 s", "3 s"]);
  equal([0.043, 3.21, 12.3].map(seconds), ["0.04 s", "3.2 s", "12 s"]);
  const own = { architecture: null, n_filters: null, seed: 3, learning_rate: 0.001, augmentation: "none", epochs: 1 };
  equal(settingsText(own), "seed 3 \u00b7 learning rate 0.001 \u00b7 no augmentation \u00b7 at most 1 epoch");
  const built = { ...own, architecture: "revcomp", n_filters: 8, augmentation: "revcomp" };
  equal(settingsText(built).startsWith("RC \u00b7 8 filters \u00b7 seed 3"), true);
  equal(["", "0.001", "1e-3", "12", "9007199254740993"].map(numberOf), [null, 0.001, 0.001, 12, "9007199254740993"]);
});

test("what a page without a kernel cannot change is named", () => {
  const controls = [
    ["Sort", "sort", ["score", "name"]],
    ["Task", "task", [0, 1], true],
    ["Layer", "layer", ["conv1"], true],
    ["Positives", "positives", ["all", "own"], true],
  ];
  equal(withoutKernel(controls), "Fixed without a kernel: task, positives");
  equal(withoutKernel(controls.slice(0, 3)), "Fixed without a kernel: task");
  equal(withoutKernel(controls.slice(0, 1)), "");
});

test("the page knows at once that the kernel ended", () => {
  const signal = () => {
    const slots = new Set();
    return {
      connect: (slot) => slots.add(slot),
      disconnect: (slot) => slots.delete(slot),
      emit: () => [...slots].map((slot) => slot()),
      slots,
    };
  };
  const kernel = { status: "idle", connectionStatus: "connected", isDisposed: false };
  const signals = { disposed: signal(), statusChanged: signal(), connectionStatusChanged: signal() };
  const said = [];
  const end = watchKernel({ widget_manager: { kernel: { ...kernel, ...signals } } }, "id", (gone) => said.push(gone));
  end();
  equal(
    Object.values(signals).map((each) => each.slots.size),
    [0, 0, 0],
  );
  const manager = { kernel: Object.assign(kernel, signals) };
  const stop = watchKernel({ widget_manager: manager }, "id", (gone) => said.push(gone));
  kernel.status = "busy";
  signals.statusChanged.emit();
  equal(said, []);
  kernel.status = "dead";
  signals.statusChanged.emit();
  equal(said, [true]);
  stop();
});

test("a list by knock-outs that nobody will compute is one by scores", () => {
  const knocked = { scores: block("float32", [3], [1, 2, 3]) };
  const orderOfList = (live, status, knockOuts) => {
    const traits = {
      _about: {},
      _weights: { matrices: block("float32", [3, 4, 1], Array(12).fill(0.5)) },
      _scores: { scores: block("float32", [3], [2, 3, 1]) },
      _sites: {},
      _profiles: {},
      _names: {},
      _verdicts: {},
      _knock_outs: knockOuts,
      _status: { state: status },
    };
    const store = { live, get: (name) => traits[name] ?? {}, state: () => ({ sort: "knock-out" }) };
    const filters = filtersOf(store);
    return [filters.sort, listed(filters, { sort: filters.sort }), Boolean(filters.listedScore)];
  };
  equal(orderOfList(true, "ready", knocked), ["knock-out", [2, 1, 0], true]);
  equal(orderOfList(false, "ready", knocked), ["knock-out", [2, 1, 0], true]);
  equal(orderOfList(true, "computing", {}), ["knock-out", [1, 0, 2], false]);
  equal(orderOfList(false, "computing", {}), ["score", [1, 0, 2], true]);
  equal(orderOfList(true, "error", {}), ["score", [1, 0, 2], true]);
});

test("a filter without a name says what it lacks", () => {
  const filters = {
    about: { named: { similarity: 0.5, chance: 0.05, sites: 5 } },
    names: { n_targets: 879 },
    sites: { counts: block("int32", [3], [1, 4, 5]) },
  };
  equal(nameless(filters, 0), "No name: it takes the motif of 5 sites, and there is 1.");
  equal(nameless(filters, 1), "No name: it takes the motif of 5 sites, and there are 4.");
  equal(nameless(filters, 2).startsWith("None of 879 known motifs resembles it"), true);
});
