/** What others reach the hub by, which is its name as an issuer: the same bytes wherever it stands. */
export type PublicUrl = {
  /** @throws Error before the hub listens, where nobody has said and the port is yet to be found. */
  readonly get: () => string;
  /** Empty, or its path, without a slash at the end. */
  readonly path: string;
  /** Tells which port was found. */
  listensAt(url: string): void;
};

export function createPublicUrl(given: string | undefined, port: number): PublicUrl {
  let known = given ?? (port === 0 ? undefined : `http://localhost:${port}`);
  return {
    get() {
      if (known === undefined) throw new Error('the hub has no URL before it listens on a port');
      return known;
    },
    path: given === undefined ? '' : new URL(given).pathname.replace(/\/$/, ''),
    listensAt(url) {
      known ??= `http://localhost:${new URL(url).port}`;
    },
  };
}
