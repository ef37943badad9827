// Learning curves on one axis of epochs: hover for numbers, drag to zoom.
import { h, s } from "./dom.js";
import { digitsOf, linear, ticks } from "./scales.js";
import { count, fixed } from "./text.js";
import { axisEnd, linePath, pointsOf, valueRange, wholeEpochs } from "./training_data.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [46, 14, 16, 34];
const COLORS = 6;

/** Class of the colour of a run. */
export function colorOf(number) {
  return `rcviz-run-${((number - 1) % COLORS) + 1}`;
}

/** Number of digits that tell epochs of a metric apart. */
const DIGITS = 4;

/** What a run has at an epoch, as text. */
export function valuesAt(run, epoch) {
  const at = (values) => (values && epoch >= 1 && epoch <= run.n ? fixed(values[epoch - 1], DIGITS) : "\u2013");
  return [at(run.valid), at(run.train)];
}

/** The chart; `onCursor(epoch)` is called when another epoch, or none (null), is pointed at. */
export function trainingChart(onCursor) {
  const layer = s("g");
  const cursor = s("g", { class: "rcviz-epoch" });
  const brush = s("rect", { class: "rcviz-brush", y: TOP });
  const svg = s(
    "svg",
    { tabindex: 0, role: "slider", "aria-label": "Epoch", "data-key": "chart" },
    layer,
    brush,
    cursor,
  );
  const whole = h("button", { class: "rcviz-link", hidden: true, onclick: () => zoomTo(null) }, "all epochs");
  const name = h("b");
  const epochs = h("span", { class: "rcviz-muted" });
  const legend = h("span", { class: "rcviz-legend" });
  const figure = h("figure", { class: "rcviz-curves" }, h("figcaption", null, name, epochs, whole, legend), svg);
  const local = { zoom: null, epoch: null, lit: null, drag: null };
  let view = null;

  legend.append(
    ...[
      ["rcviz-solid", "validation"],
      ["rcviz-dotted", "training"],
    ].map(([kind, text]) =>
      h("span", null, s("svg", { width: 22, height: 8 }, s("path", { class: kind, d: "M0 4H22" })), text),
    ),
    h("span", null, s("svg", { width: 9, height: 9 }, s("circle", { cx: 4.5, cy: 4.5, r: 3.5 })), "best epoch"),
  );

  function zoomTo(zoom) {
    const hadFocus = document.activeElement === whole;
    local.zoom = zoom && zoom[1] > zoom[0] ? zoom : null;
    draw(view);
    if (hadFocus) svg.focus({ preventScroll: true }); // the button is gone
  }

  function point(epoch) {
    const most = Math.max(...view.runs.map((run) => run.n), 1);
    local.epoch = epoch === null ? null : Math.min(Math.max(Math.round(epoch), 1), most);
    drawCursor();
    onCursor(local.epoch);
  }

  function drawCursor() {
    cursor.replaceChildren();
    const { x, y, runs, height, label } = view;
    svg.setAttribute("aria-valuenow", local.epoch ?? 0);
    const inside = local.epoch !== null && local.epoch >= view.first - 0.5 && local.epoch <= view.last + 0.5;
    if (!inside) {
      svg.setAttribute("aria-valuetext", "no epoch");
      return;
    }
    const at = x(local.epoch);
    const dots = runs.flatMap((run) =>
      [run.valid, run.train].map(
        (values) =>
          Number.isFinite(values?.[local.epoch - 1]) &&
          s("circle", { class: colorOf(run.number), cx: at, cy: y(values[local.epoch - 1]), r: 3 }),
      ),
    );
    const left = at > view.width - 90;
    cursor.append(
      s("path", { d: `M${at} ${TOP}V${height - BOTTOM}` }),
      ...dots.filter(Boolean),
      s(
        "text",
        { x: at + (left ? -5 : 5), y: TOP + 9, "text-anchor": left ? "end" : "start" },
        `epoch ${count(local.epoch)}`,
      ),
    );
    const said = runs.map((run) => {
      const [valid, train] = valuesAt(run, local.epoch);
      return `${run.name}: validation ${valid}, training ${train}`;
    });
    svg.setAttribute("aria-valuetext", `epoch ${local.epoch}, ${label}; ${said.join("; ")}`);
  }

  function axes({ x, y, width, height, first, last, low, high }) {
    const levels = ticks(low, high, 4).filter((value) => value >= low && value <= high);
    const marks = ticks(first, last, width < 420 ? 4 : 8).filter((epoch) => Number.isInteger(epoch) && epoch >= 1);
    if (first < 2 && !(marks[0] < 3)) marks.unshift(1);
    return [
      levels.map((value) => [
        s("path", { class: "rcviz-grid", d: `M${LEFT} ${y(value).toFixed(1)}H${width - RIGHT}` }),
        s("text", { x: LEFT - 6, y: y(value) + 3, "text-anchor": "end" }, fixed(value, digitsOf(levels))),
      ]),
      s("path", { class: "rcviz-axis", d: `M${LEFT} ${TOP}V${height - BOTTOM}H${width - RIGHT}` }),
      marks.map((epoch) => [
        s("path", { class: "rcviz-axis", d: `M${x(epoch)} ${height - BOTTOM}v4` }),
        s("text", { x: x(epoch), y: height - BOTTOM + 15, "text-anchor": "middle" }, count(epoch)),
      ]),
      s("text", { x: width - RIGHT, y: height - 4, "text-anchor": "end" }, "epoch"),
    ];
  }

  function drawCurve(run, { x, y, first, last, width, front }) {
    const parts = [];
    for (const [values, kind] of [
      [run.train, "rcviz-dotted"],
      [run.valid, "rcviz-solid"],
    ]) {
      const points = pointsOf(values, first, last, width - LEFT - RIGHT);
      const known = points.filter(([, value]) => Number.isFinite(value));
      parts.push(s("path", { class: kind, d: linePath(points, x, y) }));
      if (known.length === 1) {
        parts.push(s("circle", { class: kind, cx: x(known[0][0]), cy: y(known[0][1]), r: 2.5 }));
      }
    }
    return s("g", { class: `${colorOf(run.number)}${front ? " rcviz-front" : ""}`, "data-run": run.number }, parts);
  }

  function drawBest(run, { x, y, first, last, width, height, front, lower }) {
    const value = run.valid[run.best - 1];
    if (!Number.isFinite(value) || run.best < first || run.best > last) return null;
    const dot = s("circle", { class: `rcviz-best ${colorOf(run.number)}`, cx: x(run.best), cy: y(value), r: 4.5 });
    if (!front) return dot;
    const text = `best epoch ${count(run.best)}: ${fixed(value, DIGITS)}`;
    const half = 3.1 * text.length;
    const at = Math.min(Math.max(x(run.best), LEFT + half + 4), width - RIGHT - half);
    // Above the point, or below it where a small value is a good one.
    const below = lower ? y(value) + 20 < height - BOTTOM : y(value) - 12 < TOP;
    return [
      dot,
      s("rect", {
        class: "rcviz-behind",
        x: at - half - 3,
        y: y(value) + (below ? 8 : -20),
        width: 2 * half + 6,
        height: 13,
      }),
      s("text", { class: "rcviz-best-label", x: at, y: y(value) + (below ? 18 : -10), "text-anchor": "middle" }, text),
    ];
  }

  /** Draw `runs`; `end` is the last planned epoch of the latest, if known; `empty` is said where there is nothing. */
  function draw(next) {
    view = next;
    const { width, height, metric, empty } = next;
    const runs = next.all.filter((run) => run.shown && run.valid && run.n);
    const n = Math.max(0, ...runs.map((run) => run.n));
    const last = local.zoom ? Math.min(local.zoom[1], Math.max(n, 2)) : axisEnd(n, next.end);
    const first = local.zoom ? Math.min(local.zoom[0], last - 1) : 1;
    const [low, high] = valueRange(
      runs.flatMap((run) => [run.valid, run.train]),
      first,
      last,
    );
    const x = linear(first, last, LEFT, width - RIGHT);
    const y = linear(low, high, height - BOTTOM, TOP);
    const label = metric?.[1] ?? "";
    const front = runs.find((run) => run.number === local.lit) ?? runs.at(-1);
    Object.assign(view, { runs, x, y, first, last, label });
    for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
      svg.setAttribute(key, value);
    }
    svg.setAttribute("aria-valuemin", 1);
    svg.setAttribute("aria-valuemax", Math.max(n, 1));
    name.textContent = label;
    whole.hidden = !local.zoom;
    epochs.textContent = local.zoom ? `epochs ${count(Math.ceil(first))} to ${count(Math.floor(last))}` : "";
    const shape = { x, y, width, height, first, last, low, high, lower: metric?.[2] };
    const ordered = [...runs.filter((run) => run !== front), ...(front ? [front] : [])];
    const each = (part) => ordered.map((run) => part(run, { ...shape, front: run === front }));
    const [across, down] = [width - LEFT - RIGHT, height - TOP - BOTTOM];
    // An svg of its own cuts lines off at the ends of what is drawn.
    const plot = { x: LEFT, y: 0, width: across, height, viewBox: `${LEFT} 0 ${across} ${height}` };
    const nothing = { class: "rcviz-nothing", x: LEFT + across / 2, y: TOP + down / 2, "text-anchor": "middle" };
    brush.setAttribute("height", down);
    layer.replaceChildren(
      ...(runs.length
        ? [s("g", null, axes(shape)), s("svg", plot, each(drawCurve)), s("g", null, each(drawBest))]
        : [
            s("path", { class: "rcviz-axis", d: `M${LEFT} ${TOP}V${height - BOTTOM}H${width - RIGHT}` }),
            s("text", nothing, empty),
          ]),
    );
    drawCursor();
  }

  const epochAt = (event) => {
    const box = svg.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / Math.max(1, view.width - LEFT - RIGHT);
    return view.first + Math.min(Math.max(share, 0), 1) * (view.last - view.first);
  };
  svg.addEventListener("pointermove", (event) => {
    if (!view?.runs.length) return;
    const epoch = epochAt(event);
    if (local.drag !== null) {
      const [from, to] = [local.drag, epoch].sort((one, other) => one - other);
      brush.setAttribute("x", view.x(from));
      brush.setAttribute("width", Math.max(0, view.x(to) - view.x(from)));
    }
    point(epoch);
  });
  svg.addEventListener("pointerleave", () => local.drag === null && view && point(null));
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !view?.runs.length) return;
    local.drag = epochAt(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointerup", (event) => {
    if (local.drag === null) return;
    const [from, to] = [local.drag, epochAt(event)].sort((one, other) => one - other);
    endDrag();
    if (view.x(to) - view.x(from) > 6) zoomTo(wholeEpochs(from, to));
  });
  svg.addEventListener("pointercancel", () => endDrag());
  svg.addEventListener("dblclick", () => zoomTo(null));
  function endDrag() {
    local.drag = null;
    brush.setAttribute("width", 0);
  }

  /** Handle a key: arrows move the epoch, plus and minus zoom, zero shows all; returns whether it was used. */
  function onKey(key) {
    if (!view?.runs.length) return false;
    const most = Math.max(...view.runs.map((run) => run.n));
    const now = local.epoch ?? view.runs.at(-1).best;
    const to = {
      ArrowRight: now + 1,
      ArrowLeft: now - 1,
      PageDown: now + 10,
      PageUp: now - 10,
      Home: 1,
      End: most,
    }[key];
    if (to !== undefined) {
      point(local.epoch === null && key.startsWith("Arrow") ? now : to);
      if (local.zoom && (local.epoch < view.first || local.epoch > view.last)) {
        const by = local.epoch < view.first ? local.epoch - view.first : local.epoch - view.last;
        zoomTo([view.first + by, view.last + by]);
      }
      return true;
    }
    if (key === "+" || key === "-" || key === "=") {
      const half = ((view.last - view.first) / 2) * (key === "-" ? 2 : 0.5);
      const middle = local.epoch ?? (view.first + view.last) / 2;
      const zoom = wholeEpochs(Math.max(1, middle - half), Math.min(Math.max(most, 2), middle + half));
      zoomTo(key === "-" && zoom[0] === 1 && zoom[1] >= most ? null : zoom);
      return true;
    }
    if (key === "0") zoomTo(null);
    return key === "0";
  }

  return {
    element: figure,
    draw,
    onKey,
    /** Epoch that is pointed at, or null. */
    epoch: () => local.epoch,
    /** Draw a run in front, or (null) the latest. */
    light(number) {
      if (local.lit === number) return;
      local.lit = number;
      if (view) draw(view);
    },
  };
}
