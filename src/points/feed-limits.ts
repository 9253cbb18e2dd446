export const feedLimits = {
  /** Streams and long polls of one node. */
  connectionsMax: 8_000,
  /** All instances of a point share one token. */
  pointConnectionsMax: 4_000,
  watcherConnectionsMax: 100,
  /** The old connection of an instance may not have been noticed as dead yet. */
  instanceConnectionsMax: 4,
  /** What a reader that had caught up may fall behind. */
  laggingBytesMax: 4 * 1024 * 1024,
  /** What one socket is given at a time, or one entry that is larger; no more is ever buffered for one reader. */
  pieceBytesMax: 256 * 1024,
  /** How long a socket may take nothing. */
  stalledMsMax: 10_000,
  ageMsMax: 3_600_000,
  ageJitterMsMax: 360_000,
  retryMsMax: 5_000,
  /** Snapshots that one node gives at a time. */
  snapshotReadersMax: 500,
  /** A reader of a snapshot that takes nothing for so long is cut off. */
  snapshotIdleMs: 30_000,
  /** And one that is not through by then. */
  snapshotMsMax: 300_000,
  /** Sockets written in one turn: receipts and kills interleave with the next. */
  socketsPerTurn: 200,
} as const;
export type FeedLimits = { readonly [Name in keyof typeof feedLimits]: number };
