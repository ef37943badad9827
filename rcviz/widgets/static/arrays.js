// Binary blocks as the kernel sends them, or as a saved page holds them.

const TYPES = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };
const unpacked = new WeakMap();

function bytesOf(data) {
  if (data.base64 !== undefined) return Uint8Array.from(atob(data.base64), (letter) => letter.charCodeAt(0));
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Read a number of 16 bits. */
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const rest = bits & 1023;
  if (exponent === 31) return rest ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
}

/** Return a block as `{shape, values}`; a second call returns the same arrays. */
export function unpack(block) {
  if (!block) return null;
  if (!unpacked.has(block)) {
    const bytes = bytesOf(block.data).slice(); // a copy: blocks may begin at any byte
    const values =
      block.type === "float16"
        ? Float32Array.from(new Uint16Array(bytes.buffer), half)
        : new TYPES[block.type](bytes.buffer);
    unpacked.set(block, { shape: block.shape, values });
  }
  return unpacked.get(block);
}

/** Return one row of a block along its first axis, flat. */
export function row(block, index) {
  const { shape, values } = unpack(block);
  const size = shape.slice(1).reduce((product, length) => product * length, 1);
  return values.subarray(index * size, (index + 1) * size);
}
