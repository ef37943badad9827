// The palindrome verdict of a filter, and why.
import { row } from "./arrays.js";
import { h } from "./dom.js";
import { columns, reverseComplement } from "./matrices.js";
import { smallLogo } from "./small_logo.js";
import { fixed, pValue, percent, plural } from "./text.js";

const SHORT = {
  none: "not palindromic",
  genuine: "palindrome",
  hybrid: "looks palindromic: hybrid",
  unknown: "palindromic? unknown",
  "low complexity": "low complexity",
  inactive: "inactive",
};

/** A few words for a verdict. */
export function verdictText(verdict) {
  return SHORT[verdict] ?? verdict;
}

/** Whether a verdict asks for attention. */
export function isWarning(verdict) {
  return verdict !== "none" && verdict !== "genuine";
}

/** The reasons of a verdict, one sentence each. */
export function reasons(found) {
  const said = [];
  if (found.verdict === "inactive") return ["It fires in no sequence that counts here, so it has no sites."];
  if (found.verdict === "low complexity") {
    said.push(
      `Columns one to four apart are alike (its repetition is ${fixed(found.repetition)}; 1 is a repeat): it reads a repeat or a composition, which are palindromes by themselves.`,
    );
  }
  const p = `p = ${pValue(found.p_value)} among permutations of its columns`;
  const alike = `Its weights and their reverse complement agree to ${fixed(found.palindromicity)} (1 is an exact palindrome; ${p})`;
  said.push(found.p_value > 0.05 ? `${alike}, which is not more than by chance.` : `${alike}, more than by chance.`);
  if (found.loss !== null && found.loss !== undefined && found.p_value <= 0.05) {
    const loss = `a motif that is its own reverse complement would lose ${percent(found.loss)} of the information of its ${plural(found.n_sites, "site")}`;
    const where = { positives: " in positives", negatives: " in negatives" }[found.sequences];
    if (where) said.push(`Its sites were taken${where}, where more of them exceed those in shuffled sequences.`);
    if (found.verdict === "genuine") said.push(`Its sites are palindromes: ${loss}.`);
    else if (found.verdict !== "unknown") said.push(`Its sites are not palindromes: ${loss}, and 5% is the limit.`);
    if (found.verdict === "hybrid") {
      said.push(
        `The filter holds that motif on both strands, the weaker with ${fixed(found.balance)} of the weight of the stronger. ` +
          "So it can find the motif on either strand, also in a network that shares its weights between strands, where one would do.",
      );
    }
  }
  if (found.verdict === "unknown" && found.p_value <= 0.05) {
    said.push(
      "Weights alone cannot tell a palindrome from a filter that holds both strands of another motif, and its sites do not decide it.",
    );
    if (Number.isFinite(found.excess)) {
      said.push(
        `About ${plural(Math.max(0, Math.round(found.excess)), "sequence")} ${Math.round(found.excess) === 1 ? "holds" : "hold"} a site that shuffled sequences do not explain (the excess; z = ${fixed(found.excess_z, 1)}).`,
      );
    }
  }
  return said;
}

const JUDGED = [
  ["palindrome", "its weights equal their reverse complement more than by chance, and so do its sites."],
  ["hybrid", "its weights do, but its sites do not: it holds both strands of a motif that is no palindrome."],
  ["not palindromic", "its weights are no more like their reverse complement than their permuted columns are."],
  ["low complexity", "it reads a repeat or a composition, which equal their reverse complements for another reason."],
  ["unknown", "its sites are too few, or too like those in shuffled sequences, to tell a palindrome from a hybrid."],
];

let explained = false; // stays over filters, and when a page is drawn again

function howJudged() {
  return h(
    "details",
    {
      class: "rcviz-muted",
      open: explained,
      ontoggle: (event) => {
        explained = event.target.open;
      },
    },
    h("summary", null, "How filters are judged"),
    JUDGED.map(([verdict, meaning]) => h("p", null, h("b", null, verdict), ` ${meaning}`)),
  );
}

/** The filter above its reverse complement, shifted to match, and the reasons. */
export function verdictPanel(filters, index, found) {
  const weights = row(filters.weights.matrices, index);
  const width = columns(weights);
  const shift = found.shift ?? 0;
  const column = Math.min(16, 300 / (width + Math.abs(shift)));
  const logo = (matrix, label, by) => {
    const picture = smallLogo(matrix, label, width * column, 44);
    picture.style.marginLeft = `${by * column}px`;
    return picture;
  };
  return h(
    "div",
    { class: "rcviz-why" },
    h(
      "div",
      { class: "rcviz-why-logos" },
      h("small", null, "filter"),
      logo(weights, `filter ${index}`, Math.max(0, -shift)),
      h("small", null, "its reverse complement"),
      logo(reverseComplement(weights), "its reverse complement", Math.max(0, shift)),
    ),
    h(
      "div",
      null,
      reasons(found).map((text) => h("p", null, text)),
      howJudged(),
    ),
  );
}
