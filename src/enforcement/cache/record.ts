import { entryVersion, epochShape, formatPosition, type PutEntry } from '../../core/feed.ts';
import {
  type CutOffBasis,
  effects,
  type Match,
  type MatchMember,
  reaches,
  type Restrict,
  type StepUp,
} from '../../core/revocation.ts';
import type { Json } from '../../core/vocabulary.ts';
import { isShallow } from '../token-format.ts';
import { blockHeadBytes, type Ref } from './arena.ts';
import { type Place, readSigned, readVarint, writeSigned, writeVarint } from './bytes.ts';
import { entryDepthMax, isObligation, isWhole, matchUnitsMax, textUnitsMax } from './check-entry.ts';
import { checkWord, type Dictionary, readWord, writeWord } from './dictionary.ts';
import { checkText, crockford, digitOf, endOfText, packText, unpackText } from './packed-text.ts';

/**
 * One entry in bytes. After the block's head come 32 bits of flags, the next entry with the same anchor if there is
 * one, the anchor's value, the id, and then the rest, times as differences and frequent words as numbers.
 */
export type Filing = {
  /** The member under whose value the entry is filed. */
  readonly anchor: MatchMember;
  /** The entry filed under the same value before it, or 0. */
  readonly next: Ref;
};

/** By how few tokens a member usually names; an entry is filed under the first that it has, if that is not crowded. */
export const anchorOrder = [
  'jti',
  'token_sha256',
  'jkt',
  'x5t#S256',
  'sid',
  'sub',
  'client_id',
  'workload',
  'iss',
] as const satisfies readonly MatchMember[];

export type AnchorKind = number;
export const kindOf = (member: MatchMember): AnchorKind => anchorOrder.indexOf(member);

const bases = ['issued', 'session'] as const satisfies readonly CutOffBasis[];

const flagsAt = blockHeadBytes;
const nextAt = flagsAt + 4;
const effectMask = 0b111;
const reachShift = 3;
const basisShift = 5;
const hasCutOff = 1 << 7;
const hasLapse = 1 << 8;
const hasStepUp = 1 << 9;
const hasRestrict = 1 << 10;
const hasAgent = 1 << 11;
const hasNext = 1 << 12;
const hasUlidSignal = 1 << 13;
const anchorShift = 14;
const membersShift = 18;
const membersMask = (1 << anchorOrder.length) - 1;

/** Writes at the place, which then stands behind it. `entry` is one that `whyNotApplied` has passed. */
export function writeRecord(entry: PutEntry, filing: Filing, words: Dictionary, place: Place): void {
  const start = place.at;
  const { view } = place.bytes;
  const flags = flagsOf(entry, filing);
  view.setUint32(start + flagsAt, flags);
  place.at = start + nextAt;
  if (filing.next !== 0) {
    view.setUint32(place.at, filing.next);
    place.at += 4;
  }
  packText(entry.match[filing.anchor] ?? '', place);
  packText(entry.id, place);
  const hyphen = entry.position.indexOf('-');
  writeWord(words, entry.position.slice(0, hyphen), place);
  writeVarint(place, Number(entry.position.slice(hyphen + 1)));
  const idTime = timeOfId(entry.id);
  writeSigned(place, entry.committed_at_ms - idTime);
  if (flags & hasUlidSignal) {
    writeSigned(place, timeOfId(entry.signal_id) - idTime);
    packText(entry.signal_id.slice(timeEnd), place);
  } else packText(entry.signal_id, place);
  const committed = Math.floor(entry.committed_at_ms / 1000);
  if (entry.cut_off !== undefined) writeSigned(place, entry.cut_off - committed);
  if (entry.lapses_at !== undefined) writeSigned(place, entry.lapses_at - (entry.cut_off ?? committed));
  writeWord(words, entry.reason, place);
  for (const member of anchorOrder) {
    const value = entry.match[member];
    if (value === undefined || member === filing.anchor) continue;
    if (member === 'iss') writeWord(words, value, place);
    else packText(value, place);
  }
  if (entry.step_up) packText(JSON.stringify(entry.step_up), place);
  if (entry.restrict) packText(JSON.stringify(entry.restrict), place);
  if (entry.agent !== undefined) packText(entry.agent, place);
}

