import type { Config } from '../config.ts';
import { isLoopback } from '../enforcement/loopback.ts';

/** What others reach the hub by, which is its name as an issuer: the same bytes wherever it stands. */
export type PublicUrl = {
  /** @throws Error before the hub listens, where nobody has said and the port is yet to be found. */
  readonly get: () => string;
  /** Empty, or its path, without a slash at the end. */
  readonly path: string;
  /** Nobody on another machine comes by it. */
  readonly isLoopback: boolean;
  /** What it was before. */
  readonly formerly: () => readonly string[];
  /** Where it is known before the hub listens, it is taken then; `take` answers what the hub was called before. */
  takeIfKnown(): Promise<void>;
  /** Tells which port was found, and takes it where it was not taken before. */
  listensAt(url: string): Promise<void>;
};

type PublicUrlOptions = Pick<Config, 'publicUrl' | 'port' | 'tls'>;

export function createPublicUrl(
  { publicUrl: given, port, tls }: PublicUrlOptions,
  take: (url: string) => Promise<readonly string[]>,
): PublicUrl {
  const atPort = (found: number | string): string =>
    `${tls === undefined ? 'http' : 'https'}://localhost:${found}`;
  let known = given ?? (port === 0 ? undefined : atPort(port));
  let former: readonly string[] | undefined;
  async function takeIfKnown(): Promise<void> {
    if (known !== undefined) former ??= await take(known);
  }
  return {
    get() {
      if (known === undefined) throw new Error('the hub has no URL before it listens on a port');
      return known;
    },
    path: given === undefined ? '' : new URL(given).pathname.replace(/\/$/, ''),
    isLoopback: given === undefined || isLoopback(new URL(given).hostname),
    formerly: () => former ?? [],
    takeIfKnown,
    async listensAt(url) {
      known ??= atPort(new URL(url).port);
      await takeIfKnown();
    },
  };
}
