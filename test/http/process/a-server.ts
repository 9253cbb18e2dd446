import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { sourceDefaults } from '../../../src/core/source.ts';
import { sourceId, tokenId } from '../../../src/core/vocabulary.ts';
import type { FindCaller, Refusal } from '../../../src/http/authenticate.ts';
import type { Caller, Scope } from '../../../src/http/caller.ts';
import { createLog } from '../../../src/http/log.ts';
import { createServer, type HubServer, type ServerOptions } from '../../../src/http/server.ts';

function aCaller(scopes: readonly Scope[]): Caller {
  return {
    tokenId: tokenId('tok_1'),
    actor: 'soc',
    scopes: new Set(scopes),
    source: { ...sourceDefaults, id: sourceId('soc') },
  };
}

const callers: Readonly<Record<string, Caller>> = {
  chub_reader: aCaller(['signals.read']),
  chub_admin: aCaller(['admin']),
};

const findCaller: FindCaller = async (secret) => {
  if (secret === 'chub_expired') return { kind: 'expired' };
  if (secret === 'chub_revoked') return { kind: 'revoked' };
  const caller = Object.hasOwn(callers, secret) ? callers[secret] : undefined;
  return caller === undefined ? { kind: 'unknown' } : { kind: 'known', caller };
};

/** A server with the hub's defaults, the tokens `chub_reader` and `chub_admin`, and everything it says kept. */
export function aServer(options: Partial<ServerOptions> = {}) {
  const refused: Refusal[] = [];
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const app = createServer({
    logger: createLog('debug', destination),
    findCaller,
    noteRefusal: (refusal) => void refused.push(refusal),
    explainError: () => undefined,
    ...options,
  });
  return { app, refused, lines };
}

export const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

/** Listens on a free port of the loopback and answers its number. */
export async function listen(app: HubServer): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}

/** Sends bytes as they are and answers all that came back until the other side ended. */
export async function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}
