import { monotonicFactory } from 'ulid';

const nextUlid = monotonicFactory();

/** A new id, `sig_01J…`: sortable by time, and ordered within one millisecond of this process. Not a secret. */
export function newId(prefix: string): string {
  return `${prefix}_${nextUlid()}`;
}
