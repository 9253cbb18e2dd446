import { readTextFile } from './arguments.ts';
import { wrongUsage } from './cli-problem.ts';
import type { Surroundings } from './surroundings.ts';

/** Of stdin that is taken for a secret. */
const secretCharactersMax = 16_384;

/**
 * A secret from a file, or with "-" from stdin, without the end of its line: as an argument it would be seen in the list of
 * processes and kept by the shell.
 *
 * @throws CliProblem when there is none.
 */
export async function readSecret(
  option: string,
  from: string,
  { stdin }: Pick<Surroundings, 'stdin'>,
): Promise<string> {
  const text = from === '-' ? await readStdin(stdin) : await readTextFile(option, from);
  const secret = text.replace(/\r?\n$/, '');
  if (secret !== '') return secret;
  throw wrongUsage(
    `${option}: there is nothing in it.`,
    `Write ${option} FILE, or pipe it in with ${option} -.`,
  );
}

async function readStdin(stdin: AsyncIterable<string | Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of stdin) {
    text += chunk.toString();
    if (text.length > secretCharactersMax) break;
  }
  return text;
}
