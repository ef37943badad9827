// The ranked list of filters: rank, logo, name, score.
import { row } from "./arrays.js";
import { h } from "./dom.js";
import { smallLogo } from "./small_logo.js";
import { signed } from "./text.js";

const ALL = 200; // up to so many rows all are in the page; of more, those in sight
const LOGO_ACROSS = 84;
const MARGIN = 8; // rows above and below those in sight

/** The list box; `choose(index)` is called for a click. */
export function filterList(id, choose) {
  const rows = h("div", { class: "rcviz-rows", role: "presentation" });
  const list = h("div", { class: "rcviz-list", role: "listbox", tabindex: 0, "aria-label": "Filters" }, rows);
  let logos = new Map();
  let drawn = { order: [], weights: null };
  let present = null;

  function logoOf(index, weights) {
    if (!logos.has(index))
      logos.set(index, smallLogo(row(weights.matrices, index), `logo of filter ${index}`, LOGO_ACROSS));
    return logos.get(index);
  }

  function bar(filters, index, largest) {
    if (!filters.listedScore) return h("span", { class: "rcviz-skeleton rcviz-score" });
    const score = filters.listedScore[index];
    const part = h("i", { class: `rcviz-bar${score < 0 ? " rcviz-below" : ""}` });
    part.style.width = `${Math.round((26 * Math.abs(score)) / (largest || 1))}px`;
    return h("span", { class: "rcviz-score" }, part, h("span", null, signed(score, filters.digits)));
  }

  function nameOf(filters, index) {
    if (!filters.motifNames) return h("span", { class: "rcviz-skeleton" });
    const name = filters.motifNames[index];
    return name ? h("b", { title: name }, name) : h("span", { class: "rcviz-nameless" }, "no name");
  }

  function option(filters, order, place, largest) {
    const index = order[place];
    const cell = h(
      "div",
      {
        role: "option",
        id: `${id}-${index}`,
        "data-id": index,
        "aria-posinset": place + 1,
        "aria-setsize": order.length,
        "aria-selected": "false",
      },
      h("span", { class: "rcviz-rank" }, place + 1),
      logoOf(index, filters.weights),
      h("span", { class: "rcviz-name" }, h("small", null, index), nameOf(filters, index)),
      bar(filters, index, largest),
    );
    cell.style.setProperty("--place", place);
    return cell;
  }

  function inSight(n) {
    if (n <= ALL) return [0, n];
    const across = getComputedStyle(list).getPropertyValue("--across").trim() === "1";
    const [at, size, step] = across
      ? [list.scrollLeft, list.clientWidth, 130]
      : [list.scrollTop, list.clientHeight, 38];
    const first = Math.max(0, Math.floor(at / step) - MARGIN);
    return [first, Math.min(n, Math.ceil((at + (size || 700)) / step) + MARGIN)];
  }

  function fill() {
    const { filters, order, state } = present;
    const largest = filters.listedScore?.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
    const [first, last] = inSight(order.length);
    rows.style.setProperty("--count", order.length);
    const cells = [];
    for (let place = first; place < last; place++) cells.push(option(filters, order, place, largest));
    if (!order.length) cells.push(h("p", { class: "rcviz-empty" }, `No filter matches \u201c${state.search}\u201d.`));
    rows.replaceChildren(...cells);
    drawn = { order, filters: signature(filters), first, last };
  }

  const signature = (filters) => [filters.weights, filters.scores, filters.names, filters.silenced];
  const same = (one, other) => one.length === other?.length && one.every((value, place) => value === other[place]);

  function mark(scroll) {
    const { order, state } = present;
    for (const cell of rows.children) {
      const index = Number(cell.dataset.id);
      const chosen = String(index === state.filter);
      if (cell.getAttribute("aria-selected") !== chosen) cell.setAttribute("aria-selected", chosen);
      cell.classList.toggle("rcviz-pinned", index === state.pinned);
    }
    list.setAttribute("aria-activedescendant", `${id}-${state.filter}`);
    if (scroll) reveal(order.indexOf(state.filter));
  }

  function reveal(place) {
    if (place < 0) return;
    const across = getComputedStyle(list).getPropertyValue("--across").trim() === "1";
    const [start, size, step] = across ? ["scrollLeft", list.clientWidth, 130] : ["scrollTop", list.clientHeight, 38];
    const from = place * step;
    if (from < list[start]) list[start] = from;
    else if (from + step + 8 > list[start] + size) list[start] = from + step + 8 - size;
  }

  list.addEventListener("scroll", () => {
    if (!present || present.order.length <= ALL) return;
    const [first, last] = inSight(present.order.length);
    if (first < drawn.first + MARGIN / 2 || last > drawn.last - MARGIN / 2) {
      fill();
      mark(false);
    }
  });
  list.addEventListener("click", (event) => {
    const cell = event.target.closest("[role=option]");
    if (cell) choose(Number(cell.dataset.id));
    list.focus({ preventScroll: true });
  });

  return {
    element: list,
    draw(filters, order, state) {
      if (present?.filters.weights !== filters.weights) logos = new Map();
      const moved = present?.state.filter !== state.filter;
      present = { filters, order, state };
      const changed = !same(order, drawn.order) || !same(signature(filters), drawn.filters);
      if (moved || changed) reveal(order.indexOf(state.filter));
      const [first, last] = inSight(order.length);
      if (changed || first < drawn.first || last > drawn.last) fill();
      mark(moved || changed);
    },
  };
}
