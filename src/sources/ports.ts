import type { Source } from '../core/source.ts';
import type { Millis, SourceId } from '../core/vocabulary.ts';

export type Change = { readonly actor: string; readonly atMs: Millis; readonly correlationId?: string };

/** Changes are announced as `tokens`: what a caller may cause is read with its token. */
export type SourceStore = {
  /** By id, ascending, after `after`; at most `limit`. */
  list(page: { readonly after?: string; readonly limit: number }): Promise<readonly Source[]>;
  find(id: SourceId): Promise<Source | undefined>;
  /** Creates or replaces. */
  put(source: Source, change: Change): Promise<'created' | 'replaced'>;
};
