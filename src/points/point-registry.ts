import { Problem } from '../core/problem.ts';
import { type PointName, pointName } from '../core/vocabulary.ts';
import type { Caller } from '../http/caller.ts';
import type { AuditEntry } from '../pipeline/ports.ts';
import type { FeedConnections } from './feed-connections.ts';
import type { FeedMemory } from './feed-memory.ts';
import type { CheckPointToken, Clock, IssuePointToken, Point, PointStore } from './ports.ts';
import type { ReceiptBook } from './receipt-book.ts';
import { type PointReply, toPointReply } from './schemas.ts';

export type PointRegistry = {
  list(): Promise<PointReply[]>;
  /** @throws Problem `not-found` */
  show(name: string): Promise<PointReply>;
  /** @throws Problem `conflict` for a name that is or was in use. */
  add(request: PointRequest, caller: Caller, correlationId: string): Promise<AddedPoint>;
  /** @throws Problem `not-found`, `conflict` when it was retired before. */
  retire(name: string, caller: Caller, correlationId: string): Promise<PointReply>;
};
export type PointRequest = { readonly name: string; readonly expect?: number; readonly ephemeral?: boolean };
export type AddedPoint = PointReply & { token: { id: string; secret: string } };

export type PointRegistryOptions = {
  readonly store: PointStore;
  readonly book: Pick<ReceiptBook, 'instancesOf' | 'refresh'>;
  readonly memory: Pick<FeedMemory, 'tail'>;
  readonly connections: Pick<FeedConnections, 'endPoint'>;
  readonly issueToken: IssuePointToken;
  readonly checkToken: CheckPointToken;
  readonly clock: Clock;
};

export function createPointRegistry(options: PointRegistryOptions): PointRegistry {
  const { store, book, memory, clock } = options;
  const reply = (point: Point): PointReply =>
    toPointReply(point, book.instancesOf(point.name), memory.tail, clock.nowMs());
  const find = async (name: string): Promise<Point> => {
    const point = (await store.list()).find((candidate) => candidate.name === name);
    if (point) return point;
    throw new Problem('not-found', 'There is no such point.', { hint: 'GET /v1/points lists them.' });
  };
  return {
    list: async () => (await store.list()).map(reply),
    show: async (name) => reply(await find(name)),
    async add({ name, expect = 1, ephemeral = false }, caller, correlationId) {
      options.checkToken(pointName(name), caller);
      const point: Point = { name: pointName(name), expect, ephemeral, createdAtMs: clock.nowMs() };
      const audit = auditOf('point.added', point.name, caller, correlationId, clock);
      await store.add(point, { ...audit, detail: { expect, ephemeral } });
      await book.refresh();
      const { id, secret } = await options.issueToken(point.name, caller, correlationId);
      return { ...reply(point), token: { id, secret } };
    },
    async retire(name, caller, correlationId) {
      const point = await find(name);
      const atMs = clock.nowMs();
      const audit = auditOf('point.retired', point.name, caller, correlationId, clock);
      if (!(await store.retire(point.name, atMs, audit))) {
        throw new Problem('conflict', `The point ${name} was retired before.`);
      }
      options.connections.endPoint(point.name);
      await book.refresh();
      return reply({ ...point, retiredAtMs: atMs });
    },
  };
}

const auditOf = (
  action: string,
  target: PointName,
  { actor }: Caller,
  correlationId: string,
  clock: Clock,
): AuditEntry => ({ atMs: clock.nowMs(), actor, action, target, outcome: 'done', correlationId });
