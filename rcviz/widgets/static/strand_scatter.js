// Forward against reverse predictions of one model: points to look at, and to draw around.
import { h, refill, s } from "./dom.js";
import { inside, nearest, thinned } from "./points.js";
import { digitsOfScale, gapText, predictionRange } from "./strand_data.js";
import { linear } from "./scales.js";
import { count, fixed, plural } from "./text.js";

const [LEFT, BOTTOM, TOP, RIGHT] = [30, 30, 4, 4]; // room for the axes
const NEAR = 9; // pixels between the pointer and a point that is meant

/** Colour of each group of labels, on the page as it is now. */
export function groupColors(root, groups) {
  const style = getComputedStyle(root);
  const named = { positive: "--pos", negative: "--neg", unknown: "--unknown" };
  return groups.map((group) => group[root.dataset.theme] ?? style.getPropertyValue(named[group.name]).trim());
}

/**
 * The panel of a model. `look(index)` is called for a click on a point, `select(indices, add)` for an outline or a
 * click with Shift, `clear()` for a click on nothing, `point(index or null)` for what is pointed at.
 */
export function scatterPanel(name, { look, select, clear, point }) {
  const caption = h("figcaption");
  const canvas = h("canvas", { "data-model": name, role: "img" });
  const ring = s("circle", { class: "rcviz-ring", r: 5.5, visibility: "hidden" });
  const hover = s("circle", { class: "rcviz-ring-hover", r: 5.5, visibility: "hidden" });
  const lasso = s("path", { class: "rcviz-lasso" });
  const frame = s("g");
  const overlay = s("svg", { class: "rcviz-overlay", "aria-hidden": "true" }, frame, lasso, hover, ring);
  const plot = h("div", { class: "rcviz-plot" }, canvas, overlay);
  const element = h("figure", { class: "rcviz-scatter" }, caption, plot);
  let present = null;
  let zoomed = null; // the range that is shown, if not all
  let drawn = {};
  let [xs, ys] = [new Float32Array(0), new Float32Array(0)]; // in pixels of the page, from the corner of the canvas

  function range() {
    const { each } = present;
    return zoomed ?? { x: each.range, y: each.range };
  }

  function scales() {
    const { size } = present;
    const shown = range();
    return [linear(...shown.x, 0, size), linear(...shown.y, size, 0)];
  }

  function place() {
    const { each } = present;
    const [x, y] = scales();
    xs = Float32Array.from(each.forward, x);
    ys = Float32Array.from(each.reverse, y);
  }

  function paint() {
    const { each, points, size, selected, colors } = present;
    const dense = window.devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(size * dense);
    canvas.style.width = canvas.style.height = `${size}px`;
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    const n = each.forward.length;
    const many = n > 1500;
    const radius = n > 20000 ? 1 : many ? 1.6 : n > 400 ? 2.2 : 2.8;
    const kinds = selected ? points.group.map((group, i) => (selected.has(i) ? group + 128 : group)) : points.group;
    const order = thinned(xs, ys, kinds, size, many ? 1 / dense : 0.5, many ? 3 : 8);
    for (const chosen of selected ? [false, true] : [true]) {
      pen.globalAlpha = chosen ? (many ? 0.5 : 0.65) : 0.13;
      let last = -1;
      for (const i of order) {
        if (selected && selected.has(i) !== chosen) continue;
        if (points.group[i] !== last) {
          last = points.group[i];
          pen.fillStyle = colors[last];
        }
        if (many) pen.fillRect(xs[i] - radius, ys[i] - radius, 2 * radius, 2 * radius);
        else {
          pen.beginPath();
          pen.arc(xs[i], ys[i], radius, 0, 6.2832);
          pen.fill();
        }
      }
    }
  }

  function drawFrame() {
    const { each, size } = present;
    const [x, y] = scales();
    const shown = range();
    const digits = zoomed ? digitsOfScale(each) + 1 : each.scale === "probability" ? 0 : digitsOfScale(each);
    const ends = zoomed || each.scale !== "probability" ? shown.x : [0, 1];
    const sides = zoomed || each.scale !== "probability" ? shown.y : [0, 1];
    const diagonal = [Math.max(shown.x[0], shown.y[0]), Math.min(shown.x[1], shown.y[1])];
    const middle = each.threshold;
    const lines = [];
    if (middle !== null && middle > shown.x[0] && middle < shown.x[1]) lines.push(`M${x(middle)} 0V${size}`);
    if (middle !== null && middle > shown.y[0] && middle < shown.y[1]) lines.push(`M0 ${y(middle)}H${size}`);
    const text = (value) => fixed(value, digits);
    refill(
      frame,
      s("path", { class: "rcviz-frame", d: `M0 0H${size}V${size}H0Z` }),
      lines.length ? s("path", { class: "rcviz-threshold", d: lines.join("") }) : null,
      diagonal[0] < diagonal[1] &&
        s("path", {
          class: "rcviz-axis",
          d: `M${x(diagonal[0])} ${y(diagonal[0])}L${x(diagonal[1])} ${y(diagonal[1])}`,
        }),
      s("text", { x: x(ends[0]), y: size + 12, "text-anchor": "middle" }, text(ends[0])),
      s("text", { x: x(ends[1]), y: size + 12, "text-anchor": "end" }, text(ends[1])),
      s("text", { x: size / 2, y: size + 22, "text-anchor": "middle" }, "forward"),
      s("text", { x: -4, y: y(sides[0]), "text-anchor": "end" }, text(sides[0])),
      s("text", { x: -4, y: y(sides[1]) + 8, "text-anchor": "end" }, text(sides[1])),
      s("text", { x: -12, y: size / 2, "text-anchor": "middle", transform: `rotate(-90 -12 ${size / 2})` }, "reverse"),
    );
  }

  function mark(circle, index) {
    const at = index !== null && index < xs.length && xs[index] >= 0 && ys[index] >= 0;
    const seen = at && xs[index] <= present.size && ys[index] <= present.size;
    circle.setAttribute("visibility", seen ? "visible" : "hidden");
    if (!seen) return;
    circle.setAttribute("cx", xs[index].toFixed(1));
    circle.setAttribute("cy", ys[index].toFixed(1));
  }

  function zoom(factor, at) {
    const { each, size } = present;
    const shown = range();
    const around = (axis, share) => {
      const width = (shown[axis][1] - shown[axis][0]) * factor;
      const fixedPoint = shown[axis][0] + share * (shown[axis][1] - shown[axis][0]);
      return [fixedPoint - share * width, fixedPoint + (1 - share) * width];
    };
    const next = { x: around("x", at[0] / size), y: around("y", 1 - at[1] / size) };
    const whole = each.range[1] - each.range[0];
    zoomed = next.x[1] - next.x[0] >= whole * 0.99 ? null : next;
    redraw();
  }

  function redraw() {
    place();
    drawFrame();
    paint();
    mark(ring, present.marked);
    drawCaption();
  }

  function drawCaption() {
    const { each } = present;
    const flips = each.flips === null ? "" : ` \u00b7 ${plural(each.flips, "flip")}`;
    const scale = each.scale === "probability" ? "" : ` (${each.scale})`;
    refill(
      caption,
      h("b", { title: name }, name),
      h("span", null, `${scale} mean gap ${gapText(each.mean_gap)}${flips}`),
      zoomed && h("button", { class: "rcviz-link", "data-key": `zoom ${name}`, onclick: reset }, "whole"),
    );
  }

  function reset() {
    zoomed = null;
    redraw();
  }

  // Pointer: a click looks, a drag draws an outline.
  let outline = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !present) return;
    outline = [at(event)];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!present) return;
    const here = at(event);
    if (!outline) {
      const index = nearest(xs, ys, ...here, NEAR);
      canvas.style.cursor = index < 0 ? "crosshair" : "pointer";
      point(index < 0 ? null : index);
      return;
    }
    const last = outline[outline.length - 1];
    if (Math.hypot(here[0] - last[0], here[1] - last[1]) < 3) return;
    outline.push(here);
    point(null);
    lasso.setAttribute("d", `M${outline.map((corner) => corner.map((v) => v.toFixed(1)).join(" ")).join("L")}Z`);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!outline) return;
    const drawnAround = outline;
    outline = null;
    lasso.removeAttribute("d");
    if (drawnAround.length > 2) return select(inside(xs, ys, drawnAround), event.shiftKey);
    const index = nearest(xs, ys, ...drawnAround[0], NEAR);
    if (index < 0) clear();
    else if (event.shiftKey) select([index], true);
    else look(index);
  });
  canvas.addEventListener("pointercancel", () => {
    outline = null;
    lasso.removeAttribute("d");
  });
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("dblclick", () => present && reset());
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!present || !(event.ctrlKey || event.metaKey)) return; // else the page scrolls
      event.preventDefault();
      zoom(Math.exp(Math.max(-0.5, Math.min(0.5, event.deltaY * 0.01))), at(event));
    },
    { passive: false },
  );

  return {
    element,
    /** Draw; what is unchanged stays. `selected` is a set of numbers or null, `marked` the sequence that is shown. */
    draw({ each, points, width, selected, marked, colors }) {
      const size = width - LEFT - RIGHT;
      const block = each.forward;
      const before = drawn;
      drawn = { block, size, selected, colors: colors.join(), scale: each.scale };
      const same = Object.keys(drawn).every((key) => drawn[key] === before[key]);
      if (same) {
        present.marked = marked;
        return mark(ring, marked);
      }
      if (block !== before.block) zoomed = null;
      const shown = { ...each, range: predictionRange(each.scale, each.forward, each.reverse) };
      present = { each: shown, points, size, selected, marked, colors };
      element.style.width = `${width}px`;
      plot.style.padding = `${TOP}px ${RIGHT}px ${BOTTOM}px ${LEFT}px`;
      for (const [key, value] of Object.entries({ left: LEFT, top: TOP })) overlay.style[key] = `${value}px`;
      overlay.setAttribute("width", size);
      overlay.setAttribute("height", size);
      canvas.setAttribute(
        "aria-label",
        `${name}: predictions for the reverse complement against those for the forward strand, ${count(block.length)} sequences`,
      );
      redraw();
    },
    /** Mark a sequence that is pointed at, or none. */
    point(index) {
      if (present) mark(hover, index);
    },
    /** Zoom around the sequence that is shown. */
    zoom(factor) {
      if (!present) return;
      const known = present.marked < xs.length;
      zoom(factor, known ? [xs[present.marked], ys[present.marked]] : [present.size / 2, present.size / 2]);
    },
    reset: () => present && reset(),
  };
}
