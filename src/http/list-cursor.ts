import { Problem } from '../core/problem.ts';

/** Where a list goes on that is ordered by a time and then an id. */
export type ListCursor = { readonly atMs: number; readonly id: string };

const shape = /^([0-9]{1,15})\.([A-Za-z0-9_]{1,64})$/;

export const formatCursor = ({ atMs, id }: ListCursor): string => `${atMs}.${id}`;

/** @throws Problem `invalid-request` for what was never a `next_cursor`. */
export function parseListCursor(text: string): ListCursor {
  const parts = shape.exec(text);
  if (parts?.[1] === undefined || parts[2] === undefined) {
    throw new Problem('invalid-request', 'That is no cursor of this list.', {
      hint: 'Send the next_cursor of the page before, or none for the first page.',
      errors: [{ path: '/query/cursor', message: 'is not a next_cursor' }],
    });
  }
  return { atMs: Number(parts[1]), id: parts[2] };
}
