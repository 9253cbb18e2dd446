import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SetClaims } from '../../src/core/set-claims.ts';
import { createArrivals } from '../arrivals.ts';
import { machineMicros } from '../measure.ts';
import { serveParent } from '../processes.ts';

/**
 * Receivers that are pushed to, each at an origin of its own. A SET has arrived when its body is whole and its claims
 * are parsed; no signature is verified.
 */
const arrivals = createArrivals();
let newest: SetClaims | undefined;

/** Receivers whose arrivals do not count. */
const others = {
  answers: (response: ServerResponse) => response.writeHead(202).end(),
  hangs: () => undefined,
  fails: (response: ServerResponse) => response.writeHead(500).end(),
} as const;
export type Other = keyof typeof others;

export type Receivers = { readonly counted: number; readonly others?: readonly Other[] };

serveParent({
  /** Answers where they are, the others last. */
  open({ counted, others: kinds = [] }: Receivers) {
    arrivals.expect(counted);
    return Promise.all([
      ...Array.from({ length: counted }, () => listen(take)),
      ...kinds.map((kind) => listen((_body, response) => others[kind](response))),
    ]);
  },
  /** Microseconds of the machine's clock, one for each that counts, in the order in which they got what names this client. */
  arrivals: (clientId: string) => arrivals.all(clientId),
  /** Of the newest SET. */
  claims: () => newest,
});

function take(body: string, response: ServerResponse): void {
  const [, payload = ''] = body.split('.');
  newest = JSON.parse(Buffer.from(payload, 'base64url').toString()) as SetClaims;
  arrivals.note(clientOf(newest), machineMicros());
  response.writeHead(202).end();
}

const clientOf = ({ sub_id: subject }: SetClaims): string =>
  (subject as { readonly application: { readonly sub: string } }).application.sub;

async function listen(handle: (body: string, response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    void readText(request).then((body) => handle(body, response));
  });
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/push`;
}

function readText(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    request
      .setEncoding('utf8')
      .on('data', (chunk: string) => (text += chunk))
      .on('end', () => resolve(text))
      .on('error', reject);
  });
}
