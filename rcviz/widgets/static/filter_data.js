// What the page of a filter explorer knows about its filters, from the traits that have arrived.
import { row, unpack } from "./arrays.js";
import { consensus } from "./matrices.js";
import { matching, orderOf } from "./order.js";
import { digitsFor } from "./scales.js";

const consensuses = new WeakMap(); // by the block of weights

function consensusesOf(block) {
  if (!consensuses.has(block)) {
    consensuses.set(
      block,
      Array.from({ length: block.shape[0] }, (_, index) => consensus(row(block, index))),
    );
  }
  return consensuses.get(block);
}

/** The order that is drawn: by knock-outs only where there are any, or where they are being computed. */
export function sortOf(store) {
  const { sort } = store.state();
  if (sort !== "knock-out" || store.get("_knock_outs").scores) return sort;
  return store.live && store.get("_status").state !== "error" ? sort : "score";
}

/** Everything about all filters that the list and the detail draw. */
export function filtersOf(store) {
  const [about, weights, scores, sites, profiles, names, verdicts, silenced] = [
    "_about",
    "_weights",
    "_scores",
    "_sites",
    "_profiles",
    "_names",
    "_verdicts",
    "_knock_outs",
  ].map((name) => store.get(name));
  const known = (part, key) => (part[key] === undefined ? null : part);
  const n = weights.matrices?.shape[0] ?? 0;
  const score = scores.scores ? unpack(scores.scores).values : null;
  const knockOuts = silenced?.scores ? unpack(silenced.scores).values : null;
  const rows = names.rows ?? null;
  const sort = sortOf(store);
  const motif = (index) => (rows?.[index]?.length ? names.motifs[rows[index][0].motif] : null);
  return {
    about,
    pending: store.live && (store.get("_status").state ?? "computing") === "computing",
    n,
    width: weights.matrices?.shape[2] ?? 0,
    weights,
    scores: known(scores, "scores"),
    sites: known(sites, "counts"),
    profiles: known(profiles, "edges"),
    names: rows ? names : null,
    verdicts: verdicts.rows ?? null,
    score,
    digits: digitsFor(score),
    knockOuts,
    sort,
    silenced: sort === "knock-out" && (silenced?.scores ?? true),
    // What the list shows beside the names.
    listedScore: sort === "knock-out" ? knockOuts : score,
    palindromicity: weights.palindromicity ? unpack(weights.palindromicity).values : null,
    consensuses: weights.matrices ? consensusesOf(weights.matrices) : [],
    motifNames: rows ? Array.from({ length: n }, (_, index) => motif(index)?.name ?? null) : null,
    motifIds: rows ? Array.from({ length: n }, (_, index) => motif(index)?.id ?? null) : null,
  };
}

/** The filters that are listed, in their order. */
export function listed(filters, state) {
  const order = orderOf(state.sort, {
    n: filters.n,
    scores: filters.score,
    knockOuts: filters.knockOuts,
    palindromicity: filters.palindromicity,
    names: filters.motifNames,
  });
  return matching(order, state.search ?? "", {
    names: filters.motifNames,
    ids: filters.motifIds,
    consensuses: filters.consensuses,
  });
}
