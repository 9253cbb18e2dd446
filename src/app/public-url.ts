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
  /** Tells which port was found. */
  listensAt(url: string): void;
};

type PublicUrlOptions = Pick<Config, 'publicUrl' | 'port' | 'tls'>;

export function createPublicUrl({ publicUrl: given, port, tls }: PublicUrlOptions): PublicUrl {
  const atPort = (found: number | string): string =>
    `${tls === undefined ? 'http' : 'https'}://localhost:${found}`;
  let known = given ?? (port === 0 ? undefined : atPort(port));
  return {
    get() {
      if (known === undefined) throw new Error('the hub has no URL before it listens on a port');
      return known;
    },
    path: given === undefined ? '' : new URL(given).pathname.replace(/\/$/, ''),
    isLoopback: given === undefined || isLoopback(new URL(given).hostname),
    listensAt(url) {
      known ??= atPort(new URL(url).port);
    },
  };
}
