import { type Place, readVarint, writeVarint } from './bytes.ts';

/**
 * Text in as few bytes as its shape allows. Each text has exactly one packed form, so that equal bytes mean equal text
 * and nothing else: a thumbprint, UUID or ULID is packed only where unpacking gives back the very same characters.
 *
 * The first number says the form: one of `shapes`, or how many UTF-16 code units follow, as Latin-1 or (when one does
 * not fit) two bytes each, lone surrogates included.
 */
export function packText(text: string, place: Place): void {
  const start = place.at;
  for (let form = 0; form < shapes.length; form += 1) {
    const shape = shapes[form];
    if (shape?.length !== text.length || !text.startsWith(shape.prefix)) continue;
    place.bytes.view.setUint8(start, form);
    place.at = start + 1;
    if (packDigits(text, shape, place)) return;
    place.at = start;
  }
  packCharacters(text, place);
}

export function unpackText(place: Place): string {
  const { buffer } = place.bytes;
  const form = readVarint(place);
  const start = place.at;
  const shape = shapes[form];
  if (shape) {
    place.at += shape.bytes;
    return shape.prefix + shape.unpack(buffer.subarray(start, place.at));
  }
  const wide = (form - firstLength) % 2 === 1;
  const units = Math.floor((form - firstLength) / 2);
  place.at += wide ? units * 2 : units;
  return buffer.toString(wide ? 'utf16le' : 'latin1', start, place.at);
}

/** Where the packed text at `at` ends. */
export function endOfText(place: Place): number {
  const form = readVarint(place);
  const shape = shapes[form];
  if (shape) return place.at + shape.bytes;
  const units = Math.floor((form - firstLength) / 2);
  return place.at + ((form - firstLength) % 2 === 1 ? units * 2 : units);
}

/** The most bytes that a text of so many code units takes. */
export const packedSizeMax = (units: number): number => units * 2 + 8;

type Shape = {
  readonly prefix: string;
  readonly length: number;
  readonly bytes: number;
  readonly bitsPerDigit: number;
  /** Bits that the first digit has too many. */
  readonly slack: number;
  readonly digits: Int8Array;
  readonly unpack: (bytes: Buffer) => string;
};

const skipped = 64;
const noDigit = -1;

function digitsOf(alphabet: string, skip = ''): Int8Array {
  const digits = new Int8Array(128).fill(noDigit);
  for (let value = 0; value < alphabet.length; value += 1) digits[alphabet.charCodeAt(value)] = value;
  if (skip) digits[skip.charCodeAt(0)] = skipped;
  return digits;
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ulid = {
  bytes: 16,
  bitsPerDigit: 5,
  slack: 2,
  digits: digitsOf(crockford),
  unpack: unpackUlid,
} as const;

/** Thumbprints (RFC 7638), UUIDs, ULIDs, and the hub's own ids. */
const shapes: readonly Shape[] = [
  {
    prefix: '',
    length: 43,
    bytes: 32,
    bitsPerDigit: 6,
    slack: 0,
    digits: digitsOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'),
    unpack: (bytes) => bytes.toString('base64url'),
  },
  {
    prefix: '',
    length: 36,
    bytes: 16,
    bitsPerDigit: 4,
    slack: 0,
    digits: digitsOf('0123456789abcdef', '-'),
    unpack: unpackUuid,
  },
  { prefix: '', length: 26, ...ulid },
  { prefix: 'rev_', length: 30, ...ulid },
  { prefix: 'sig_', length: 30, ...ulid },
];

/** Forms below are shapes, or free for shapes to come. */
const firstLength = 8;
const hyphensOfUuid = [8, 13, 18, 23] as const;

function packDigits(text: string, shape: Shape, place: Place): boolean {
  const { view } = place.bytes;
  const end = place.at + shape.bytes;
  let bits = 0;
  let held = -shape.slack;
  if (shape.bitsPerDigit === 4 && !hyphensOfUuid.every((index) => text.charCodeAt(index) === 45))
    return false;
  for (let index = shape.prefix.length; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const digit = code < 128 ? (shape.digits[code] ?? noDigit) : noDigit;
    if (digit === skipped) continue;
    if (digit === noDigit) return false;
    bits = (bits << shape.bitsPerDigit) | digit;
    held += shape.bitsPerDigit;
    if (held < 8) {
      if (bits >>> held !== 0) return false;
      continue;
    }
    held -= 8;
    view.setUint8(place.at, bits >>> held);
    place.at += 1;
    bits &= (1 << held) - 1;
  }
  return place.at === end && bits === 0;
}

function packCharacters(text: string, place: Place): void {
  const { buffer, view } = place.bytes;
  let wide = false;
  for (let index = 0; index < text.length && !wide; index += 1) wide = text.charCodeAt(index) > 0xff;
  writeVarint(place, firstLength + text.length * 2 + (wide ? 1 : 0));
  if (wide) {
    place.at += buffer.write(text, place.at, 'utf16le');
    return;
  }
  for (let index = 0; index < text.length; index += 1)
    view.setUint8(place.at + index, text.charCodeAt(index));
  place.at += text.length;
}

function unpackUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function unpackUlid(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let held = 2;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      text += crockford.charAt(bits >>> held);
      bits &= (1 << held) - 1;
    }
  }
  return text;
}
