import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The hub's API as the demo uses it: plain HTTP and JSON, what anyone could do with curl. */
export type Hub = {
  readonly origin: string;
  call<T>(method: string, path: string, body?: unknown, token?: string): Promise<T>;
};

const answerTimeoutMs = 5_000;

export async function connectHub(origin: string, dataDir: string): Promise<Hub> {
  const admin = (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim();
  return {
    origin,
    async call(method, path, body, token = admin) {
      const response = await fetch(new URL(path, origin), {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
      return JSON.parse(text === '' ? 'null' : text) as never;
    },
  };
}

/** Polls until `look` gives something; the demo's own patience. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const pollMs = 10;

export type PointState = {
  readonly name: string;
  readonly instances: readonly {
    readonly instance: string;
    readonly state: string;
    readonly behind?: number;
  }[];
};
export type Enforcement = {
  readonly state: string;
  readonly expected: number;
  readonly applied: number;
  readonly instances: readonly {
    readonly point: string;
    readonly instance: string;
    readonly state: string;
    readonly latency_ms?: number;
    readonly until_ms?: number;
  }[];
};
export type SignalAnswer = {
  readonly signal_id: string;
  readonly decision: { readonly outcome: string; readonly text: string };
  readonly revocations: readonly { readonly position: string }[];
  readonly blast: { readonly agents: number; readonly keys: number; readonly descendants: number };
};
