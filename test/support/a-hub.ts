import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { createApp, type App, type Listening } from '../../src/app.ts';
import type { Clock } from '../../src/adapters/system/clock.ts';
import { parseConfig, type Environment } from '../../src/config.ts';
import { createLog } from '../../src/http/log.ts';
import { embeddedTemplate } from './databases.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed when it is JSON. */
  readonly body: Record<string, unknown>;
  readonly text: string;
};

export type Hub = Listening & {
  readonly app: App;
  readonly dataDir: string;
  readonly adminToken: string;
  /** Everything it logged, line by line. */
  readonly lines: readonly string[];
  /** Calls it as the administrator, unless `token` says as whom; `null` is nobody. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Closes it; with `keep`, its files stay for another start. */
  stop(keep?: 'keep'): Promise<void>;
};
export type CallOptions = {
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
};

/** A whole hub over loopback on an embedded database of its own, or on the files of one that was kept. */
export async function startHub(environment: Environment = {}, dataDir?: string, clock?: Clock): Promise<Hub> {
  const directory = dataDir ?? mkdtempSync(join(tmpdir(), 'caep-hub-test-'));
  if (dataDir === undefined) cpSync(await embeddedTemplate(), join(directory, 'db'), { recursive: true });
  const lines: string[] = [];
  const log = createLog(
    'info',
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  const app = await createApp(parseConfig({ PORT: '0', DATA_DIR: directory, ...environment }), log, clock);
  const listening = await app.listen();
  const adminToken =
    environment['ADMIN_TOKEN'] ?? readFileSync(join(directory, 'admin-token'), 'utf8').trim();
  return {
    ...listening,
    app,
    dataDir: directory,
    adminToken,
    lines,
    call: (method, path, options = {}) => callHub(listening.url, adminToken, method, path, options),
    async stop(keep) {
      await app.close();
      if (keep === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The same for a hub that somebody else started. */
export async function callHub(
  url: string,
  adminToken: string,
  method: string,
  path: string,
  { token = adminToken, body, headers = {} }: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
    text,
  };
}
