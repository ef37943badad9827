// Truths about the parts of the strand explorer that need no page.
import { reverseComplement } from "../../rcviz/widgets/static/matrices.js";
import { inside, mixed, nearest, thinned } from "../../rcviz/widgets/static/points.js";
import {
  detailCache,
  bestWindow,
  gapText,
  orderByGap,
  predictionRange,
  readsAlike,
  sequenceName,
  sitesIn,
} from "../../rcviz/widgets/static/strand_data.js";
import { differenceText, splitOf } from "../../rcviz/widgets/static/strand_filters.js";
import { endingOf } from "../../rcviz/widgets/static/explorer.js";
import { equal, near, test } from "./harness.js";

/** The same numbers in every run. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

test("sequences are in falling order of their gaps, equal ones in the order given", () => {
  const gaps = Float32Array.from([0.1, 0.5, 0.1, 0.9]);
  equal(orderByGap(gaps, []), [3, 1, 0, 2]);
  equal(orderByGap(gaps, [2, 0, 1]), [1, 2, 0]);
  equal(orderByGap(gaps, [7, 0]), [0]); // not known yet
});

test("the nearest point within a distance", () => {
  const [xs, ys] = [
    [0, 10, 10],
    [0, 0, 2],
  ];
  equal(nearest(xs, ys, 9, 1.9, 5), 2);
  equal(nearest(xs, ys, 5, 0, 4.9), -1);
  equal(nearest([Number.NaN], [0], 0, 0, 9), -1);
});

test("an outline holds what is inside, also where it is not convex", () => {
  const corner = [
    [0, 0],
    [10, 0],
    [10, 2],
    [2, 2],
    [2, 10],
    [0, 10],
  ];
  equal(inside([1, 5, 5, 1, 11], [1, 1, 5, 9, 1], corner), [0, 1, 3]);
  const next = random(1);
  const [xs, ys] = [0, 1].map(() => Float32Array.from({ length: 200 }, () => 20 * next() - 10));
  const circle = Array.from({ length: 90 }, (_, k) => [7 * Math.cos(k / 14.324), 7 * Math.sin(k / 14.324)]);
  const found = new Set(inside(xs, ys, circle));
  xs.forEach((x, i) => {
    const radius = Math.hypot(x, ys[i]);
    if (Math.abs(radius - 7) > 0.1) equal(found.has(i), radius < 7);
  });
});

test("mixing visits each number once", () => {
  for (const n of [1, 2, 7, 100, 997]) {
    const seen = [];
    mixed(n, (i) => seen.push(i));
    equal(
      seen.toSorted((one, other) => one - other),
      Array.from({ length: n }, (_, i) => i),
    );
  }
});

test("thinning keeps single points, and a few of many on one place", () => {
  const n = 1000;
  const xs = Float32Array.from({ length: n + 2 }, (_, i) => (i < n ? 50.2 : 10 * (i - n)));
  const ys = Float32Array.from({ length: n + 2 }, () => 50);
  const drawn = thinned(xs, ys, new Uint8Array(n + 2), 100, 1, 3);
  equal(drawn.length, 5);
  equal(drawn.includes(n) && drawn.includes(n + 1), true);
  const groups = Uint8Array.from({ length: n + 2 }, (_, i) => i % 2);
  equal(thinned(xs, ys, groups, 100, 1, 3).length, 8); // of each group
  equal(thinned([-5, 200, 3], [3, 3, 3], [0, 0, 0], 100).length, 1);
});

test("probabilities have the axis from 0 to 1, others the range of both strands", () => {
  near(predictionRange("probability", [0.4], [0.5]), [-0.03, 1.03]);
  near(predictionRange("value", [-1, 3], [9, 0]), [-1.3, 9.3]);
  near(predictionRange("logit", [2], [2]), [1.5, 2.5]);
});

test("the best window has the largest sum, each model with the same weight", () => {
  const next = random(2);
  const codes = new Uint8Array(50);
  const values = () => Float32Array.from({ length: 50 }, next);
  const one = { forward: values(), reverse: values() };
  const sums = Array.from({ length: 41 }, (_, start) =>
    one.forward.slice(start, start + 10).reduce((sum, value, i) => sum + value + one.reverse[start + i], 0),
  );
  equal(bestWindow({ codes, models: { one } }, 10), sums.indexOf(Math.max(...sums)));
  const peak = (at, height) => Float32Array.from({ length: 50 }, (_, i) => (i === at ? height : 0));
  const large = { forward: peak(5, 100), reverse: peak(40, 100) };
  const small = { forward: peak(40, 1), reverse: peak(40, 1) };
  equal(bestWindow({ codes, models: { large, small } }, 5), 36);
  equal(bestWindow({ codes, models: {} }, 50), 0);
});

test("sites on the other strand are those of the reverse complement", () => {
  const next = random(3);
  const codes = Uint8Array.from({ length: 60 }, () => Math.floor(4 * next()));
  const matrix = Float32Array.from({ length: 20 }, () => next() - 0.5);
  const options = { limit: 0.2, falling: 0 };
  const turned = sitesIn(codes, matrix, options, true, 99);
  const expected = sitesIn(codes, reverseComplement(matrix), options, false, 99);
  equal(turned.length > 2, true);
  equal(
    turned.map((site) => site.start),
    expected.map((site) => site.start),
  );
  codes.fill(4, 20, 40);
  for (const { start } of sitesIn(codes, matrix, { limit: -99, falling: 0 }, false, 99)) {
    equal(start + 5 <= 20 || start >= 40, true); // no base is unknown
  }
  const falling = sitesIn(codes, matrix, { limit: 0, falling: 1 }, false, 1);
  equal(falling[0].score < 0, true);
  for (const { start } of sitesIn(codes, matrix, { limit: -99, stride: 3, padding: 1 }, false, 99))
    equal((start + 1) % 3, 0);
});

test("both strands are alike up to rounding", () => {
  const forward = Float32Array.from([1, -2, 0.5]);
  equal(readsAlike({ forward, reverse: forward.map((value) => value * 1.0000001), outputs: [1, 1.0000001] }), true);
  equal(readsAlike({ forward, reverse: Float32Array.from([1, -2, 0.6]), outputs: [1, 1] }), false);
  equal(readsAlike({ forward, reverse: forward, outputs: [1, 1.01] }), false);
});

test("the split adds up", () => {
  const split = splitOf([Float32Array.from([1, 2, 0.5]), Float32Array.from([0.5, -1, 0.75])], [4, 1]);
  equal(split.filters, [1, 0, 2]);
  near(
    split.difference.reduce((sum, value) => sum + value, split.rest),
    3,
  );
});

test("names of sequences and files, and small numbers", () => {
  const origin = { type: "int32", shape: [1], data: new DataView(Int32Array.from([100]).buffer) };
  equal(sequenceName({ chrom: ["chr2"], origin, names: ["mine"] }, 0, 60), "chr2:100\u2013160");
  equal(sequenceName({ chrom: null, names: ["mine"] }, 0, 60), "mine");
  equal(sequenceName({ chrom: null, names: null }, 7, 60), "sequence 7");
  const kinds = [[".csv"], [".gap.csv"], [".html"]];
  equal(endingOf("a.gap.csv", kinds), ".gap.csv");
  equal(endingOf("a.b.csv", kinds), ".csv");
  equal(endingOf("a", kinds) === undefined, true);
  equal([gapText(0), gapText(0.773), gapText(7.6e-8), gapText(1234.5)], ["0", "0.77", "8e\u22128", "1,235"]);
  equal([differenceText(0.853), differenceText(-1), differenceText(-7e-7)], ["+0.85", "\u22121.00", "\u22127e\u22127"]);
});

test("the page knows whether any sequence has details", () => {
  const packed = (values) => ({
    type: "float32",
    shape: values.length === 1 ? [1] : [1, values.length],
    data: new DataView(Float32Array.from(values).buffer),
  });
  const traits = { _points: { models: [] }, _chosen: {}, _ahead: {} };
  const cache = detailCache({ get: (name) => traits[name] });
  cache.update();
  equal([cache.any(0), cache.get(0, 7)], [false, null]);
  traits._chosen = { task: 0, sequences: packed([7]), codes: packed([1, 2]), models: {} };
  cache.update();
  equal([cache.any(0), cache.any(1), cache.get(0, 7) === null], [true, false, false]);
});
