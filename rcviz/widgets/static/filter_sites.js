// The strongest sites of a filter.
import { row, unpack } from "./arrays.js";
import { h } from "./dom.js";
import { LETTERS } from "./matrices.js";
import { count, fixed } from "./text.js";

const FEW = 6;

/** Where a site lies, in the genome if that is known. */
export function placeOf(sites, sequence, start, width, narrow = false) {
  const name = sites.names?.[sequence];
  if (sites.chrom) {
    const first = unpack(sites.origin).values[sequence] + start;
    const more = name && !name.startsWith(`${sites.chrom[sequence]}:`) ? ` (${name})` : ""; // else the same again
    return `${sites.chrom[sequence]}:${first}\u2013${first + width}${more}`;
  }
  const number = unpack(sites.index).values[sequence];
  return `${narrow ? "#" : "sequence "}${number}${name ? ` (${name})` : ""}, ${start}\u2013${start + width}`;
}

/** Sites as a table; `mark(site)` is called for the site that is pointed at, or null. */
export function sitesTable(filters, index, { all, narrow, showAll, mark }) {
  const sites = filters.sites;
  if (!sites) {
    const rows = h("div", { class: "rcviz-skeleton", style: "height:126px" });
    return h("div", { class: "rcviz-sites" }, h("h4", null, "Strongest sites"), rows);
  }
  const total = unpack(sites.counts).values[index];
  if (!total) return null;
  const listed = Math.min(total, sites.letters.shape[1]);
  const [letters, sequences, starts, reverse, activations, contributions] = [
    sites.letters,
    sites.sequence,
    sites.start,
    sites.reverse,
    sites.activation,
    sites.contribution,
  ].map((block) => row(block, index));
  const width = filters.width;
  const rows = [];
  for (let place = 0; place < (all ? listed : Math.min(listed, FEW)); place++) {
    const site = { start: starts[place] + width / 2, contribution: contributions[place] };
    rows.push(
      h(
        "tr",
        { onpointerenter: () => mark(site), onpointerleave: () => mark(null) },
        h("td", { class: "rcviz-number" }, fixed(activations[place])),
        h(
          "td",
          null,
          h(
            "code",
            null,
            Array.from(letters.subarray(place * width, (place + 1) * width), (base) =>
              h("b", { class: `rcviz-${LETTERS[base] ?? "N"}` }, LETTERS[base] ?? "N"),
            ),
          ),
        ),
        h("td", null, reverse[place] ? "\u2212" : "+"),
        h("td", { class: "rcviz-place" }, placeOf(sites, sequences[place], starts[place], width, narrow)),
      ),
    );
  }
  const more =
    listed > FEW &&
    h(
      "button",
      { class: "rcviz-link", "data-key": "all", "aria-expanded": String(all), onclick: () => showAll(!all) },
      all ? "show six" : `show ${listed < total ? count(listed) : "all"}`,
    );
  return h(
    "div",
    { class: "rcviz-sites" },
    h("h4", null, "Strongest sites", h("small", null, `${count(rows.length)} of ${count(total)}`), more),
    h("div", { class: "rcviz-scroll", tabindex: all ? 0 : null }, h("table", null, h("tbody", null, rows))),
  );
}
