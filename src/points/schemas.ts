import { Type, type Static } from 'typebox';
import { nameShape } from '../core/vocabulary.ts';
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

/** `GET /v1/signals/:id/enforcement` and each event of its stream. */
export const toEnforcementReply = ({ summary, instances, missing }: EnforcementState) => ({
  ...summary,
  instances: instances.map(toStateReply),
  missing,
});

function toStateReply(named: NamedState) {
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
