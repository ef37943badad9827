// Everything about one filter.
import { row, unpack } from "./arrays.js";
import { h, refill } from "./dom.js";
import { contributionFigure, profileFigure } from "./filter_figures.js";
import { sitesTable } from "./filter_sites.js";
import { tracksOf } from "./filter_tracks.js";
import { isWarning, verdictPanel, verdictText } from "./filter_verdict.js";
import { fixed, percent, signed } from "./text.js";

const STRANDS = [
  ["+", "+ strand"],
  ["-", "\u2212 strand"],
  ["both", "both"],
];

/** What a filter adds to the output, as a sentence in parts; parts in a pair have a class. */
export function sentence(filters, index, rank) {
  const scores = filters.scores;
  if (!scores) return [filters.pending ? "Computing what the filter adds to the output\u2026" : "Not computed."];
  const scale = `the ${filters.about.scale}${filters.about.tasks.length > 1 ? ` of ${filters.task}` : ""}`;
  const digits = filters.digits;
  const start = `Rank ${rank} of ${filters.n}.`;
  const positive = unpack(scores.mean_positive).values[index];
  const said = fires(filters, index);
  if (!scores.labelled)
    return [`${start} Adds `, [signed(positive, digits), "positive"], ` to ${scale} on average.${said}`];
  const negative = unpack(scores.mean_negative).values[index];
  const score = filters.score[index];
  const end =
    score < 0
      ? [", ", [fixed(-score, digits), "strong"], " more in negatives."]
      : [": it separates them by ", [fixed(score, digits), "strong"], "."];
  return [
    `${start} Adds `,
    [signed(positive, digits), "positive"],
    ` to ${scale} in positives and `,
    [signed(negative, digits), "negative"],
    " in negatives",
    ...end,
    said,
  ];
}

function fires(filters, index) {
  if (!filters.sites?.firing) return "";
  return ` It fires in ${percent(unpack(filters.sites.firing).values[index])} of the sequences.`;
}

/** The element of a detail; `store` sets the strand and the pinned filter. */
export function filterDetail(store, attribute) {
  const element = h("section", { class: "rcviz-detail", "aria-live": "off" });
  const local = { all: false, why: false, name: 0, filter: null };
  let present = null;

  function chips(filters, index) {
    const parts = [];
    const entry = filters.names?.rows[index]?.[0];
    if (entry) {
      const motif = filters.names.motifs[entry.motif];
      const id = motif.id === motif.name ? null : ` ${motif.id}`;
      parts.push(
        h(
          "span",
          { class: "rcviz-chip" },
          h("b", null, motif.name),
          id,
          ` \u00b7 similarity ${fixed(entry.similarity)}`,
        ),
      );
    } else if (filters.names) {
      parts.push(h("span", { class: "rcviz-chip rcviz-muted" }, "no name"));
    } else {
      parts.push(h("span", { class: "rcviz-skeleton rcviz-chip-wide" }));
    }
    const found = filters.verdicts?.[index];
    if (found) {
      const why = h(
        "button",
        {
          class: "rcviz-link",
          "data-key": "why",
          "aria-expanded": String(local.why),
          onclick: () => change({ why: !local.why }),
        },
        "why?",
      );
      const warning = isWarning(found.verdict) ? " rcviz-warning" : "";
      parts.push(
        h(
          "span",
          { class: `rcviz-chip${warning}`, "data-verdict": found.verdict },
          `${verdictText(found.verdict)} \u00b7 `,
          why,
        ),
      );
    } else {
      parts.push(h("span", { class: "rcviz-skeleton rcviz-chip-wide" }));
    }
    return parts;
  }

  function buttons(index, state) {
    const pinned = state.pinned === index;
    return [
      h(
        "span",
        { class: "rcviz-strands", role: "group", "aria-label": "Strand" },
        STRANDS.map(([strand, text]) =>
          h(
            "button",
            {
              "data-key": `strand${strand}`,
              "aria-pressed": String(state.strand === strand),
              onclick: () => store.set({ strand }),
            },
            text,
          ),
        ),
      ),
      h(
        "button",
        {
          class: "rcviz-small",
          "data-key": "pin",
          "aria-pressed": String(pinned),
          onclick: () => store.set({ pinned: pinned ? null : index }),
        },
        attribute === "pinned" || pinned ? "Unpin" : "Pin",
      ),
    ];
  }

  function change(changes) {
    Object.assign(local, changes);
    draw(present);
  }

  function draw(next) {
    present = next;
    const { filters, index, rank, state, width, narrow } = next;
    if (local.filter !== index) Object.assign(local, { filter: index, name: 0, all: false });
    element.dataset[attribute] = index;
    element.classList.toggle("rcviz-stacked", narrow);
    const inner = Math.max(200, width);
    const half = narrow || inner < 440 ? inner : (inner - 16) / 2;
    const contribution = contributionFigure(filters, index, half);
    const profile = profileFigure(filters, index, half);
    const found = filters.verdicts?.[index];
    const mark = (site) => {
      contribution.mark?.(site ? site.contribution : null);
      profile.mark?.(site ? site.start : null);
    };
    const said = sentence(filters, index, rank).map((part) =>
      Array.isArray(part) ? h("b", { class: `rcviz-${part[1]}` }, part[0]) : part,
    );
    refill(
      element,
      h(
        "div",
        { class: "rcviz-title" },
        h("h2", null, `Filter ${index}`),
        h("span", { class: "rcviz-gap" }),
        buttons(index, state),
      ),
      h("div", { class: "rcviz-title rcviz-chips" }, chips(filters, index)),
      h("p", { class: "rcviz-say", "aria-live": attribute === "filter" ? "polite" : null }, said),
      local.why && found ? verdictPanel(filters, index, found) : null,
      tracksOf(filters, index, {
        strand: state.strand,
        width: inner,
        narrow,
        chosenName: local.name,
        pickName: (name) => change({ name }),
      }),
      h("div", { class: `rcviz-two${half < inner ? " rcviz-halves" : ""}` }, contribution.element, profile.element),
      sitesTable(filters, index, { all: local.all, narrow, showAll: (all) => change({ all }), mark }),
    );
  }

  return { element, draw };
}

/** Whether a filter exists in the weights that have arrived. */
export function exists(filters, index) {
  return index !== null && index !== undefined && index < filters.n && row(filters.weights.matrices, index).length > 0;
}