export function readRecord(place: Place, words: Dictionary): PutEntry {
  const { view } = place.bytes;
  const flags = view.getUint32(place.at + flagsAt);
  place.at = anchorAt(view, place.at);
  const anchorValue = unpackText(place);
  const id = unpackText(place);
  const epoch = readWord(words, place);
  const position = formatPosition({ epoch, seq: readVarint(place) });
  const idTime = timeOfId(id);
  const committedAtMs = readSigned(place) + idTime;
  const signalId =
    flags & hasUlidSignal ? signalAt(readSigned(place) + idTime) + unpackText(place) : unpackText(place);
  const committed = Math.floor(committedAtMs / 1000);
  const cutOff = flags & hasCutOff ? readSigned(place) + committed : undefined;
  const lapsesAt = flags & hasLapse ? readSigned(place) + (cutOff ?? committed) : undefined;
  const reason = readWord(words, place);
  const match = readMatch(flags, anchorValue, words, place);
  const basis = bases[((flags >>> basisShift) & 0b11) - 1];
  return {
    v: entryVersion,
    op: 'put',
    id,
    position,
    match,
    reach: reaches[(flags >>> reachShift) & 0b11] ?? 'chain',
    effect: effects[flags & effectMask] ?? 'deny',
    ...(cutOff === undefined ? {} : { cut_off: cutOff }),
    ...(basis ? { cut_off_basis: basis } : {}),
    ...(lapsesAt === undefined ? {} : { lapses_at: lapsesAt }),
    ...(flags & hasStepUp ? { step_up: JSON.parse(unpackText(place)) as StepUp } : {}),
    ...(flags & hasRestrict ? { restrict: JSON.parse(unpackText(place)) as Restrict } : {}),
    reason,
    signal_id: signalId,
    ...(flags & hasAgent ? { agent: unpackText(place) } : {}),
    committed_at_ms: committedAtMs,
  };
}

/** What is found in a record on the way through it. */
export type Walked = {
  readonly id: string;
  readonly position: string;
  readonly anchor: AnchorKind;
  /** Where its packed id begins and ends. That of its anchor begins at `anchorAt` and ends there. */
  readonly idStart: number;
  readonly idEnd: number;
};

/**
 * Walks a record that somebody else wrote, filed under its first member and before no other. What it says is within the
 * limits of `whyNotApplied`; the place then stands behind it.
 *
 * @throws RangeError when `writeRecord` would not have written it so, or it does not end within the bytes.
 */
export function checkRecord(place: Place, words: Dictionary): Walked {
  const flags = place.bytes.view.getUint32(place.at + flagsAt);
  const members = (flags >>> membersShift) & membersMask;
  const anchor = (flags >>> anchorShift) & 0b1111;
  const basis = (flags >>> basisShift) & 0b11;
  insist(flags >>> (membersShift + anchorOrder.length) === 0 && (flags & hasNext) === 0);
  insist((flags & effectMask) < effects.length && basis <= bases.length);
  insist(((flags >>> reachShift) & 0b11) < reaches.length);
  insist(members !== 0 && anchor === lowestBit(members));
  place.at += nextAt;
  let matchUnits = checkText(place);
  const idStart = place.at;
  const idUnits = checkText(place);
  insist(idUnits > 0 && idUnits <= textUnitsMax);
  const idEnd = place.at;
  const id = unpackText({ bytes: place.bytes, at: idStart });
  const epoch = readWord(words, place);
  const seq = readVarint(place);
  insist(epochShape.test(epoch) && Number.isSafeInteger(seq));
  checkTimes(flags, timeOfId(id), place);
  insist(checkWord(words, place) <= textUnitsMax);
  for (let kind = anchor + 1; kind < anchorOrder.length; kind += 1) {
    if (members & (1 << kind))
      matchUnits += anchorOrder[kind] === 'iss' ? checkWord(words, place) : checkText(place);
  }
  insist(matchUnits <= matchUnitsMax);
  if (flags & hasStepUp) checkObligation(place);
  if (flags & hasRestrict) checkObligation(place);
  insist(!(flags & hasAgent) || checkText(place) <= textUnitsMax);
  return { id, position: formatPosition({ epoch, seq }), anchor, idStart, idEnd };
}

