import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** Random bytes that are asked for at a time: sixteen make an id, and asking costs more than they do. */
const pooledBytes = 1_024;

const pool = new Uint8Array(pooledBytes);
let taken = pooledBytes;

/** One of 256 steps from 0 to below 1, of which an id takes five bits. */
function random(): number {
  if (taken === pooledBytes) {
    randomFillSync(pool);
    taken = 0;
  }
  return (pool[taken++] ?? 0) / 256;
}

const nextUlid = monotonicFactory(random);

/** A new id, `sig_01J…`: sortable by time, and ordered within one millisecond of this process. Not a secret. */
export function newId(prefix: string): string {
  return `${prefix}_${nextUlid()}`;
}
