// Matrices of four rows A, C, G, T and any number of columns, flat and row by row.

export const LETTERS = "ACGT";

/** Number of columns. */
export function columns(matrix) {
  return matrix.length / 4;
}

/** Reverse complement: both axes reversed. */
export function reverseComplement(matrix) {
  return Float32Array.from(matrix).reverse();
}

/** Heights of letters in bits: probability times information content of the column. */
export function information(probabilities) {
  const width = columns(probabilities);
  const heights = new Float32Array(probabilities.length);
  for (let i = 0; i < width; i++) {
    let bits = 2;
    for (let base = 0; base < 4; base++) {
      const p = probabilities[base * width + i];
      if (p > 0) bits += p * Math.log2(p);
    }
    for (let base = 0; base < 4; base++)
      heights[base * width + i] = probabilities[base * width + i] * Math.max(bits, 0);
  }
  return heights;
}

/** Letter of the largest entry of each column. */
export function consensus(matrix) {
  const width = columns(matrix);
  let text = "";
  for (let i = 0; i < width; i++) {
    let best = 0;
    for (let base = 1; base < 4; base++) if (matrix[base * width + i] > matrix[best * width + i]) best = base;
    text += LETTERS[best];
  }
  return text;
}

/** Lowest and highest end of the stacks of letters. */
export function stackRange(heights) {
  const width = columns(heights);
  let low = 0;
  let high = 0;
  for (let i = 0; i < width; i++) {
    let up = 0;
    let down = 0;
    for (let base = 0; base < 4; base++) {
      const height = heights[base * width + i];
      if (height > 0) up += height;
      else down += height;
    }
    low = Math.min(low, down);
    high = Math.max(high, up);
  }
  return low < high ? [low, high] : [-1, 1];
}
