// The least that tests need, alike in node and in a browser.

const tests = [];

export function test(name, body) {
  tests.push([name, body]);
}

export function equal(actual, expected) {
  const [one, other] = [actual, expected].map((value) =>
    JSON.stringify(ArrayBuffer.isView(value) ? [...value] : value),
  );
  if (one !== other) throw new Error(`expected ${other}, got ${one}`);
}

export function near(actual, expected, tolerance = 1e-6) {
  const [one, other] = [actual, expected].map((value) => (typeof value === "number" ? [value] : [...value]));
  const ok = one.length === other.length && one.every((value, i) => Math.abs(value - other[i]) <= tolerance);
  if (!ok) throw new Error(`expected ${other}, got ${one}`);
}

/** Run all tests; returns their number and what failed. */
export function run() {
  const failures = [];
  for (const [name, body] of tests) {
    try {
      body();
    } catch (error) {
      failures.push(`${name}: ${error.message}`);
    }
  }
  return { number: tests.length, failures };
}
