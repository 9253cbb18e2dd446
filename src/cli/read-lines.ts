import { createReadStream } from 'node:fs';
import { wrongUsage } from './cli-problem.ts';
import type { Surroundings } from './surroundings.ts';

/** Longer than any line that a hub takes. */
const lineCharactersMax = 1_048_576;

export type FileLine = { readonly number: number; readonly text: string };

/** The lines of a file, or of stdin for `-`, that hold something, as they come; the first is line 1. @throws CliProblem */
export async function* readLines(
  option: string,
  file: string,
  { stdin }: Pick<Surroundings, 'stdin'>,
): AsyncGenerator<FileLine> {
  const input: AsyncIterable<string | Buffer> = file === '-' ? stdin : createReadStream(file);
  const decoder = new TextDecoder();
  let number = 0;
  let rest = '';
  try {
    for await (const chunk of input) {
      const texts = (
        rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))
      ).split('\n');
      rest = texts.pop() ?? '';
      for (const text of texts) {
        number += 1;
        if (text.trim() !== '') yield { number, text: text.trim() };
      }
      if (rest.length > lineCharactersMax) {
        throw wrongUsage(`${option}: line ${number + 1} is longer than ${lineCharactersMax} characters.`);
      }
    }
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
    throw wrongUsage(
      `${option}: ${file} cannot be read (${'code' in error ? String(error.code) : error.message}).`,
    );
  }
  rest += decoder.decode();
  if (rest.trim() !== '') yield { number: number + 1, text: rest.trim() };
}
