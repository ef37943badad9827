// Where the attributions of a sequence are, and which positions are drawn.
import { refill, s } from "./dom.js";
import { linear } from "./scales.js";
import { placeInGenome } from "./strand_data.js";
import { count } from "./text.js";

/** A position of the sequence that is shown, in the genome if that is known. */
export function positionText({ sequences, state }, position) {
  const place = placeInGenome(sequences, state.sequence);
  return place ? `${place[0]}:${count(place[1] + position)}` : `${count(position)}`;
}

/** Largest attribution in each of some columns, as a share of the largest of its model. */
function sizesOf(detail, length, columns) {
  const sizes = new Float64Array(columns);
  for (const each of Object.values(detail?.models ?? {})) {
    if (!each.forward) continue;
    let most = 0;
    for (let i = 0; i < length; i++) most = Math.max(most, Math.abs(each.forward[i]), Math.abs(each.reverse[i]));
    for (let i = 0; i < length; i++) {
      const column = Math.min(columns - 1, Math.floor((i * columns) / length));
      const size = Math.max(Math.abs(each.forward[i]), Math.abs(each.reverse[i])) / (most || 1);
      sizes[column] = Math.max(sizes[column], size);
    }
  }
  return sizes;
}

/** The strip; `move({start, window})` is called while it is dragged, `end()` afterwards. */
export function strandOverview({ move, end }) {
  const element = s("svg", {
    class: "rcviz-overview",
    role: "slider",
    tabindex: 0,
    "aria-label": "Positions that are drawn",
  });
  let present = null;
  let moving = null; // where a drag began, and what it moves

  function draw(next) {
    present = next;
    const { strands, width, shown, marks = [] } = present;
    const { about, detail } = strands;
    const [height, top] = [40, 24];
    const x = linear(0, about.length, 0, width);
    const sizes = sizesOf(detail, about.length, Math.max(1, Math.min(about.length, Math.round(width / 2))));
    let path = `M0 ${top}`;
    sizes.forEach((size, column) => {
      path += `L${(((column + 0.5) * width) / sizes.length).toFixed(1)} ${(top - 22 * size).toFixed(1)}`;
    });
    const { start, window } = shown;
    const whole = window >= about.length || (!detail && strands.state.position === null);
    const [from, to] = [x(start), x(start + window)];
    element.setAttribute("width", width);
    element.setAttribute("height", height);
    element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    element.setAttribute("aria-valuemin", 0);
    element.setAttribute("aria-valuemax", about.length - window);
    element.setAttribute("aria-valuenow", start);
    const ends = `${positionText(strands, start)}\u2013${positionText(strands, start + window)
      .split(":")
      .at(-1)}`;
    element.setAttribute("aria-valuetext", ends);
    const roomy = width > 450; // for what stands at both ends
    const middle = roomy ? Math.min(Math.max((from + to) / 2, 150), width - 180) : width / 2;
    refill(
      element,
      s("path", { class: "rcviz-hills", d: `${path}L${width} ${top}Z` }),
      s("path", { class: "rcviz-axis", d: `M0 ${top}H${width}` }),
      marks.map((at) => s("path", { class: "rcviz-handle", d: `M${x(at + 0.5)} ${top - 4}v8` })),
      !whole && s("rect", { class: "rcviz-drawn-part", x: from, y: 1, width: Math.max(4, to - from), height: top }),
      !whole && s("path", { class: "rcviz-handle", d: `M${from} 8v10M${to} 8v10` }),
      roomy && s("text", { x: 0, y: 36 }, "0"),
      roomy && s("text", { x: width, y: 36, "text-anchor": "end" }, `${count(about.length)} bp`),
      s(
        "text",
        { x: middle, y: 36, "text-anchor": "middle" },
        whole ? ends : `${ends} \u00b7 ${count(window)} of ${count(about.length)} bp`,
      ),
    );
  }

  // Moving the window.
  function baseAt(event) {
    const box = element.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * present.strands.about.length;
  }
  element.addEventListener("pointerdown", (event) => {
    if (event.button || !present) return;
    const { start, window } = present.shown;
    const base = baseAt(event);
    const near = (6 / present.width) * present.strands.about.length;
    const what = Math.abs(base - start) < near ? "start" : Math.abs(base - start - window) < near ? "end" : "all";
    const within = base >= start && base <= start + window;
    moving = { what, base: within || what !== "all" ? base : null, start, window };
    element.setPointerCapture(event.pointerId);
    if (!within && what === "all") moveTo(event);
  });
  function moveTo(event) {
    const { length } = present.strands.about;
    const base = baseAt(event);
    let { start, window } = moving;
    if (moving.what === "all")
      start = Math.round(moving.base === null ? base - window / 2 : start + base - moving.base);
    else {
      const end = start + window;
      if (moving.what === "start") start = Math.round(Math.min(Math.max(0, base), end - 10));
      window = moving.what === "start" ? end - start : Math.round(Math.min(Math.max(10, base - start), length - start));
    }
    start = Math.min(Math.max(0, start), length - window);
    move({ start, window });
  }
  element.addEventListener("pointermove", (event) => moving && moveTo(event));
  element.addEventListener("pointerup", () => {
    if (!moving) return;
    moving = null;
    end();
  });
  element.addEventListener("pointercancel", () => {
    moving = null;
  });

  return { element, draw };
}
