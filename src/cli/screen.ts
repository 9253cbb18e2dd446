import { type Paint, painting, plain, toTerminal, unpainted } from './paint.ts';
import type { Surroundings } from './surroundings.ts';

/** Where a command writes. Answers go to stdout, progress and questions to stderr. */
export type Screen = {
  /** The answer is JSON: on stdout there is nothing else. */
  readonly json: boolean;
  /** Width of the terminal; absent where lines are not cut. */
  readonly columns?: number;
  readonly paint: Paint;
  /** The whole answer: as one JSON document, else as lines. */
  show<T>(document: T, lines: (document: T) => readonly string[]): void;
  /** A line for people, while an answer that ends with `show` is still coming; nothing when that is JSON. */
  line(text: string): void;
  /** One line of an answer that goes on: NDJSON, else a line. */
  append(document: unknown, line: () => string): void;
  /** For people at the terminal. */
  note(line: string): void;
  /** Without an end of line: what is typed follows it. */
  prompt(text: string): void;
};

/** What moves the cursor, ends a line, turns text around or is not seen at all. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** The same in JSON, which spells out the first 32 by itself, but for the ends of lines that indent it. */
const unprintableInJson = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Colours are for terminals whose owner did not refuse them. @see https://no-color.org */
export function createScreen(
  { stdout, stderr, env }: Pick<Surroundings, 'stdout' | 'stderr' | 'env'>,
  json: boolean,
): Screen {
  const colours = stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const columns = stdout.isTTY === true && !json ? stdout.columns : undefined;
  const write = (line: string): unknown => stdout.write(`${toTerminal(printable(line))}\n`);
  return {
    json,
    ...(columns !== undefined && { columns }),
    paint: colours ? painting : plain,
    show(document, lines) {
      if (json) stdout.write(`${toJson(document, 2)}\n`);
      else for (const line of lines(document)) write(line);
    },
    line(text) {
      if (!json) write(text);
    },
    append(document, line) {
      if (json) stdout.write(`${toJson(document)}\n`);
      else write(line());
    },
    note: (line) => void stderr.write(`${toTerminal(printable(line))}\n`),
    prompt: (text) => void stderr.write(toTerminal(printable(text))),
  };
}

/** Text of others cannot drive the terminal: what is not to be seen is spelt out. */
export const printable = (text: string): string => text.replace(unprintable, spellOut);

/** Characters that are seen. */
export const widthOf = (text: string): number => graphemesOf(text).length;

/** Cut to a width, with a mark that it was. */
export function cutTo(text: string, columns: number | undefined): string {
  if (columns === undefined || widthOf(text) <= columns) return text;
  return `${graphemesOf(text)
    .slice(0, columns - 1)
    .join('')}…`;
}

const segmenter = new Intl.Segmenter();
const graphemesOf = (text: string): readonly string[] =>
  Array.from(segmenter.segment(unpainted(text)), ({ segment }) => segment);

const spellOut = (character: string): string =>
  `\\u{${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}}`;

/** JSON leaves C1 controls and the like as they are; a terminal would obey them. */
const toJson = (document: unknown, indent = 0): string =>
  JSON.stringify(document, undefined, indent).replace(unprintableInJson, (found) =>
    // What is beyond the first plane is two escapes in JSON.
    Array.from({ length: found.length }, (_, index) => escapeOf(found.charCodeAt(index))).join(''),
  );

const escapeOf = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;
