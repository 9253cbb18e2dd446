import { type Bytes, createBytes, type Place, readVarint, sameBytes, writeVarint } from './bytes.ts';

/**
 * Text in as few bytes as its shape allows. Each text has exactly one packed form, so that equal bytes mean equal text
 * and nothing else: a thumbprint, UUID or ULID is packed only where unpacking gives back the very same characters.
 *
 * The first number says the form: one of `shapes`, or how many UTF-16 code units follow, as Latin-1 or (when one does
 * not fit) two bytes each, lone surrogates included.
 */
export function packText(text: string, place: Place): void {
  const form = formOf(text);
  const shape = shapes[form];
  if (shape) {
    const start = place.at;
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
    return shape.prefix + shape.unpack(buffer, start, place.at);
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

/**
 * How many UTF-16 code units the text has; the place then stands behind it.
 *
 * @throws RangeError when `packText` would have packed it otherwise, or it does not end within the bytes.
 */
export function checkText(place: Place): number {
  const { bytes, at: start } = place;
  const form = readVarint(place);
  const shape = shapes[form];
  if (!shape && form < firstLength) throw new RangeError('no such form');
  const units = shape ? shape.units : Math.floor((form - firstLength) / 2);
  place.at = endOfText({ bytes, at: start });
  if (place.at > bytes.buffer.length) throw new RangeError('a text is cut off');
  // Unpacked and packed again only where there is another form that it could have had.
  const hasOneForm = shape !== undefined || ((form - firstLength) % 2 === 0 && !shapeUnits.has(units));
  if (!hasOneForm && !isPackedSo(bytes, start, place.at)) throw new RangeError('not the form of this text');
  return units;
}

function isPackedSo(bytes: Bytes, start: number, end: number): boolean {
  const again = { bytes: createBytes(end - start + longestShape), at: 0 };
  packText(unpackText({ bytes, at: start }), again);
  return again.at === end - start && sameBytes(again.bytes.buffer, 0, bytes.buffer, start, again.at);
}

type Shape = {
  readonly prefix: string;
  /** UTF-16 code units, the prefix among them. */
  readonly units: number;
  readonly bytes: number;
  readonly bitsPerDigit: number;
  /** Bits that the first digit has too many. */
  readonly slack: number;
  readonly digits: Int8Array;
  readonly unpack: (bytes: Buffer, start: number, end: number) => string;
};

const skipped = 64;
const noDigit = -1;

function digitsOf(alphabet: string, skip = ''): Int8Array {
  const digits = new Int8Array(256).fill(noDigit);
  for (let value = 0; value < alphabet.length; value += 1) digits[alphabet.charCodeAt(value)] = value;
  if (skip) digits[skip.charCodeAt(0)] = skipped;
  return digits;
}

export const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const crockfordDigits = digitsOf(crockford);
/** The value of a Crockford digit, or less than 0. */
export const digitOf = (code: number): number => crockfordDigits[code] ?? noDigit;

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const ulidAfter = (prefix: string): Shape => ({
  prefix,
  units: prefix.length + 26,
  bytes: 16,
  bitsPerDigit: 5,
  slack: 2,
  digits: crockfordDigits,
  unpack: unpackCrockford,
});

/** Thumbprints (RFC 7638), UUIDs, ULIDs, and the hub's own ids. The form of each is its index. */
const shapes: readonly Shape[] = [
  {
    prefix: '',
    units: 43,
    bytes: 32,
    bitsPerDigit: 6,
    slack: 0,
    digits: digitsOf(base64url),
    unpack: (bytes, start, end) => bytes.toString('base64url', start, end),
  },
  {
    prefix: '',
    units: 36,
    bytes: 16,
    bitsPerDigit: 4,
    slack: 0,
    digits: digitsOf('0123456789abcdef', '-'),
    unpack: unpackUuid,
  },
  ulidAfter(''),
  ulidAfter('rev_'),
  // The second half of a ULID.
  { ...ulidAfter(''), units: 16, bytes: 10, slack: 0 },
];
const shapeUnits = new Set(shapes.map(({ units }) => units));
const longestShape = 32;

/** Forms below are shapes, or free for shapes to come. */
const firstLength = 8;

/** The only shape that a text of this length can have. */
function formOf(text: string): number {
  switch (text.length) {
    case 43:
      return 0;
    case 36:
      return hasHyphensOfUuid(text) ? 1 : -1;
    case 26:
      return 2;
    case 30:
      return text.startsWith('rev_') ? 3 : -1;
    case 16:
      return 4;
    default:
      return -1;
  }
}

const hasHyphensOfUuid = (text: string): boolean =>
  text.charAt(8) === '-' && text.charAt(13) === '-' && text.charAt(18) === '-' && text.charAt(23) === '-';

function packDigits(text: string, shape: Shape, place: Place): boolean {
  const { digits, bitsPerDigit } = shape;
  const { buffer } = place.bytes;
  const end = place.at + shape.bytes;
  let at = place.at;
  let bits = 0;
  let held = -shape.slack;
  for (let index = shape.prefix.length; index < text.length; index += 1) {
    const digit = digits[text.charCodeAt(index)] ?? noDigit;
    if (digit === skipped) continue;
    if (digit === noDigit) return false;
    bits = (bits << bitsPerDigit) | digit;
    held += bitsPerDigit;
    if (held < 8) {
      if (bits >>> held !== 0) return false;
      continue;
    }
    held -= 8;
    buffer[at] = bits >>> held;
    at += 1;
    bits &= (1 << held) - 1;
  }
  place.at = at;
  return at === end && bits === 0;
}

function packCharacters(text: string, place: Place): void {
  const { buffer } = place.bytes;
  const start = place.at;
  writeVarint(place, firstLength + text.length * 2);
  let every = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    every |= code;
    buffer[place.at + index] = code;
  }
  place.at += text.length;
  if (every <= 0xff) return;
  place.at = start;
  writeVarint(place, firstLength + text.length * 2 + 1);
  place.at += buffer.write(text, place.at, 'utf16le');
}

function unpackUuid(bytes: Buffer, start: number, end: number): string {
  const hex = bytes.toString('hex', start, end);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Two digits at a time: a set is checked by its ids. */
const digitPairs = Array.from(
  { length: 1024 },
  (_, value) => crockford.charAt(value >>> 5) + crockford.charAt(value & 31),
);

/** The first digit of a whole ULID has two bits too many, the first of its second half none. */
function unpackCrockford(bytes: Buffer, start: number, end: number): string {
  let text = '';
  let bits = 0;
  let held = end - start === 16 ? 2 : 0;
  for (let at = start; at < end; at += 1) {
    bits = (bits << 8) | (bytes[at] ?? 0);
    held += 8;
    if (held < 10) continue;
    held -= 10;
    text += digitPairs[bits >>> held];
    bits &= (1 << held) - 1;
  }
  return text;
}
