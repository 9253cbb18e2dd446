import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wrongUsage } from './cli-problem.ts';
import type { Surroundings } from './surroundings.ts';

/** Which hub is meant and as whom, and where that was said, for messages. The token itself is never shown. */
export type Connection = {
  /** Without a slash at the end. */
  readonly url: string;
  readonly urlFrom: string;
  readonly token?: string;
  readonly tokenFrom?: string;
};

const defaultUrl = 'http://127.0.0.1:8080';
const tokenShape = /^[\x21-\x7e]{1,4096}$/;

/**
 * Flag, environment, `~/.config/caep-hub/cli.json`, and for a hub of this machine `./data/admin-token`, in this order.
 * A token from a file goes only to the hub that the file is about.
 *
 * @throws CliProblem for a URL or token that cannot be one.
 */
export async function findConnection(
  flags: { readonly hub?: string; readonly token?: string },
  { env, homeDirectory, workingDirectory }: Pick<Surroundings, 'env' | 'homeDirectory' | 'workingDirectory'>,
): Promise<Connection> {
  const file = join(env['XDG_CONFIG_HOME'] || join(homeDirectory, '.config'), 'caep-hub', 'cli.json');
  const saved = await readSaved(file);
  const { value: given, from: urlFrom } = firstOf([
    [flags.hub, '--hub'],
    [env['CAEP_HUB_URL'], 'CAEP_HUB_URL'],
    [saved.hub, file],
  ]) ?? { value: defaultUrl, from: 'the default' };
  const url = readUrl(given, urlFrom);
  const adminTokenFile = join(workingDirectory, 'data', 'admin-token');
  const token = firstOf([
    [flags.token, '--token'],
    [env['CAEP_HUB_TOKEN'], 'CAEP_HUB_TOKEN'],
    [saved.hub !== undefined && readUrl(saved.hub, file) === url ? saved.token : undefined, file],
    [isLoopback(url) ? await readText(adminTokenFile) : undefined, adminTokenFile],
  ]);
  if (token === undefined) return { url, urlFrom };
  return { url, urlFrom, token: readToken(token.value, token.from), tokenFrom: token.from };
}

/** Anything else shows the token to everybody on the way. */
export const isPrivate = ({ url }: Connection): boolean => url.startsWith('https:') || isLoopback(url);

type Candidate = readonly [value: string | undefined, from: string];

/** An empty one is an absent one. */
function firstOf(
  candidates: readonly Candidate[],
): { readonly value: string; readonly from: string } | undefined {
  for (const [value, from] of candidates) if (value !== undefined && value !== '') return { value, from };
  return undefined;
}

function readUrl(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw wrongUsage(`The hub's URL from ${from} is no http(s) URL.`, `Write it like ${defaultUrl}.`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw wrongUsage(`The hub's URL from ${from} must have no user, password, query or fragment.`);
  }
  return url.href.replace(/\/+$/, '');
}

function readToken(text: string, from: string): string {
  const token = text.trim();
  if (tokenShape.test(token)) return token;
  throw wrongUsage(`What ${from} holds is no token.`, 'A token is one word of visible ASCII characters.');
}

const isLoopback = (url: string): boolean =>
  /^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(new URL(url).hostname);

async function readSaved(file: string): Promise<{ readonly hub?: string; readonly token?: string }> {
  const text = await readText(file);
  if (text === undefined) return {};
  try {
    const { hub, token } = JSON.parse(text) as { readonly hub?: unknown; readonly token?: unknown };
    return { ...(typeof hub === 'string' && { hub }), ...(typeof token === 'string' && { token }) };
  } catch {
    throw wrongUsage(`${file} is not JSON.`, 'It holds {"hub": URL, "token": TOKEN}.');
  }
}

/** Whatever cannot be read is not there. */
async function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
