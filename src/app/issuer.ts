import { type Config, issuerOf } from '../config.ts';

/** Who the hub is to others. Without `PUBLIC_URL`, and with a port that the system chooses, known when it listens. */
export type Issuer = {
  /** Nobody asks before the hub listens: whoever needs it answers a request. */
  readonly url: () => string;
  /** Path of the URL, empty where it has none. */
  readonly path: string;
  readonly listensOn: (port: number) => void;
};

export function createIssuer(config: Config): Issuer {
  let url = config.port === 0 && config.publicUrl === undefined ? undefined : issuerOf(config, config.port);
  return {
    url() {
      if (url === undefined) throw new Error('the hub does not listen yet');
      return url;
    },
    path: config.publicUrl === undefined ? '' : new URL(config.publicUrl).pathname.replace(/\/$/, ''),
    listensOn(port) {
      url = issuerOf(config, port);
    },
  };
}
