// Numbers and sequences as text.

const MINUS = "\u2212";
const RAISED = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";

/** Write a number with a true minus sign, and a missing or infinite one as a dash. */
export function fixed(value, digits = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** Write a number with its sign, also of what is positive. */
export function signed(value, digits = 2) {
  const text = fixed(value, digits);
  return Number.isFinite(value) && Number(value.toFixed(digits)) > 0 ? `+${text}` : text;
}

/** Write a whole number with commas between thousands. */
export function count(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Write a share as per cent. */
export function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 1 ? "< 1" : value < 100 && value > 99 ? "> 99" : Math.round(value)}%`;
}

/** Write a p-value: two digits, and a power of ten where it is small. */
export function pValue(value) {
  if (!Number.isFinite(value)) return "\u2013";
  if (value >= 0.001) return String(Number(value.toPrecision(2)));
  const [digits, power] = value.toExponential(1).split("e-");
  return `${digits} \u00d7 10\u207b${[...power].map((digit) => RAISED[digit]).join("")}`;
}

/** Write one of several: `1 site`, `2 sites`. */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
