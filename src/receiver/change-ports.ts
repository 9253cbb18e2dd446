import type { SourceId } from '../core/vocabulary.ts';
import type { Change, UpstreamCredentials, UpstreamSettings } from './ports.ts';

/** What a person changes of an upstream. */
export type UpstreamChange = {
  readonly settings: UpstreamSettings;
  /** Absent: as they were. */
  readonly credentials?: UpstreamCredentials;
  /** What its SETs are held against changes: it is connected anew. */
  readonly isRebound: boolean;
  /** Members of the request, for the audit. */
  readonly members: readonly string[];
};

export type UpstreamChanges = {
  /**
   * Reads, changes and writes it under a lock; it is due at once. `change` may throw, and then all stays as it is.
   * `false`: there is none. Audited, and announced as `configuration`.
   *
   * @throws Problem `conflict` when credentials change and its secrets do not open.
   */
  change(
    name: SourceId,
    change: (before: UpstreamSettings, credentials: UpstreamCredentials) => UpstreamChange,
    by: Change,
  ): Promise<boolean>;
};
