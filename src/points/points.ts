import type { Announcer } from '../pipeline/ports.ts';
import { createEnforcementView, type EnforcementView } from './enforcement.ts';
import { createConfiguration } from './feed-configuration.ts';
import { createFeedConnections, type FeedConnections } from './feed-connections.ts';
import { feedLimits, type FeedLimits } from './feed-limits.ts';
import { type FeedMemory, openFeedMemory } from './feed-memory.ts';
import { createFindStart } from './feed-start.ts';
import { createPollFeed } from './long-poll.ts';
import { createPointRegistry } from './point-registry.ts';
import type {
  Alert,
  Clock,
  DeriveKey,
  FeedLog,
  FindSignalSeq,
  CheckPointToken,
  IssuePointToken,
  ListIssuers,
  PointStore,
  ReceiptStore,
  ReportStore,
  WatchToken,
} from './ports.ts';
import { openReceiptBook, type ReceiptBook } from './receipt-book.ts';
import { createTakeReports } from './reports.ts';
import type {
  EnforcementRoutesOptions,
  FeedRoutesOptions,
  PointRoutesOptions,
  ReceiptRoutesOptions,
} from './routes.ts';
import { createSnapshotReaders } from './snapshot-readers.ts';
import { createSnapshots } from './snapshot.ts';

/** Everything that this feature asks of the world. */
export type PointsPorts = {
  readonly log: FeedLog;
  readonly pointStore: PointStore;
  readonly receiptStore: ReceiptStore;
  readonly reportStore: ReportStore;
  readonly announcer: Announcer;
  readonly clock: Clock;
  readonly alert: Alert;
  readonly newId: (prefix: 'rep') => string;
  readonly listIssuers: ListIssuers;
  readonly deriveKey: DeriveKey;
  readonly watchToken: WatchToken;
  readonly issueToken: IssuePointToken;
  readonly checkToken: CheckPointToken;
  readonly findSignalSeq: FindSignalSeq;
  readonly limits?: Partial<FeedLimits>;
  readonly tailEntriesMax?: number;
};

/** The feature as `app.ts` wires it: what others ask of it, and the options of its routes. */
export type Points = {
  readonly memory: FeedMemory;
  readonly book: ReceiptBook;
  readonly connections: FeedConnections;
  readonly view: EnforcementView;
  readonly routes: FeedRoutesOptions & PointRoutesOptions & ReceiptRoutesOptions & EnforcementRoutesOptions;
  /** Says goodbye to all streams, stops reading and writes what is unwritten. Before the database closes. */
  close(): Promise<void>;
};

/** Resolves with the feed and the points in memory. Rejects when the database cannot be read. */
export async function openPoints(ports: PointsPorts): Promise<Points> {
  const memory = await openFeedMemory(ports);
  const book = await openReceiptBook({
    ...ports,
    memory,
    store: ports.receiptStore,
    points: ports.pointStore,
  });
  const configuration = createConfiguration(ports);
  const connections = createFeedConnections({
    ...ports,
    memory,
    configuration,
    onFed({ point, instance }, connected) {
      if (point !== undefined && instance !== undefined) book.noteFed(point, instance, connected);
    },
  });
  const view = createEnforcementView({ ...ports, memory, book, store: ports.receiptStore });
  return {
    memory,
    book,
    connections,
    view,
    routes: {
      findStart: createFindStart({ ...ports, memory }),
      connections,
      pollFeed: createPollFeed({ ...ports, memory, configuration }),
      snapshots: createSnapshots(memory, configuration),
      snapshotReaders: createSnapshotReaders({ ...feedLimits, ...ports.limits }),
      registry: createPointRegistry({ ...ports, store: ports.pointStore, book, memory, connections }),
      book,
      takeReports: createTakeReports({ ...ports, store: ports.reportStore }),
      reports: ports.reportStore,
      view,
      findSignalSeq: ports.findSignalSeq,
      watchToken: ports.watchToken,
    },
    async close() {
      connections.close();
      memory.close();
      await book.close();
    },
  };
}
