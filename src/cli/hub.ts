import { setTimeout as sleep } from 'node:timers/promises';
import type { FieldError } from '../core/problem.ts';
import { CliProblem, isCliProblem } from './cli-problem.ts';
import type { Connection } from './connection.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { readLimited } from './read-limited.ts';

/** The hub over its HTTP API. Every method throws `CliProblem` for a refusal and for a hub that does not answer. */
export type Hub = {
  readonly connection: Connection;
  call<Reply>(method: Method, path: string, options?: CallOptions): Promise<Reply>;
  /** As many items as there are, `most` at the most; `next_cursor` when there are more. */
  list<Item>(path: string, query: Query, most: number): Promise<Page<Item>>;
  /** The status and body of any answer; the one call that needs no token. */
  probe(path: string): Promise<Probe>;
  /** An answer that goes on; ends at `stop` by a problem, as a lost connection does. */
  open(path: string, options: OpenOptions): Promise<ReadableStream<Uint8Array>>;
};
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Query = { readonly [name: string]: string | number | boolean | undefined };
export type CallOptions = {
  readonly body?: object;
  /** Instead of a body, JSON line by line; the answer is the list of the answers to each. */
  readonly lines?: readonly string[];
  readonly query?: Query;
  readonly timeoutMs?: number;
  /** Sent again when no answer came: for requests that are the same the second time. */
  readonly repeatable?: boolean;
  /** Of what is sent once: the command that shows whether it was done, for when no answer came. */
  readonly lookWith?: string;
};
export type OpenOptions = {
  readonly query?: Query;
  readonly lastEventId?: string;
  readonly stop: AbortSignal;
};
export type Page<Item> = { readonly items: readonly Item[]; readonly next_cursor: string | null };
export type Probe = { readonly status: number; readonly body: unknown; readonly date?: string };

const answerMs = 10_000;
const pageItemsMax = 200;
const ndjson = 'application/x-ndjson';
/** Before each further attempt of a request that may be repeated. */
const repeatWaitsMs = [200, 1_000, 3_000] as const;

export function createHub(connection: Connection): Hub {
  const { url, token } = connection;

  async function request(method: Method, path: string, given: RequestInit & { readonly query?: Query }) {
    const { query, ...init } = given;
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const target = url + path + queryText(query);
    try {
      return await fetch(target, { ...init, method, headers, redirect: 'manual' });
    } catch (error) {
      throw unreachable(connection, error);
    }
  }

  async function callOnce(method: Method, path: string, options: CallOptions): Promise<unknown> {
    if (token === undefined) throw noToken(connection);
    const { body, lines, query, timeoutMs = answerMs } = options;
    const response = await request(method, path, {
      signal: AbortSignal.timeout(timeoutMs),
      ...(query !== undefined && { query }),
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
      ...(lines !== undefined && { body: lines.join('\n'), headers: { 'content-type': ndjson } }),
    });
    return readAnswer(response, connection);
  }

  async function call<Reply>(method: Method, path: string, options: CallOptions = {}): Promise<Reply> {
    const { repeatable = method === 'GET', query } = options;
    if (!repeatable && query?.['dry_run'] !== true)
      return (await callForGood(method, path, options)) as Reply;
    for (const waitMs of options.repeatable === true ? repeatWaitsMs : []) {
      try {
        return (await callOnce(method, path, options)) as Reply;
      } catch (error) {
        if (!isCliProblem(error) || error.exitCode !== exitCodes.unreachable) throw error;
        await sleep(waitMs);
      }
    }
    return (await callOnce(method, path, options)) as Reply;
  }

  /** What may have been done though nobody heard of it must not be taken for not done. */
  async function callForGood(method: Method, path: string, options: CallOptions): Promise<unknown> {
    try {
      return await callOnce(method, path, options);
    } catch (error) {
      if (!isCliProblem(error) || error.exitCode !== exitCodes.unreachable || wasNeverSent(error))
        throw error;
      const { exitCode, code, message, cause } = error;
      const unknown = `It is not known whether the hub did it. Look with: ${options.lookWith ?? 'caep-hub audit list'}`;
      // To start a hub is no advice where one may have done it.
      const hints = code === 'unreachable' || error.hint === undefined ? [unknown] : [error.hint, unknown];
      throw new CliProblem(exitCode, code, message, { hint: hints.join(' '), cause });
    }
  }

  return {
    connection,
    call,
    async list<Item>(path: string, query: Query, most: number): Promise<Page<Item>> {
      const items: Item[] = [];
      let cursor: string | null = null;
      do {
        const limit = Math.min(most - items.length, pageItemsMax);
        const page: Page<Item> | undefined = await call('GET', path, {
          query: { ...query, limit, ...(cursor !== null && { cursor }) },
        });
        if (page === undefined || !hasItems(page)) throw notAHub(connection, 200);
        items.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor !== null && items.length < most);
      return { items, next_cursor: cursor };
    },
    async probe(path) {
      const response = await request('GET', path, { signal: AbortSignal.timeout(answerMs) });
      const date = response.headers.get('date');
      const text = await readText(response, connection);
      const body = isJson(response) ? parse(text, connection) : undefined;
      return { status: response.status, body, ...(date !== null && { date }) };
    },
    async open(path, { query, lastEventId, stop }) {
      if (token === undefined) throw noToken(connection);
      const response = await request('GET', path, {
        signal: stop,
        headers: {
          accept: 'text/event-stream',
          ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
        },
        ...(query !== undefined && { query }),
      });
      if (!response.ok || response.body === null) await readAnswer(response, connection);
      return response.body ?? new ReadableStream();
    },
  };
}

