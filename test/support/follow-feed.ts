/** A point: follows the hub of its first argument with the token in POINT_TOKEN until its input ends, and says each thing on a line. */
import { createRevocationCache } from '../../src/enforcement/cache.ts';
import { createFeedClient } from '../../src/enforcement/feed-client.ts';

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const client = createFeedClient({
  hub: process.argv[2] ?? '',
  token: process.env['POINT_TOKEN'] ?? '',
  point: 'edge/1',
  cache: createRevocationCache(),
  declaration: {
    kind: 'test',
    version: '1',
    postures: {},
    can: { effects: ['deny'], cut_open_requests: false },
    downstream_cache_seconds: 0,
  },
  onState: ({ fresh }) => say({ fresh }),
  onApplied: (entries) => say({ applied: entries }),
  onTrouble: ({ code, cause }) =>
    say({ trouble: code, cause: (cause as { code?: string } | undefined)?.code }),
});
process.stdin.resume().on('end', () => void client.close());
