import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Row, Settings } from './contract.ts';
import { machine, type Measured, toJson, toTable } from './report.ts';
import { durableSignals } from './rows/durable-signals.ts';
import { guardedRequest } from './rows/guarded-request.ts';
import { killToApplied } from './rows/kill-to-applied.ts';
import { killToPush } from './rows/kill-to-push.ts';
import { oneEventToThousandStreams } from './rows/one-event-to-1000-streams.ts';
import { revocationLookup } from './rows/revocation-lookup.ts';
import { setsPushed } from './rows/sets-pushed.ts';
import { sickReceivers } from './rows/sick-receivers.ts';
import { snapshot } from './rows/snapshot.ts';

const rows: readonly Row[] = [
  killToApplied,
  guardedRequest,
  revocationLookup,
  durableSignals,
  snapshot,
  killToPush,
  setsPushed,
  oneEventToThousandStreams,
  sickReceivers,
];

const usage = `npm run bench -- [--only ${rows.map(({ name }) => name).join(',')}] [--quick] [--json FILE]

Every figure stands beside a yardstick measured in turns with it, within the same run: the ratio is the result.
The table goes to stdout, progress to stderr. --quick only shows that everything runs.
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const settings: Settings = {
    quick: options.quick,
    progress: (text) => void process.stderr.write(`  ${text}\n`),
  };
  const where = machine();
  const measured: Measured[] = [];
  for (const row of options.rows) {
    process.stderr.write(`${row.name}: ${row.title}\n`);
    measured.push({ row, result: await row.run(settings) });
  }
  process.stdout.write(
    `${where}${options.quick ? ', --quick: not to be quoted' : ''}\n\n${toTable(measured)}`,
  );
  if (options.json !== undefined) writeFileSync(options.json, toJson(where, measured));
  return 0;
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        json: { type: 'string' },
        quick: { type: 'boolean', default: false },
      },
    });
    const names = values.only?.split(',');
    const chosen = names ? rows.filter(({ name }) => names.includes(name)) : rows;
    if (names && chosen.length !== names.length) return undefined;
    return { rows: chosen, quick: values.quick, json: values.json };
  } catch {
    return undefined;
  }
}