/** A path whose parts may be anything. */
export const path = (parts: TemplateStringsArray, ...names: readonly string[]): string =>
  String.raw({ raw: parts }, ...names.map(encodeURIComponent));

function queryText(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

async function readAnswer(response: Response, connection: Connection): Promise<unknown> {
  const text = await readText(response, connection);
  if (response.ok && text === '') return undefined;
  if (response.ok && response.headers.get('content-type')?.startsWith(ndjson) === true)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => parse(line, connection));
  if (!isJson(response)) throw notAHub(connection, response.status);
  const body = parse(text, connection);
  if (response.ok) return body;
  throw toProblem(response.status, body, connection);
}

/** @throws CliProblem when the answer breaks off, or is longer than any of a hub. */
const readText = (response: Response, connection: Connection): Promise<string> =>
  readLimited(response).catch((error: unknown) => {
    throw unreachable(connection, error);
  });

const isJson = (response: Response): boolean =>
  /^application\/(problem\+)?json\b/.test(response.headers.get('content-type') ?? '');

function parse(text: string, connection: Connection): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notAHub(connection, 200);
  }
}

/** Members of a problem, as far as they are there. @see RFC 9457 */
type ProblemBody = {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly errors?: readonly FieldError[];
};

function toProblem(status: number, body: unknown, connection: Connection): CliProblem {
  const { code = `status-${status}`, title, detail, hint, errors } = (body ?? {}) as ProblemBody;
  const exitCode = exitCodeOf(status, code);
  const ours = status === 401 ? tokenHint(connection) : undefined;
  const next = [hint, ours].filter((text) => text !== undefined).join(' ');
  return new CliProblem(exitCode, code, detail ?? title ?? `The hub answers ${status}.`, {
    ...(next !== '' && { hint: next }),
    ...(Array.isArray(errors) && { errors }),
  });
}

/** A Transmitter that does not do what it was asked is no hub that is away. */
function exitCodeOf(status: number, code: string): ExitCode {
  if (status === 500) return exitCodes.bug;
  return status > 500 && code !== 'upstream-failed' ? exitCodes.unreachable : exitCodes.refused;
}

const tokenHint = ({ tokenFrom }: Connection): string =>
  tokenFrom === undefined ? noTokenHint : `The token came from ${tokenFrom}.`;

const noTokenHint =
  'Set CAEP_HUB_TOKEN, or run where the hub keeps ./data/admin-token. ' +
  '`caep-hub token create` makes tokens for others.';

const noToken = ({ url }: Connection): CliProblem =>
  new CliProblem(exitCodes.usage, 'no-token', `There is no token for ${url}.`, { hint: noTokenHint });

function unreachable({ url, urlFrom }: Connection, error: unknown): CliProblem {
  const timedOut = error instanceof Error && error.name === 'TimeoutError';
  const why = timedOut ? 'no answer in time' : reasonOf(error);
  return new CliProblem(
    exitCodes.unreachable,
    'unreachable',
    `No hub answers at ${url} (from ${urlFrom}): ${why}.`,
    { hint: whatNext(timedOut ? '' : why), cause: error },
  );
}

/** By what Node says of a connection that came to nothing, what to do; the first that fits. */
const remedies: readonly (readonly [why: RegExp, hint: string])[] = [
  [/ALTNAME/, 'Name the hub with --hub or CAEP_HUB_URL by a name that is in its certificate.'],
  [
    /EXPIRED|NOT_YET_VALID/,
    "Have the hub's certificate renewed, and see that this machine's clock is right.",
  ],
  [
    /SELF_SIGNED|UNABLE_TO|ISSUER_CERT/,
    "This machine does not know who vouches for the hub's certificate: set NODE_EXTRA_CA_CERTS to a file with that authority's certificate.",
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH/,
    'What answers there does not speak TLS: write http:// if it is on this machine.',
  ],
  [
    /UND_ERR_SOCKET|ECONNRESET/,
    'It hangs up: if it has TLS_CERT_FILE, write https:// in --hub or CAEP_HUB_URL.',
  ],
  [/(?:)/, 'Start one with `caep-hub serve`, or name another with --hub or CAEP_HUB_URL.'],
];
const whatNext = (why: string): string => remedies.find(([reason]) => reason.test(why))?.[1] ?? '';

/** There was no connection that a request could have been sent over. */
const wasNeverSent = ({ cause }: CliProblem): boolean =>
  ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'].includes(reasonOf(cause));

function notAHub({ url, urlFrom }: Connection, status: number): CliProblem {
  return new CliProblem(
    exitCodes.unreachable,
    'not-a-hub',
    `What answers at ${url} (from ${urlFrom}) is not a hub: status ${status}, and no JSON as a hub has it.`,
    { hint: 'Name the hub with --hub or CAEP_HUB_URL; a proxy in front of it must pass /v1 on.' },
  );
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
  return error instanceof Error ? error.message : String(error);
}

/** Whatever stands between may answer anything. */
const hasItems = (page: { readonly items?: unknown }): boolean => Array.isArray(page.items);
