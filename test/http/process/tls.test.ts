import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HubServer } from '../../../src/http/server.ts';
import { anAuthority } from '../../support/certificates.ts';
import { aServer, listen, sendRaw } from './a-server.ts';

const authority = anAuthority();
const rsa = authority.issue(['localhost'], 1, { rsaBits: 2_048 });

let app: HubServer;
let port: number;
beforeAll(async () => {
  ({ app } = aServer({ tls: rsa, strictTransport: true, limits: { handshakeMs: 200 } }));
  port = await listen(app);
});
afterAll(() => app.close());

/** Everything is verified. */
const meet = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: authority.pem, ...options });
  await once(socket, 'secureConnect');
  return socket;
};

async function say(text: string, options: ConnectionOptions = {}): Promise<string> {
  const socket = await meet(options);
  let answer = '';
  socket.setEncoding('latin1').on('data', (more: string) => (answer += more));
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return answer;
}

const request = 'GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const old = { ciphers: 'DEFAULT:@SECLEVEL=0', minVersion: 'TLSv1' } as const;

describe('RFC 9325 §3.1.1: TLS 1.2 or later', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken', async (version) => {
    const socket = await meet({ minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
    expect(await say(request, { minVersion: version, maxVersion: version })).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('TLS 1.3 is preferred', async () => {
    const socket = await meet();
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    await expect(meet({ ...old, maxVersion: version })).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
  });
});

describe('RFC 9325 §4.1: no key exchange without forward secrecy', () => {
  it.each([
    ['ECDHE-RSA-AES128-GCM-SHA256', true],
    ['AES128-GCM-SHA256', false],
    ['AES256-SHA', false],
  ])('%s: %s', async (ciphers, isSpoken) => {
    const meeting = meet({ ciphers, maxVersion: 'TLSv1.2' });
    if (isSpoken) (await meeting).destroy();
    else await expect(meeting).rejects.toMatchObject({ code: expect.stringContaining('HANDSHAKE_FAILURE') });
  });
});

describe('what does not speak TLS, or not in time, is cut, and nobody else hears of it', () => {
  it('plain HTTP', async () => {
    const answer = await sendRaw(port, request).catch((error: unknown) => error);
    expect(answer === '' || answer instanceof Error).toBe(true);
    expect(await say(request)).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('garbage', async () => {
    const answer = await sendRaw(port, '\x16\x03\x01\x02\x00\x01garbage'.padEnd(700, '\xff')).catch(() => '');
    expect(answer).not.toContain('HTTP');
    expect(await say(request)).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('silence', async () => {
    const socket = connectPlain(port, '127.0.0.1');
    socket.resume().on('error', () => undefined);
    await once(socket, 'close');
    expect(await say(request)).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('while what is no HTTP within TLS is answered as without it', async () => {
    expect(await say('hello\r\n\r\n')).toContain('"code":"invalid-request"');
  });
});

describe('RFC 6797 §7.2: Strict-Transport-Security', () => {
  it('is sent with TLS where others come', async () => {
    expect(await say(request)).toMatch(/\r\nstrict-transport-security: max-age=31536000\r\n/i);
  });

  it('is not sent without', async () => {
    const { headers } = await aServer().app.inject({ url: '/nothing' });
    expect(headers).not.toHaveProperty('strict-transport-security');
  });
});
