import type { PutEntry } from '../../core/feed.ts';
import { blockBytesMax, blockHeadBytes } from './arena.ts';
import { type Bytes, bytesOf, createBytes } from './bytes.ts';
import { asFeedEntry, isKnownEffect, whyNotApplied } from './check-entry.ts';
import { createDictionary, type Dictionary } from './dictionary.ts';
import { anchorOrder, checkRecord, type Filing, readRecord, type Walked, writeRecord } from './record.ts';

/**
 * An entry as a packed snapshot carries it, in bytes: how many follow (32 bits), then its record without the block's
 * head. What a record cannot say is JSON instead, after 32 bits that no record begins with.
 */
export type Row = { readonly bytes: Bytes; readonly at: number; readonly end: number };

/** Of the number with which every row begins. */
export const rowHeadBytes = 4;
const jsonMark = 0xffff_ffff;
const markBytes = 4;

/** Where the record would begin if the row had its block's head. */
const recordAt = (at: number): number => at + rowHeadBytes - blockHeadBytes;

/** Packs entries with words of its own, which whoever reads the rows must have. */
export type RowWriter = {
  /** It only grows. */
  readonly words: Dictionary;
  readonly write: (entry: PutEntry) => Buffer;
};

export function createRowWriter(): RowWriter {
  const words = createDictionary();
  const scratch = createBytes(rowHeadBytes + blockBytesMax);
  return {
    words,
    write: (entry) => {
      if (whyNotApplied(entry) !== undefined || !isKnownEffect(entry.effect)) return jsonRow(entry);
      const place = { bytes: scratch, at: recordAt(0) };
      writeRecord(entry, filingOf(entry), words, place);
      scratch.view.setUint32(0, place.at - rowHeadBytes);
      return Buffer.from(scratch.buffer.subarray(0, place.at));
    },
  };
}

/** By itself: under its first member, before no other. */
function filingOf({ match }: PutEntry): Filing {
  const anchor = anchorOrder.find((member) => match[member] !== undefined);
  if (!anchor) throw new RangeError('an entry without a match has no record');
  return { anchor, next: 0 };
}

function jsonRow(entry: PutEntry): Buffer {
  const head = Buffer.alloc(rowHeadBytes + markBytes);
  const json = Buffer.from(JSON.stringify(entry));
  head.writeUInt32BE(markBytes + json.length);
  head.writeUInt32BE(jsonMark, rowHeadBytes);
  return Buffer.concat([head, json]);
}

/** A row of a writer with these words. */
export function readRow(row: Buffer, words: Dictionary): PutEntry {
  const bytes = bytesOf(row);
  return jsonOf({ bytes, at: 0, end: row.length }) ?? readRecord({ bytes, at: recordAt(0) }, words);
}

/** What stands in a row that somebody else wrote: an entry, or a record at its place. */
export type CheckedRow =
  | { readonly kind: 'entry'; readonly entry: PutEntry }
  | { readonly kind: 'record'; readonly at: number; readonly walked: Walked };

/** @throws RangeError, SyntaxError when it is none */
export function checkRow(row: Row, words: Dictionary): CheckedRow {
  const entry = jsonOf(row);
  if (entry) return { kind: 'entry', entry };
  const at = recordAt(row.at);
  const place = { bytes: row.bytes, at };
  const walked = checkRecord(place, words);
  if (place.at !== row.end) throw new RangeError('a record is not as long as its row');
  return { kind: 'record', at, walked };
}

function jsonOf({ bytes, at, end }: Row): PutEntry | undefined {
  const start = at + rowHeadBytes;
  if (end - start < markBytes) throw new RangeError('a row is too short');
  if (bytes.view.getUint32(start) !== jsonMark) return undefined;
  const entry = asFeedEntry(JSON.parse(bytes.buffer.toString('utf8', start + markBytes, end)));
  if (entry?.op !== 'put') throw new RangeError('a row is no entry');
  return entry;
}
