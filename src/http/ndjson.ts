import { Problem } from '../core/problem.ts';

/** One JSON document a line. The first has no registration, and is what most send. @see https://github.com/ndjson/ndjson-spec */
export const ndjsonTypes = ['application/x-ndjson', 'application/jsonl', 'application/ndjson'] as const;

export const isNdjson = (mediaType: string | undefined): boolean =>
  ndjsonTypes.some((type) => type === mediaType);

/** One line of a body, without its end; the first is line 1. */
export type Line = { readonly line: number; readonly bytes: Uint8Array };

const [lineFeed, carriageReturn] = [0x0a, 0x0d];

/**
 * The lines of a body that hold something: those of nothing but white space are counted and left out.
 *
 * @throws Problem `body-too-large` when there are more than `linesMax`.
 */
export function splitLines(body: Uint8Array, linesMax: number): readonly Line[] {
  const lines: Line[] = [];
  let from = 0;
  for (let line = 1; from < body.length; line += 1) {
    const end = body.indexOf(lineFeed, from);
    const to = end === -1 ? body.length : end;
    const bytes = body.subarray(from, body[to - 1] === carriageReturn && to > from ? to - 1 : to);
    from = to + 1;
    if (bytes.every(isBlank)) continue;
    if (lines.length === linesMax) throw tooManyLines(linesMax);
    lines.push({ line, bytes });
  }
  return lines;
}

const isBlank = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === carriageReturn;

const tooManyLines = (linesMax: number): Problem =>
  new Problem('body-too-large', `The body has more than ${linesMax} lines.`, {
    hint: 'Send it in several parts. Nothing of it was taken.',
  });
