// Order of a list, and what of it a search leaves.

/**
 * Filters in the order asked for: by `score`, `knock-out`, `number`, `palindromicity` or `name`. `filters` has `n`, and
 * as far as they are known `scores`, `knockOuts`, `palindromicity` (arrays) and `names` (array of text or null).
 */
export function orderOf(sort, { n, scores, knockOuts, palindromicity, names }) {
  const numbers = Array.from({ length: n }, (_, index) => index);
  const falling = (values) => {
    const key = (index) => (Number.isNaN(values[index]) ? Number.NEGATIVE_INFINITY : values[index]);
    return numbers.toSorted((one, other) => key(other) - key(one) || one - other);
  };
  const ranking = scores ? falling(scores) : numbers;
  if (sort === "number") return numbers;
  if (sort === "knock-out" && knockOuts) return falling(knockOuts);
  if (sort === "palindromicity" && palindromicity) return falling(palindromicity);
  if (sort === "name" && names) {
    const key = (index) => names[index]?.toLowerCase();
    const named = ranking.filter((index) => names[index]);
    named.sort((one, other) => (key(one) < key(other) ? -1 : key(one) > key(other) ? 1 : 0));
    return [...named, ...ranking.filter((index) => !names[index])];
  }
  return ranking;
}

/** Those of `order` whose name, number or consensus, on either strand, contains the text. */
export function matching(order, text, { names, ids, consensuses }) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return order;
  const complement = { a: "t", c: "g", g: "c", t: "a" };
  const turned = /^[acgt]+$/.test(wanted)
    ? [...wanted]
        .reverse()
        .map((letter) => complement[letter])
        .join("")
    : wanted;
  if (/^\d+$/.test(wanted)) return order.filter((index) => String(index) === wanted);
  return order.filter((index) => {
    const bases = consensuses[index].toLowerCase();
    return (
      names?.[index]?.toLowerCase().includes(wanted) ||
      ids?.[index]?.toLowerCase().includes(wanted) ||
      bases.includes(wanted) ||
      bases.includes(turned)
    );
  });
}
