import { createInterface } from 'node:readline';
import { wrongUsage } from './cli-problem.ts';
import type { Screen } from './screen.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * Asks a person for a yes; anything else is a no.
 *
 * @throws CliProblem where there is nobody to ask.
 */
export async function confirm(
  question: string,
  screen: Screen,
  { stdin }: Pick<Surroundings, 'stdin'>,
): Promise<boolean> {
  if (stdin.isTTY !== true) {
    throw wrongUsage(
      'There is no terminal to ask at, so nothing was done.',
      'Add --yes to go on without a question, or --dry-run.',
    );
  }
  screen.prompt(`${question} [y/N] `);
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}
