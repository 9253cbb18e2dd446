import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { configVariables } from '../src/config.ts';
import { type Helper, moduleUrl, startHelper } from './processes.ts';
import type { Storage } from './storages.ts';

const startMsMax = 300_000;
/** Nothing of what prepares a measurement fails because the machine is busy. */
const triesMax = 20;
const tryAgainAfterMs = 500;
/** What this shell has for another hub, its database above all, is not for ours. An empty variable is an absent one. */
const noOtherHub = Object.fromEntries(configVariables.map(([name]) => [name, '']));

/** The hub as anybody runs it, `caep-hub serve`, in a process of its own. */
export type Hub = {
  readonly url: string;
  readonly adminToken: string;
  /** Of a source that may kill as often as it likes. */
  readonly sourceToken: string;
  /** As the administrator. @throws Error on anything but success. */
  readonly call: <Answer>(method: string, path: string, body?: unknown) => Promise<Answer>;
  /** An enforcement point, and the token that all its instances share. */
  readonly addPoint: (name: string) => Promise<string>;
  /** Tells how long its event loop stood still, and what it used of the processor. */
  readonly probe: Helper['ask'];
  readonly end: () => Promise<void>;
};

/** A directory that lives as long as `work`. */
export async function withDirectory<Outcome>(
  work: (directory: string) => Promise<Outcome>,
): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'caep-hub-bench-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function startHub(storage: Storage, dataDir: string): Promise<Hub> {
  const environment = {
    ...noOtherHub,
    PORT: '0',
    DATA_DIR: dataDir,
    LOG_LEVEL: 'error',
    OUTBOUND_ALLOW: '127.0.0.1',
    ...storage.environment,
  };
  const helper = startHelper(moduleUrl('../src/main'), {
    arguments: ['serve'],
    flags: ['--import', moduleUrl('./children/stall-probe').href],
    environment,
  });
  const url = await listeningUrl(helper);
  const adminToken =
    storage.environment?.ADMIN_TOKEN ?? readFileSync(join(dataDir, 'admin-token'), 'utf8').trim();
  const call = <Answer>(method: string, path: string, body?: unknown) =>
    request<Answer>(url, adminToken, method, path, body);
  await call('PUT', '/v1/sources/bench', { kills_per_minute: 100_000 });
  const scopes = ['signals.write', 'signals.read'];
  const made = await call<{ token: string }>('POST', '/v1/tokens', {
    actor: 'bench',
    source: 'bench',
    scopes,
  });
  return {
    url,
    adminToken,
    sourceToken: made.token,
    call,
    async addPoint(name) {
      const added = await call<{ token: { secret: string } }>('POST', '/v1/points', { name });
      return added.token.secret;
    },
    probe: helper.ask,
    end: helper.end,
  };
}

/** It says so on stderr, where people read it. */
function listeningUrl({ child }: Helper): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const fail = () => reject(new Error(`the hub did not start: ${said}`));
    const timer = setTimeout(fail, startMsMax);
    child.once('exit', fail);
    child.stderr?.on('data', (text: string) => {
      said += text;
      const [, url] = /listens +(http:\S+)/.exec(said) ?? [];
      if (url === undefined) return;
      clearTimeout(timer);
      child.off('exit', fail);
      resolve(url);
    });
  });
}

async function request<Answer>(
  url: string,
  token: string,
  method: string,
  path: string,
  body: unknown,
  triesLeft = triesMax,
): Promise<Answer> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.status === 503 && triesLeft > 1) {
    await delay(tryAgainAfterMs);
    return request(url, token, method, path, body, triesLeft - 1);
  }
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Answer;
}

/** A kill of a client that nobody else names. */
export const aKill = (issuer: string, clientId: string) => ({
  event: 'credential-compromise',
  subject: { iss: issuer, client_id: clientId },
});

/** A signal, or what a yardstick takes for one. @throws Error unless it is answered 202. */
export async function post(url: string, body: string, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body });
  const text = await answer.text();
  if (answer.status !== 202) throw new Error(`the post was answered ${answer.status}: ${text}`);
}
