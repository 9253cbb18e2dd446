import { request } from 'node:http';
import type { PutEntry } from '../../src/core/feed.ts';
import { createArrivals } from '../arrivals.ts';
import { serveParent } from '../processes.ts';
import { machineMicros } from '../measure.ts';

/** Many readers of an event stream in one process. An entry has arrived when its JSON is parsed; nothing is done with it. */
const arrivals = createArrivals();
let frameCharacters = 0;

type Opening = {
  readonly url: string;
  readonly token: string;
  readonly point: string;
  readonly count: number;
};

serveParent({
  async open({ url, token, point, count }: Opening) {
    const opened = Array.from({ length: count }, (_, number) =>
      openOne(url, { authorization: `Bearer ${token}`, 'caep-point': `${point}/light-${number}` }),
    );
    await Promise.all(opened);
    arrivals.expect(count);
  },
  /** Microseconds of the machine's clock, one for each reader. */
  arrivals: (marker: string) => arrivals.all(marker),
  /** How long the newest frame was, its empty line included. */
  frameCharacters: () => frameCharacters,
});

function openOne(url: string, headers: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, agent: false }, (incoming) => {
      if (incoming.statusCode !== 200)
        return reject(new Error(`the stream was answered ${incoming.statusCode}`));
      let rest = '';
      incoming.setEncoding('utf8').on('data', (text: string) => {
        resolve();
        rest = readFrames(rest + text);
      });
      incoming.on('error', () => undefined);
      return undefined;
    });
    outgoing.on('error', reject).end();
  });
}

function readFrames(text: string): string {
  let start = 0;
  for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n', start)) {
    const frame = text.slice(start, end + 2);
    start = end + 2;
    if (!frame.includes('\nevent: put\n') && !frame.startsWith('event: put\n')) continue;
    const at = frame.indexOf('data: ') + 'data: '.length;
    const entry = JSON.parse(frame.slice(at)) as PutEntry;
    arrivals.note(entry.match.client_id ?? '', machineMicros(), entry.committed_at_ms);
    frameCharacters = frame.length;
  }
  return text.slice(start);
}
