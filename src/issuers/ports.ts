import type { IssuerSettings } from '../core/issuer.ts';

/** Who asks, for the audit row that is written in the same transaction. */
export type Change = { readonly actor: string; readonly atMs: number; readonly correlationId?: string };

/** Every change is announced as `configuration`, after its commit. */
export type IssuerStore = {
  /** By URL, ascending. There are few: at most `issuersMax`. */
  list(): Promise<readonly IssuerSettings[]>;
  /** Creates or replaces. @throws Problem `conflict` when there are `issuersMax` already. */
  put(settings: IssuerSettings, change: Change): Promise<'created' | 'replaced'>;
  /** `false` when there is none. */
  remove(url: string, change: Change): Promise<boolean>;
};

/** They travel whole to every point. */
export const issuersMax = 200;
