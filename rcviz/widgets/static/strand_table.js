// The listed sequences: label, name, both predictions, gap.
import { h, s } from "./dom.js";
import { linear } from "./scales.js";
import { digitsOfScale, gapText, labelOf, predictionRange, sequenceName } from "./strand_data.js";
import { count, fixed } from "./text.js";

const ROW = 22; // pixels
const SPARE = 10; // rows above and below those in sight
const DUMBBELL = 120;

/** Draw both predictions as points on a line. */
export function dumbbell(forward, reverse, x, threshold, label) {
  const [one, other] = [x(forward), x(reverse)];
  return s(
    "svg",
    { width: DUMBBELL, height: ROW - 2, viewBox: `0 0 ${DUMBBELL} ${ROW - 2}`, role: "img", "aria-label": label },
    threshold !== null && s("path", { class: "rcviz-threshold", d: `M${x(threshold)} 0v${ROW - 2}` }),
    s("path", { class: "rcviz-bond", d: `M${one} 10H${other}` }),
    s("circle", { class: "rcviz-reverse", cx: other, cy: 10, r: 3.8 }),
    s("circle", { class: "rcviz-forward", cx: one, cy: 10, r: 4 }),
  );
}

/** The table; `look(index)` is called for a click, `point(index or null)` for the row that is pointed at. */
export function strandTable(id, { look, point }) {
  const head = h("div", { class: "rcviz-row rcviz-head", role: "row" });
  const rows = h("div", { class: "rcviz-strand-rows", role: "rowgroup" });
  const grid = h(
    "div",
    { class: "rcviz-strand-table", role: "grid", tabindex: 0, "aria-label": "Sequences, largest gap first" },
    h("div", { role: "rowgroup", class: "rcviz-headgroup" }, head),
    rows,
  );
  let present = null;
  let drawn = {};

  function line(place) {
    const { strands, order, x, colors, digits } = present;
    const { points, sequences, about } = strands;
    const each = points.sorting;
    const index = order[place];
    const [forward, reverse] = [each.forward[index], each.reverse[index]];
    const said = `${fixed(forward, digits)} forward, ${fixed(reverse, digits)} reverse`;
    const dot = h("i", { class: "rcviz-dot", title: labelOf(strands, index) });
    dot.style.background = colors[points.group[index]];
    const cell = h(
      "div",
      {
        role: "row",
        class: "rcviz-row",
        id: `${id}-${index}`,
        "data-sequence": index,
        "aria-rowindex": place + 2,
        "aria-selected": "false",
      },
      h("span", { role: "gridcell", class: "rcviz-rank" }, count(place + 1)),
      h("span", { role: "gridcell" }, dot),
      h("span", { role: "gridcell", class: "rcviz-name" }, sequenceName(sequences, index, about.length)),
      h("span", { role: "gridcell", title: said }, dumbbell(forward, reverse, x, each.threshold, said)),
      h("span", { role: "gridcell", class: "rcviz-number" }, gapText(each.gap[index])),
    );
    cell.style.setProperty("--place", place);
    return cell;
  }

  function inSight() {
    const n = present.order.length;
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
    return [first, Math.min(n, Math.ceil((grid.scrollTop + (grid.clientHeight || 240)) / ROW) + SPARE)];
  }

  function fill() {
    const [first, last] = inSight();
    rows.style.setProperty("--count", present.order.length);
    grid.setAttribute("aria-rowcount", present.order.length + 1);
    const cells = [];
    for (let place = first; place < last; place++) cells.push(line(place));
    rows.replaceChildren(...cells);
    Object.assign(drawn, { first, last });
    mark();
  }

  function mark() {
    const chosen = present.strands.state.sequence;
    for (const cell of rows.children) {
      cell.setAttribute("aria-selected", String(Number(cell.dataset.sequence) === chosen));
    }
    grid.setAttribute("aria-activedescendant", `${id}-${chosen}`);
  }

  function reveal(place) {
    if (place < 0) return;
    const room = grid.clientHeight - ROW; // below the head
    if (place * ROW < grid.scrollTop) grid.scrollTop = place * ROW;
    else if ((place + 1) * ROW > grid.scrollTop + room) grid.scrollTop = (place + 1) * ROW - room;
  }

  grid.addEventListener("scroll", () => {
    if (!present) return;
    const [first, last] = inSight();
    if (first < drawn.first || last > drawn.last) fill();
  });
  rows.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-sequence]");
    if (cell) look(Number(cell.dataset.sequence));
    grid.focus({ preventScroll: true });
  });
  rows.addEventListener("pointerover", (event) => {
    const cell = event.target.closest("[data-sequence]");
    point(cell ? Number(cell.dataset.sequence) : null);
  });
  rows.addEventListener("pointerleave", () => point(null));

  return {
    element: grid,
    draw(strands, order, colors) {
      const { points, state, sequences } = strands;
      const each = points.sorting;
      const range = predictionRange(each.scale, each.forward, each.reverse);
      const digits = digitsOfScale(each);
      const now = { order, forward: each.forward, group: points.group, colors: colors.join(), sequences };
      const changed = Object.keys(now).some((key) => now[key] !== drawn[key]);
      const moved = changed || present?.strands.state.sequence !== state.sequence;
      present = { strands, order, colors, digits, x: linear(...range, 5, DUMBBELL - 5) };
      if (moved) reveal(order.indexOf(state.sequence));
      if (changed) {
        const ends = each.scale === "probability" ? [0, 1] : range;
        const text = (end) => fixed(end, each.scale === "probability" ? 0 : digits);
        const what = each.scale === "probability" ? "" : `${each.scale} `;
        head.replaceChildren(
          h("span", { role: "columnheader" }, "#"),
          h("span", { role: "columnheader", "aria-label": "label" }),
          h("span", { role: "columnheader" }, "sequence"),
          h(
            "span",
            { role: "columnheader", class: "rcviz-key" },
            h("span", { class: "rcviz-range" }, `${what}${ends.map(text).join(" \u2013 ")}`),
            h("i", { class: "rcviz-dot rcviz-ink" }),
            "fwd",
            h("i", { class: "rcviz-dot rcviz-hollow" }),
            "rev",
          ),
          h("span", { role: "columnheader", class: "rcviz-number" }, "gap"),
        );
        drawn = now;
        fill();
      } else {
        const [first, last] = inSight();
        if (first < drawn.first || last > drawn.last) fill();
        else mark();
      }
    },
  };
}
