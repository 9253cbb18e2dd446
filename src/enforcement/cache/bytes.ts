/** Bytes with both ways to reach them: `Buffer` for text and copies, `DataView` for numbers. */
export type Bytes = { readonly buffer: Buffer; readonly view: DataView };

/** Backed by memory of its own, never by Node's shared pool. */
export function createBytes(size: number): Bytes {
  const memory = new ArrayBuffer(size);
  return { buffer: Buffer.from(memory), view: new DataView(memory) };
}

/** The same memory. */
export const bytesOf = (buffer: Buffer): Bytes => ({
  buffer,
  view: new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength),
});

/** A place in bytes that moves on as it is read or written. */
export type Place = { readonly bytes: Bytes; at: number };

/** Of the ninth byte: twice a safe integer has 54 bits. */
const varintFactorMax = 0x80 ** 8;

/** Seven bits a byte, lowest first; any safe integer ≥ 0. */
export function writeVarint(place: Place, value: number): void {
  const { view } = place.bytes;
  let rest = value;
  while (rest >= 0x80) {
    view.setUint8(place.at, (rest % 0x80) | 0x80);
    place.at += 1;
    rest = Math.floor(rest / 0x80);
  }
  view.setUint8(place.at, rest);
  place.at += 1;
}

/** @throws RangeError when it is not as `writeVarint` writes it. */
export function readVarint(place: Place): number {
  const { view } = place.bytes;
  let value = 0;
  for (let factor = 1; factor <= varintFactorMax; factor *= 0x80) {
    const byte = view.getUint8(place.at);
    place.at += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) {
      if (byte === 0 && factor > 1) break;
      return value;
    }
  }
  throw new RangeError('not a number');
}

/** For numbers that are small but may be below zero: 0, -1, 1, -2 … become 0, 1, 2, 3 … */
export const writeSigned = (place: Place, value: number): void =>
  writeVarint(place, value < 0 ? -2 * value - 1 : 2 * value);

export function readSigned(place: Place): number {
  const folded = readVarint(place);
  return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
}

/** For few bytes: quicker than `Buffer.copy` up to a hundred or two. */
export function copyBytes(from: Bytes, fromAt: number, to: Bytes, toAt: number, length: number): void {
  const [source, target] = [from.buffer, to.buffer];
  for (let index = 0; index < length; index += 1) target[toAt + index] = source[fromAt + index] ?? 0;
}

export function sameBytes(
  left: Buffer,
  leftAt: number,
  right: Buffer,
  rightAt: number,
  length: number,
): boolean {
  for (let index = 0; index < length; index += 1) {
    if (left[leftAt + index] !== right[rightAt + index]) return false;
  }
  return true;
}
