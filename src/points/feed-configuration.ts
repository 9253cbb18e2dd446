import { createHash } from 'node:crypto';
import type { FeedConfiguration } from '../core/feed.ts';
import type { IssuerSettings } from '../core/issuer.ts';
import type { PointName } from '../core/vocabulary.ts';
import type { Clock, DeriveKey, ListIssuers } from './ports.ts';

/** A nonce key is handed out for a day and stays good for the next. */
const nonceKeySeconds = 86_400;

/** What points and watchers are told beside the entries. */
export type Configuration = {
  readonly issuers: readonly IssuerSettings[];
  /** Changes with everything that anybody is told. */
  readonly version: string;
  /** Changes with the issuers. */
  readonly issuersTag: string;
  /** Looks again at the issuers and the clock. */
  refresh(): void;
  /** The nonce keys are for the instances of a point and for nobody else. */
  wire(point: PointName | undefined): FeedConfiguration;
};

export function createConfiguration(options: {
  readonly listIssuers: ListIssuers;
  readonly deriveKey: DeriveKey;
  readonly clock: Clock;
}): Configuration {
  let issuers: readonly IssuerSettings[] = [];
  let issuersTag = '';
  let day = 0;

  function refresh(): void {
    issuers = options.listIssuers();
    issuersTag = createHash('sha256').update(JSON.stringify(issuers)).digest('hex').slice(0, 8);
    day = Math.floor(options.clock.nowMs() / 1000 / nonceKeySeconds);
  }

  const nonceKey = (point: PointName, keyDay: number) => ({
    kid: String(keyDay),
    key: Buffer.from(options.deriveKey(`nonce-key/${point}/${keyDay}`)).toString('base64url'),
    from: keyDay * nonceKeySeconds,
    until: (keyDay + 2) * nonceKeySeconds,
  });

  refresh();
  return {
    get issuers() {
      return issuers;
    },
    get version() {
      return `${issuersTag}.${day}`;
    },
    get issuersTag() {
      return issuersTag;
    },
    refresh,
    wire: (point) => ({
      issuers,
      ...(point !== undefined && { nonce_keys: [nonceKey(point, day), nonceKey(point, day - 1)] }),
    }),
  };
}
