import type { Readable } from 'node:stream';
import { Type, type Static } from 'typebox';
import { feedEvents, packedSnapshotType } from '../core/feed.ts';
import { nameShape } from '../core/vocabulary.ts';
import { enforcementMembers } from '../http/signal-answer.ts';
import type { EnforcementState, NamedState } from './enforcement-summary.ts';
import { isSilent } from './instance-state.ts';
import { type Instance, type Point, pointInstancesMax } from './ports.ts';
import { InstanceBody } from './receipt-schemas.ts';

const name = (description: string) =>
  Type.String({ pattern: nameShape.source, description, examples: ['edge'] });
const strict = { additionalProperties: false } as const;

export const NameParams = Type.Object({ name: Type.String({ maxLength: 64 }) });

export const PointBody = Type.Object(
  {
    name: name('Appears in headers, URLs and logs.'),
    expect: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: pointInstancesMax,
        description: 'With fewer instances than this nothing counts as enforced everywhere. Default 1.',
        examples: [3],
      }),
    ),
    ephemeral: Type.Optional(
      Type.Boolean({
        description:
          'Instances that fall silent leave once they have closed. One that never closes (all its classes are `fail_open`, or ' +
          'one has `allow_reads_after`) stays and counts as exposed until it says goodbye. Default false.',
      }),
    ),
  },
  { ...strict, $id: 'PointBody' },
);

export const pollMsDefault = 20_000;
export const FeedQuery = Type.Object(
  {
    from: Type.Optional(
      Type.String({ maxLength: 64, description: 'A cursor; the same as `Last-Event-ID`.' }),
    ),
    wait: Type.Optional(
      Type.Literal('changes', { description: 'Answer once, as JSON, instead of a stream.' }),
    ),
    timeout_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: 30_000, default: pollMsDefault })),
  },
  strict,
);

/** The answer to `wait=changes`. */
const PollReply = Type.Object(
  {
    events: Type.Array(
      Type.Object({
        id: Type.Optional(Type.String({ description: 'The cursor of an entry.' })),
        event: Type.Enum([...feedEvents]),
        data: Type.Unknown({ description: 'What the event of that name carries in the stream.' }),
      }),
    ),
  },
  { $id: 'FeedEvents' },
);

export const feedResponse = {
  200: {
    description: 'The stream, or with `wait=changes` what it would have told.',
    content: { 'text/event-stream': { schema: Type.String() }, 'application/json': { schema: PollReply } },
  },
} as const;
export const snapshotResponse = {
  200: {
    description:
      'The lines; for who names the other type in `Accept`, the same packed as in the library (ADR 17).',
    content: {
      'application/x-ndjson': { schema: Type.Unsafe<Readable>(Type.String()) },
      [packedSnapshotType]: {
        schema: Type.Unsafe<Readable>(Type.String({ contentMediaType: packedSnapshotType })),
      },
    },
  },
  304: Type.Null({ description: 'It is still the one of `If-None-Match`.' }),
} as const;

export type PointReply = Static<typeof PointReply>;
const InstanceReply = Type.Object({
  instance: Type.String(),
  state: Type.Enum(['connected', 'silent', 'left']),
  kind: Type.String(),
  version: Type.String(),
  postures: InstanceBody.properties.postures,
  can: InstanceBody.properties.can,
  downstream_cache_seconds: Type.Number(),
  applied: Type.Optional(Type.String({ description: 'Its position in the feed.' })),
  behind: Type.Optional(Type.Integer({ description: 'Entries that it has not confirmed yet.' })),
  stale_ms: Type.Number(),
  orphans: Type.Optional(Type.Array(Type.String())),
  divergent: Type.Optional(Type.Boolean()),
  first_seen_ms: Type.Integer(),
  last_seen_ms: Type.Integer(),
});
export const PointReply = Type.Object(
  {
    name: Type.String(),
    expect: Type.Integer(),
    ephemeral: Type.Boolean(),
    created_at_ms: Type.Integer(),
    retired_at_ms: Type.Optional(Type.Integer()),
    instances: Type.Array(InstanceReply),
  },
  { $id: 'Point' },
);

