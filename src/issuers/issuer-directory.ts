import type { IssuerSettings } from '../core/issuer.ts';
import type { FollowedRows } from '../pipeline/ports.ts';

/** The configured issuers: what deciding, defaults and the feed's configuration read without a query. */
export type IssuerDirectory = {
  settings(url: string): IssuerSettings | undefined;
  all(): readonly IssuerSettings[];
  /** The issuer meant when a subject leaves `iss` out: the only one there is. */
  only(): string | undefined;
};

export function createIssuerDirectory({
  all,
  onRead,
}: Pick<FollowedRows<IssuerSettings>, 'all' | 'onRead'>): IssuerDirectory {
  let known: ReadonlyMap<string, IssuerSettings>;
  const take = () => void (known = new Map(all().map((settings) => [settings.url, settings])));
  take();
  onRead(take);
  return {
    settings: (url) => known.get(url),
    all,
    only: () => (known.size === 1 ? [...known.keys()][0] : undefined),
  };
}