/** When it was committed and until when it counts, and the signal's id, which begins with a time. */
function checkTimes(flags: number, idTime: number, place: Place): void {
  const committedAtMs = readSigned(place) + idTime;
  insist(Number.isSafeInteger(committedAtMs));
  if (flags & hasUlidSignal) {
    const signalTime = readSigned(place) + idTime;
    insist(signalTime > 0 && signalTime < ulidTimeMax);
  }
  insist(checkText(place) <= textUnitsMax);
  const committed = Math.floor(committedAtMs / 1000);
  const cutOff = flags & hasCutOff ? readSigned(place) + committed : undefined;
  const lapsesAt = flags & hasLapse ? readSigned(place) + (cutOff ?? committed) : undefined;
  insist(isWhole(cutOff) && isWhole(lapsesAt));
}

function checkObligation(place: Place): void {
  const start = place.at;
  checkText(place);
  const json = JSON.parse(unpackText({ bytes: place.bytes, at: start })) as Json;
  insist(isShallow(json, entryDepthMax) && isObligation(json));
}

function insist(holds: boolean): void {
  if (!holds) throw new RangeError('not a record');
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** The kind of the record's anchor. Its value begins at `anchorAt`, packed. */
export const anchorKindAt = (view: DataView, at: number): AnchorKind =>
  (view.getUint32(at + flagsAt) >>> anchorShift) & 0b1111;

export const anchorAt = (view: DataView, at: number): number =>
  at + nextAt + (view.getUint32(at + flagsAt) & hasNext ? 4 : 0);

/** Where the packed id begins. */
export const idAt = (place: Place): number =>
  endOfText({ bytes: place.bytes, at: anchorAt(place.bytes.view, place.at) });

export const nextOf = (view: DataView, at: number): Ref =>
  view.getUint32(at + flagsAt) & hasNext ? view.getUint32(at + nextAt) : 0;

/** Only for a record that was written with a next entry. */
export const setNext = (view: DataView, at: number, next: Ref): void => view.setUint32(at + nextAt, next);

function flagsOf(entry: PutEntry, { anchor, next }: Filing): number {
  let flags = Math.max(0, effects.indexOf(entry.effect));
  flags |= reaches.indexOf(entry.reach) << reachShift;
  if (entry.cut_off_basis) flags |= (bases.indexOf(entry.cut_off_basis) + 1) << basisShift;
  if (entry.cut_off !== undefined) flags |= hasCutOff;
  if (entry.lapses_at !== undefined) flags |= hasLapse;
  if (entry.step_up) flags |= hasStepUp;
  if (entry.restrict) flags |= hasRestrict;
  if (entry.agent !== undefined) flags |= hasAgent;
  if (next !== 0) flags |= hasNext;
  if (isUlidSignal(entry.signal_id)) flags |= hasUlidSignal;
  flags |= kindOf(anchor) << anchorShift;
  for (let kind = 0; kind < anchorOrder.length; kind += 1) {
    if (entry.match[anchorOrder[kind] ?? 'iss'] !== undefined) flags |= 1 << (membersShift + kind);
  }
  return flags;
}

function readMatch(flags: number, anchorValue: string, words: Dictionary, place: Place): Match {
  const match: { [Member in MatchMember]?: string } = {};
  const anchor = (flags >>> anchorShift) & 0b1111;
  anchorOrder.forEach((member, kind) => {
    if (!(flags & (1 << (membersShift + kind)))) return;
    if (kind === anchor) match[member] = anchorValue;
    else match[member] = member === 'iss' ? readWord(words, place) : unpackText(place);
  });
  return match;
}

/** Ids are four characters of prefix, ten digits of time, and chance. */
const idLength = 30;
const timeStart = 4;
const timeEnd = 14;
const ulidTimeMax = 32 ** (timeEnd - timeStart);

/** Milliseconds that the id says; 0 where it says none. What is subtracted when writing is added when reading. */
function timeOfId(id: string): number {
  if (id.length !== idLength) return 0;
  let time = 0;
  for (let index = timeStart; index < timeEnd; index += 1) {
    const digit = digitOf(id.charCodeAt(index));
    if (digit < 0) return 0;
    time = time * 32 + digit;
  }
  return time;
}

/** Whether its first half can be told from its time alone. */
const isUlidSignal = (id: string): boolean => id.startsWith('sig_') && timeOfId(id) !== 0;

/** A signal's id up to its chance. */
function signalAt(time: number): string {
  let digits = '';
  for (let rest = time; digits.length < timeEnd - timeStart; rest = Math.floor(rest / 32)) {
    digits = crockford.charAt(rest % 32) + digits;
  }
  return `sig_${digits}`;
}
