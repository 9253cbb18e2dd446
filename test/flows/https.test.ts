import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startHub } from '../support/a-hub.ts';
import { anAuthority, type ServerCertificate } from '../support/certificates.ts';
import { embeddedTemplate } from '../support/databases.ts';
import { type HubProcess, hubProgram, startHubProcess } from '../support/hub-process.ts';

const root = join(import.meta.dirname, '../..');
const authority = anAuthority();
const names = ['localhost', '127.0.0.1'];
const secret = 'x'.repeat(40);

type Asked = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Body };
type Body = Readonly<Record<string, unknown>>;

/** A hub, a point, the command line, a Receiver and an OAuth client: each a process or a peer that verifies all of TLS. */
describe('everything that speaks with the hub speaks https', { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'caep-hub-https-'));
  const at = (name: string): string => join(directory, name);
  const children: ChildProcess[] = [];
  let hub: HubProcess;
  let port: number;

  const put = ({ cert, key }: ServerCertificate): void => {
    writeFileSync(at('tls.crt'), cert);
    writeFileSync(at('tls.key'), key);
  };
  beforeAll(async () => {
    put(authority.issue(names, 365));
    writeFileSync(at('ca.pem'), authority.pem);
    cpSync(await embeddedTemplate(), at('data/db'), { recursive: true });
    hub = await startHubProcess({
      DATA_DIR: at('data'),
      ADMIN_TOKEN: secret,
      TLS_CERT_FILE: at('tls.crt'),
      TLS_KEY_FILE: at('tls.key'),
    });
    port = Number(new URL(hub.url).port);
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await hub.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const ask = (method: string, path: string, sent?: unknown, authorization = `Bearer ${secret}`) =>
    new Promise<Asked>((resolve, reject) => {
      const isForm = sent instanceof URLSearchParams;
      const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
      const headers = { authorization, ...(sent === undefined ? {} : { 'content-type': type }) };
      const url = new URL(path, `https://localhost:${port}`);
      const asking = request(url, { method, headers, ca: authority.pem, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (more: string) => (text += more));
        answer.on('end', () => {
          const body = (text === '' ? {} : JSON.parse(text)) as Body;
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body });
        });
      });
      asking.on('error', reject);
      asking.end(sent === undefined ? undefined : isForm ? String(sent) : JSON.stringify(sent));
    });
  const run = (words: readonly string[], environment: Record<string, string> = {}) => {
    const child = spawn(process.execPath, words, {
      cwd: root,
      env: { PATH: process.env['PATH'], ...environment },
    });
    children.push(child);
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
    return { child, said, ended: once(child, 'close').then(() => child.exitCode) };
  };
  const trusting = { NODE_EXTRA_CA_CERTS: at('ca.pem') };
  const until = <T>(holds: () => T): Promise<T> => vi.waitFor(holds, { timeout: 60_000, interval: 100 });
  const kill = async (client: string): Promise<Body> => {
    const subject = { iss: 'https://idp.example', client_id: client };
    const answer = await ask('POST', '/v1/signals', { event: 'session-revoked', subject });
    expect(answer.status).toBe(202);
    return answer.body;
  };

  it('says https of itself: where it listens, its issuer, its endpoints; and nothing of it binds localhost', async () => {
    expect(hub.url).toMatch(/^https:/);
    const { body, headers } = await ask('GET', '/.well-known/ssf-configuration');
    const issuer = `https://localhost:${port}`;
    expect(body).toMatchObject({ issuer, jwks_uri: `${issuer}/jwks.json` });
    expect(headers).not.toHaveProperty('strict-transport-security');
  });

  it('RFC 6797 §7.2: has browsers come by https only where others come at all', async () => {
    const files = { TLS_CERT_FILE: at('tls.crt'), TLS_KEY_FILE: at('tls.key') };
    const known = await startHub({ ...files, PUBLIC_URL: 'https://hub.example' });
    const { headers } = await ask('GET', `https://localhost:${new URL(known.url).port}/healthz`);
    await known.stop();
    expect(headers['strict-transport-security']).toBe('max-age=31536000');
  });

  it('a point follows the feed, is killed at, and confirms; one that does not know the authority follows nothing', async () => {
    const added = await ask('POST', '/v1/points', { name: 'edge', expect: 1 });
    const environment = { POINT_TOKEN: (added.body['token'] as { readonly secret: string }).secret };
    const program = ['--import', 'tsx', 'test/support/follow-feed.ts', `https://localhost:${port}`];
    const stranger = run(program, environment);
    await until(() => expect(stranger.said.stdout).toContain('UNABLE_TO_VERIFY_LEAF_SIGNATURE'));
    stranger.child.kill('SIGKILL');
    expect(stranger.said.stdout).not.toContain('"fresh":true');

    const point = run(program, { ...environment, ...trusting });
    await until(() => expect(point.said.stdout).toContain('"fresh":true'));
    const { signal_id: id } = await kill('followed');
    await until(() => expect(point.said.stdout).toContain('"client_id":"followed"'));
    await until(async () => {
      expect((await ask('GET', `/v1/signals/${String(id)}/enforcement`)).body['state']).toBe('complete');
    });
    expect(point.said.stdout).not.toContain('trouble');
    point.child.stdin.end();
    expect(await point.ended).toBe(0);
  });

  it('who waits for a change is answered by it', async () => {
    const { body } = await ask('GET', '/v1/feed?wait=changes&timeout_ms=0');
    const events = body['events'] as readonly { readonly event: string; readonly data: Body }[];
    const from = String(events.at(-1)?.data['through']);
    const waiting = ask('GET', `/v1/feed?wait=changes&from=${encodeURIComponent(from)}`);
    await kill('waited-for');
    expect(JSON.stringify((await waiting).body)).toContain('waited-for');
  });

  it('RFC 8936: an OAuth client gets a token, a stream and its SETs', async () => {
    const made = await ask('POST', '/v1/clients', { client_id: 'shop', scopes: ['ssf.manage', 'ssf.read'] });
    const basic = Buffer.from(`shop:${String(made.body['client_secret'])}`).toString('base64');
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    const { access_token: token } = (await ask('POST', '/oauth/token', form, `Basic ${basic}`)).body;
    const bearer = `Bearer ${String(token)}`;
    const events = ['https://schemas.openid.net/secevent/caep/event-type/session-revoked'];
    const stream = await ask('POST', '/ssf/streams', { events_requested: events }, bearer);
    const { endpoint_url: url } = stream.body['delivery'] as { readonly endpoint_url: string };
    expect(url).toMatch(new RegExp(`^https://localhost:${port}/`));
    const { txn } = await kill('polled');
    const { body } = await ask('POST', new URL(url).pathname, { maxEvents: 1 }, bearer);
    const [set = ''] = Object.values(body['sets'] as Readonly<Record<string, string>>);
    const claims = JSON.parse(Buffer.from(set.split('.')[1] ?? '', 'base64url').toString()) as Body;
    expect(claims).toMatchObject({ iss: `https://localhost:${port}`, txn });
  });

  it('the command line connects with NODE_EXTRA_CA_CERTS, and says what to do without it', async () => {
    const program = await hubProgram();
    const doctor = (url: string, environment = {}) =>
      run([program, 'doctor', '--json', '--hub', url], {
        CAEP_HUB_TOKEN: secret,
        ...environment,
      });
    const well = doctor(`https://localhost:${port}`, trusting);
    await well.ended;
    expect(JSON.parse(well.said.stdout)).toMatchObject({
      findings: expect.arrayContaining([expect.objectContaining({ check: 'reach', state: 'fine' })]),
    });
    const [stranger, plain] = [doctor(`https://localhost:${port}`), doctor(`http://localhost:${port}`)];
    expect([await stranger.ended, await plain.ended]).toEqual([5, 5]);
    expect(stranger.said.stdout).toContain('set NODE_EXTRA_CA_CERTS');
    expect(plain.said.stdout).toContain('write https://');
  });

  it('the health check of the image asks by https', async () => {
    const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
    const [, command = '[]'] = /HEALTHCHECK[^[]*CMD (\[.*\])/.exec(dockerfile) ?? [];
    const words = (JSON.parse(command) as string[]).slice(1);
    expect(await run(words, { PORT: String(port), TLS_CERT_FILE: 'set' }).ended).toBe(0);
    expect(await run(words, { PORT: String(port) }).ended).toBe(1);
  });

  it('a renewed certificate is served without a restart; one that does not fit is not, and /readyz says so', async () => {
    const seen = async (): Promise<string> => {
      const socket = connect({ port, host: 'localhost', servername: 'localhost', ca: authority.pem });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const notices = async (): Promise<unknown> => (await ask('GET', '/readyz')).body['notices'];
    const first = await seen();
    const next = authority.issue(names, 365);
    writeFileSync(at('tls.crt'), next.cert);
    await until(async () => {
      expect(await notices()).toContainEqual(expect.stringContaining('TLS_KEY_FILE'));
    });
    expect(await seen()).toBe(first);
    put(next);
    await until(async () => expect(await seen()).not.toBe(first));
    expect(await notices()).toEqual([]);
  });
});
