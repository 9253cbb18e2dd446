import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Cursor, FeedConfiguration, FeedEntry } from '../core/feed.ts';
import type { Millis } from '../core/vocabulary.ts';
import { createRevocationCache, type RevocationCache } from './cache.ts';
import { asFeedEntry } from './cache/check-entry.ts';
import { cursorOf, formatCursor } from './feed-events.ts';
import { readLines, readObject } from './snapshot-lines.ts';

/**
 * The set on disk, for a start without the hub: a first line that says whose it is, the entries, orphans, what changed
 * while it was written, and a last line with place, digest, and a hash over all lines before.
 */
export type SavedSet = {
  readonly cache: RevocationCache;
  readonly cursor: Cursor;
  readonly configuration: FeedConfiguration;
  /** The wall clock when the hub last confirmed that nothing was missing. */
  readonly confirmedAtMs: Millis;
};

type Line = { readonly [member: string]: unknown };

const fileVersion = 1;
/** Only the owner may read what is revoked, and the nonce keys. */
const fileMode = 0o600;
const linesPerWrite = 500;
const besideSuffix = '.new';
/** No writing takes so long: whoever began it is gone. */
const leftoverAgeMs = 3_600_000;

/** `undefined` when there is no file. @throws Error when it is not whole, or another hub's. */
export async function readSnapshotFile(path: string, hub: string): Promise<SavedSet | undefined> {
  if (!(await stat(path).catch(() => undefined))) return undefined;
  const cache = createRevocationCache();
  const hash = createHash('sha256');
  let configuration: FeedConfiguration | undefined;
  let trailer: Line | undefined;
  await readLines(createReadStream(path), (line) => {
    if (trailer) throw new Error('something follows the last line');
    const json = readObject(line);
    if (json['sha256'] !== undefined) {
      trailer = json;
      return;
    }
    hash.update(line).update('\n');
    if (configuration) applyLine(cache, json);
    else configuration = readFirstLine(json, hub);
  });
  const cursor = cursorOf(trailer?.['cursor']);
  const confirmedAtMs = trailer?.['confirmed_at_ms'];
  if (!configuration || !cursor || typeof confirmedAtMs !== 'number') throw new Error('the file is cut off');
  if (trailer?.['sha256'] !== hash.digest('hex')) throw new Error('the file was changed');
  if (trailer['digest'] !== cache.digest()) throw new Error('the digest differs');
  cache.position = cursor;
  return { cache, cursor, configuration, confirmedAtMs };
}

export type SnapshotWriting = {
  readonly path: string;
  readonly hub: string;
  readonly cache: RevocationCache;
  readonly configuration: FeedConfiguration;
  readonly confirmedAtMs: Millis;
  /** What was applied since the writing began. It grows meanwhile. */
  readonly changes: readonly FeedEntry[];
  /** The set was replaced meanwhile, or the process ends: what was written is of no use. */
  readonly isOutdated: () => boolean;
};

/** Writes beside the file and moves into its place, in short slices. `false`: outdated, the file is as it was. */
export async function writeSnapshotFile(writing: SnapshotWriting): Promise<boolean> {
  // By chance and not by process: those of two containers that share the folder may have the same number.
  const beside = `${writing.path}.${randomUUID()}${besideSuffix}`;
  const file = await open(beside, 'wx', fileMode);
  try {
    if (!(await writeLines(writing, file))) return false;
    await file.sync();
    await rename(beside, writing.path);
    return true;
  } finally {
    await file.close();
    await unlink(beside).catch(() => undefined);
  }
}

/** Removes what processes that were killed while they wrote have left beside the file. Never rejects. */
export async function removeLeftovers(path: string): Promise<void> {
  const [folder, prefix] = [dirname(path), `${basename(path)}.`];
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix) || !name.endsWith(besideSuffix)) continue;
    const leftover = join(folder, name);
    const { mtimeMs } = await stat(leftover).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > leftoverAgeMs) await unlink(leftover).catch(() => undefined);
  }
}

async function writeLines(writing: SnapshotWriting, file: FileHandle): Promise<boolean> {
  const { cache, changes } = writing;
  const hash = createHash('sha256');
  let batch: string[] = [];
  const flush = async () => {
    const text = batch.join('');
    batch = [];
    hash.update(text);
    await file.appendFile(text);
    await nextTurn();
  };
  for (const line of contentOf(writing)) {
    batch.push(`${JSON.stringify(line)}\n`);
    if (batch.length >= linesPerWrite) await flush();
    if (writing.isOutdated()) return false;
  }
  // What was met above may be older or newer than when the writing began: the changes since then, in their order, make
  // it what it is now. Place and digest are taken in the same turn.
  for (const change of changes) batch.push(`${JSON.stringify(change)}\n`);
  const { position } = cache;
  const digest = cache.digest();
  await flush();
  if (!position || writing.isOutdated()) return false;
  const last = { cursor: formatCursor(position), digest, confirmed_at_ms: writing.confirmedAtMs };
  await file.appendFile(`${JSON.stringify({ ...last, sha256: hash.digest('hex') })}\n`);
  return true;
}

function* contentOf({ hub, cache, configuration }: SnapshotWriting): IterableIterator<object> {
  yield { v: fileVersion, hub, configuration };
  yield* cache.entries();
  for (const orphan of cache.orphans()) yield { orphan };
}

function readFirstLine(json: Line, hub: string): FeedConfiguration {
  const configuration = json['configuration'] as FeedConfiguration | undefined;
  if (json['v'] !== fileVersion || !Array.isArray(configuration?.issuers))
    throw new Error('not a snapshot file');
  if (json['hub'] !== hub) throw new Error('the file is of another hub');
  return configuration;
}

function applyLine(cache: RevocationCache, json: Line): void {
  const isOrphan = json['orphan'] !== undefined;
  const entry = asFeedEntry(isOrphan ? json['orphan'] : json);
  if (!entry || (isOrphan && entry.op !== 'put')) throw new Error('a line is no entry');
  if (isOrphan && entry.op === 'put') cache.adoptOrphan(entry);
  else cache.apply(entry);
}
