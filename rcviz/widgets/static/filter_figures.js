// Contributions in positives and negatives, and the profile along the sequence.
import { row, unpack } from "./arrays.js";
import { h, s } from "./dom.js";
import { digitsOf, extent, linear, ticks } from "./scales.js";
import { count, fixed, signed } from "./text.js";

const PAD = 8;

function caption(text, classes) {
  return h(
    "figcaption",
    null,
    text,
    classes.map(([name, label]) => h("span", { class: `rcviz-${name}` }, `\u25cf ${label}`)),
  );
}

function strokes(values, x, y) {
  let path = "";
  for (const value of values) path += `M${x(value).toFixed(1)} ${y}v16`;
  return path;
}

/** Two rows of ticks with their means, and the score between them. */
export function contributionFigure(filters, index, width) {
  const scores = filters.scores;
  const title = "Contribution";
  if (!scores)
    return {
      element: h("figure", null, caption(title, []), h("div", { class: "rcviz-skeleton", style: "height:96px" })),
    };
  const labelled = scores.labelled;
  const positive = row(scores.positive, index);
  const negative = labelled ? row(scores.negative, index) : [];
  const means = [
    unpack(scores.mean_positive).values[index],
    labelled ? unpack(scores.mean_negative).values[index] : null,
  ];
  const [low, high] = extent(
    positive,
    negative,
    means.filter((mean) => mean !== null),
  );
  const x = linear(low, high, PAD + 4, width - PAD - 4);
  const [top, below] = labelled ? [26, 52] : [38, 0];
  const parts = [s("path", { class: "rcviz-tick-positive", d: strokes(positive, x, top) })];
  if (labelled) {
    parts.push(s("path", { class: "rcviz-tick-negative", d: strokes(negative, x, below) }));
    const [from, to] = [x(means[1]), x(means[0])];
    parts.push(s("path", { class: "rcviz-axis", d: `M${from} 20v-5H${to}v5` }));
    const middle = Math.min(Math.max((from + to) / 2, 50), width - 50);
    parts.push(
      s("text", { x: middle, y: 11, "text-anchor": "middle" }, `score ${signed(filters.score[index], filters.digits)}`),
    );
    parts.push(s("circle", { class: "rcviz-mean-negative", cx: from, cy: below + 8, r: 4.5 }));
  }
  parts.push(s("circle", { class: "rcviz-mean-positive", cx: x(means[0]), cy: top + 8, r: 4.5 }));
  const marks = ticks(low, high, 4);
  const unit = 7 * filters.about.scale.length; // room at the end of the axis
  const axis = marks.map((value) => [
    s("path", { class: "rcviz-axis", d: `M${x(value)} 76v4` }),
    x(value) < width - PAD - unit - 12 &&
      s("text", { x: x(value), y: 92, "text-anchor": "middle" }, fixed(value, digitsOf(marks))),
  ]);
  const mark = s("path", { class: "rcviz-mark" });
  const label = labelled
    ? `Contributions of filter ${index}: mean ${fixed(means[0])} in positives, ${fixed(means[1])} in negatives`
    : `Contributions of filter ${index}: mean ${fixed(means[0])}`;
  const sampled = labelled
    ? scores.n_positive > positive.length || scores.n_negative > negative.length
    : scores.n_positive > positive.length;
  const numbers = [scores.n_positive, scores.n_negative].map(count);
  // Their numbers are also in the title of the page; here they are left out where they would begin a second line.
  const counted = !labelled || width > 250 + 7 * numbers.join("").length;
  const classes = labelled
    ? [
        ["positive", `positives${counted ? ` ${numbers[0]}` : ""}`],
        ["negative", `negatives${counted ? ` ${numbers[1]}` : ""}`],
      ]
    : [["positive", `all ${numbers[0]}`]];
  const picture = s(
    "svg",
    { width, height: 96, viewBox: `0 0 ${width} 96`, role: "img", "aria-label": label },
    sampled && s("title", null, `${positive.length} sequences of each class are drawn, evenly by rank.`),
    s("path", { class: "rcviz-axis", d: `M${PAD} 76H${width - PAD}` }),
    axis,
    parts,
    mark,
    s("text", { x: width - PAD, y: 92, "text-anchor": "end" }, filters.about.scale),
  );
  return {
    element: h("figure", null, caption(title, classes), picture),
    /** Mark a contribution, or none. */
    mark(value) {
      if (value === null) mark.removeAttribute("d");
      else mark.setAttribute("d", `M${x(value)} ${top - 4}l-4 -6h8z`);
    },
  };
}

/** Mean activation along the sequence, in each class. */
export function profileFigure(filters, index, width) {
  const profiles = filters.profiles;
  const sample = profiles?.sample ? ` ${profiles.sample}` : "";
  const title = "Mean activation along the sequence";
  if (!profiles)
    return {
      element: h("figure", null, caption(title, []), h("div", { class: "rcviz-skeleton", style: "height:96px" })),
    };
  const edges = unpack(profiles.edges).values;
  const curves = [
    ["negative", "negatives"],
    ["positive", "positives"],
    ["positive", "all"],
  ]
    .filter(([, name]) => profiles[name])
    .map(([kind, name]) => [kind, row(profiles[name], index)]);
  const [low, high] = extent([0], ...curves.map(([, curve]) => curve));
  const left = 34;
  const length = filters.about.length;
  const x = linear(0, length, left, width - PAD); // windows begin and end half a filter from the ends
  const y = linear(low, high, 76, 8);
  const lines = curves.map(([kind, curve]) => {
    const points = Array.from(
      curve,
      (value, i) => `${x((edges[i] + edges[i + 1]) / 2).toFixed(1)} ${y(value).toFixed(1)}`,
    );
    return s("path", { class: `rcviz-line-${kind}`, d: `M${points.join("L")}` });
  });
  const mark = s("path", { class: "rcviz-mark-line" });
  const levels = ticks(low, high, 2);
  const picture = s(
    "svg",
    { width, height: 96, viewBox: `0 0 ${width} 96`, role: "img", "aria-label": `${title} of filter ${index}` },
    s("path", { class: "rcviz-axis", d: `M${left} 8V76H${width - PAD}` }),
    levels.map((value) =>
      s("text", { x: left - 4, y: y(value) + 3, "text-anchor": "end" }, fixed(value, digitsOf(levels))),
    ),
    ticks(0, length, width < 300 ? 2 : 4)
      .filter((value) => value <= length)
      .map((value, place, all) =>
        s(
          "text",
          { x: Math.min(x(value), width - PAD), y: 92, "text-anchor": place === all.length - 1 ? "end" : "middle" },
          `${fixed(value, 0)}${place === all.length - 1 ? " bp" : ""}`,
        ),
      ),
    lines,
    mark,
  );
  return {
    element: h("figure", null, caption(title, []), sample && h("small", { class: "rcviz-muted" }, sample), picture),
    /** Mark a position of the sequence, or none. */
    mark(position) {
      if (position === null) mark.removeAttribute("d");
      else mark.setAttribute("d", `M${x(position).toFixed(1)} 4V76`);
    },
  };
}