export const AddedPointReply = Type.Intersect(
  [
    PointReply,
    Type.Object({
      token: Type.Object({ id: Type.String(), secret: Type.String({ description: 'Shown this once.' }) }),
    }),
  ],
  { $id: 'AddedPoint' },
);

export function toPointReply(
  point: Point,
  instances: Iterable<Instance>,
  feed: { readonly epoch: string; readonly head: number },
  nowMs: number,
): PointReply {
  return {
    name: point.name,
    expect: point.expect,
    ephemeral: point.ephemeral,
    created_at_ms: point.createdAtMs,
    ...(point.retiredAtMs !== undefined && { retired_at_ms: point.retiredAtMs }),
    instances: Array.from(instances, (instance) => toInstanceReply(instance, feed, nowMs)),
  };
}

function toInstanceReply(
  instance: Instance,
  feed: { readonly epoch: string; readonly head: number },
  nowMs: number,
): Static<typeof InstanceReply> {
  const { declared, reported, appliedEpoch, appliedSeq } = instance;
  return {
    instance: instance.instance,
    state: instance.leftAtMs !== undefined ? 'left' : isSilent(instance, nowMs) ? 'silent' : 'connected',
    kind: declared.kind,
    version: declared.version,
    postures: { ...declared.postures },
    can: { effects: [...declared.can.effects], cut_open_requests: declared.can.cut_open_requests },
    downstream_cache_seconds: declared.downstream_cache_seconds,
    ...(appliedEpoch !== undefined && { applied: `${appliedEpoch}-${appliedSeq}` }),
    ...(appliedEpoch === feed.epoch && { behind: Math.max(0, feed.head - (appliedSeq ?? 0)) }),
    stale_ms: reported.stale_ms,
    ...(reported.orphans && { orphans: [...reported.orphans] }),
    ...(reported.divergent !== undefined && { divergent: reported.divergent }),
    first_seen_ms: instance.firstSeenMs,
    last_seen_ms: instance.lastSeenMs,
  };
}

const instanceStates = ['pending', 'applied', 'refused', 'cannot', 'contained', 'exposed'] as const;
const InstanceEnforcement = Type.Object({
  point: Type.String(),
  instance: Type.String(),
  state: Type.Enum([...instanceStates]),
  latency_ms: Type.Optional(
    Type.Number({
      description: 'Of `applied`, where it was there before the commit: to the arrival of its receipt.',
    }),
  ),
  since_ms: Type.Optional(Type.Integer({ description: 'Of `contained`.' })),
  until_ms: Type.Optional(Type.Integer({ description: 'Of `exposed`, where an end is known.' })),
  why: Type.Optional(Type.String({ description: 'Of `refused` and `cannot`.' })),
});

/** `GET /v1/signals/:id/enforcement` and each event of its stream. */
const EnforcementReply = Type.Object(
  {
    ...enforcementMembers,
    instances: Type.Array(InstanceEnforcement),
    missing: Type.Array(
      Type.Object({ point: Type.String(), expected: Type.Integer(), present: Type.Integer() }),
      { description: 'Points with fewer instances than they expect.' },
    ),
  },
  { $id: 'SignalEnforcement' },
);

export const enforcementResponse = {
  200: {
    description: 'As it is now, or as a stream of what it becomes.',
    content: {
      'application/json': { schema: EnforcementReply },
      'text/event-stream': { schema: Type.String() },
    },
  },
} as const;

export const toEnforcementReply = ({
  summary,
  instances,
  missing,
}: EnforcementState): Static<typeof EnforcementReply> => ({
  ...summary,
  exposed: summary.exposed.map((one) => ({ ...one })),
  instances: instances.map(toStateReply),
  missing: missing.map((one) => ({ ...one })),
});

function toStateReply(named: NamedState): Static<typeof InstanceEnforcement> {
  const { point, instance, state } = named;
  const about = { point, instance, state };
  if (named.state === 'applied') {
    return { ...about, ...(named.latencyMs !== undefined && { latency_ms: named.latencyMs }) };
  }
  if (named.state === 'contained') return { ...about, since_ms: named.sinceMs };
  if (named.state === 'exposed')
    return { ...about, ...(named.untilMs !== undefined && { until_ms: named.untilMs }) };
  return named.state === 'pending' ? about : { ...about, why: named.why };
}
