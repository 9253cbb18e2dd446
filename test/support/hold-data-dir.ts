/** Tries to hold the data directory it is given, says `held` or the problem's code, and lives until its input ends. */
import { lockDataDir } from '../../src/adapters/system/data-dir-lock.ts';
import { isProblem } from '../../src/core/problem.ts';

try {
  await lockDataDir(process.argv[2] ?? '');
  process.stdout.write('held\n');
} catch (error) {
  process.stdout.write(`${isProblem(error) ? error.code : String(error)}\n`);
}
process.stdin.resume();
