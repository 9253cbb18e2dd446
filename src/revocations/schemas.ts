import { Type, type Static } from 'typebox';
import { pageQuery } from '../http/list-page.ts';
import type { CheckResult } from '../core/match.ts';
import { effects, matchMembers, reaches, type Match } from '../core/revocation.ts';
import { actorsMax, type TokenContext } from '../core/token-context.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import type { RevocationRecord } from './ports.ts';

const textMax = 2_048;
const OpenObject = Type.Object({}, { additionalProperties: true });

/** The members of an order, as `revocation-ordered` has them, and on whom. */
export const OrderBody = Type.Object(
  {
    match: Type.Object(
      {},
      {
        additionalProperties: true,
        description:
          'Members of `match`, all of which must hold; or {"agent": name}, or any subject identifier.',
        examples: [{ iss: 'https://idp.example', client_id: 'build-runner' }],
      },
    ),
    effect: Type.Optional(Type.Enum([...effects], { description: 'Default deny.' })),
    reach: Type.Optional(Type.Enum([...reaches], { description: 'Default chain for deny, else actor.' })),
    cut_off: Type.Optional(
      Type.Union([Type.Literal('now'), Type.Number()], {
        description: 'Kill the tokens issued until then; absent: disable, whenever issued.',
      }),
    ),
    lift_after_seconds: Type.Optional(
      Type.Integer({ minimum: 1, description: 'The hub lifts it by itself then.' }),
    ),
    step_up: Type.Optional(OpenObject),
    restrict: Type.Optional(OpenObject),
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000 })),
    id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'Idempotency key of the source.' }),
    ),
    txn: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  },
  { additionalProperties: false, $id: 'RevocationOrder' },
);

/** The data of `revocation-ordered`: what was said and nothing else. */
export function toOrderData(body: Static<typeof OrderBody>): JsonObject {
  const { match: _, id: __, txn: ___, ...data } = body;
  return data as JsonObject;
}

/** May be left out altogether. */
export const LiftBody = Type.Union([
  Type.Object(
    {
      reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000, examples: ['a false alarm'] })),
      restore_tokens: Type.Optional(
        Type.Boolean({
          description: 'Leave no cut-off behind: tokens from before live again. Waits for two persons.',
        }),
      ),
    },
    { additionalProperties: false, $id: 'LiftBody' },
  ),
  Type.Null(),
]);

const memberQuery = Object.fromEntries(
  matchMembers.map((member) => [member, Type.Optional(Type.String({ maxLength: textMax }))]),
) as { readonly [Member in keyof Match]-?: ReturnType<typeof Type.Optional<ReturnType<typeof Type.String>>> };

export const RevocationQuery = Type.Object(
  {
    ...pageQuery(Type.String({ maxLength: 100 })),
    state: Type.Optional(Type.Enum(['live', 'lifted', 'dropped'])),
    effect: Type.Optional(Type.Enum([...effects])),
    agent: Type.Optional(Type.String({ maxLength: 64 })),
    signal: Type.Optional(Type.String({ maxLength: 64 })),
    ...memberQuery,
  },
  { additionalProperties: false },
);

export function toMatchFilter(query: Static<typeof RevocationQuery>): Match | undefined {
  const given = matchMembers.flatMap((member) => {
    const value = query[member];
    return value === undefined ? [] : [[member, value] as const];
  });
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

export const RevocationReply = Type.Object(
  {
    id: Type.String(),
    position: Type.String(),
    state: Type.Enum(['live', 'lifted', 'dropped']),
    match: OpenObject,
    reach: Type.String(),
    effect: Type.String(),
    cut_off: Type.Optional(Type.Integer()),
    cut_off_basis: Type.Optional(Type.String()),
    lapses_at: Type.Optional(Type.Integer()),
    lift_at_ms: Type.Optional(Type.Integer()),
    step_up: Type.Optional(OpenObject),
    restrict: Type.Optional(OpenObject),
    reason: Type.String(),
    cause: Type.String({ description: 'The event type that put it.' }),
    signal_id: Type.String(),
    source: Type.String(),
    agent: Type.Optional(Type.String()),
    put_at_ms: Type.Integer(),
    committed_at_ms: Type.Integer(),
    ended_at_ms: Type.Optional(Type.Integer()),
    ended_by: Type.Optional(Type.String()),
  },
  { $id: 'Revocation' },
);

export const toRevocationReply = (record: RevocationRecord): Static<typeof RevocationReply> => ({
  id: record.id,
  position: record.position,
  state: record.state,
  match: { ...record.match },
  reach: record.reach,
  effect: record.effect,
  ...(record.cutOff === undefined ? {} : { cut_off: record.cutOff }),
  ...(record.cutOffBasis === undefined ? {} : { cut_off_basis: record.cutOffBasis }),
  ...(record.lapsesAt === undefined ? {} : { lapses_at: record.lapsesAt }),
  ...(record.liftAtMs === undefined ? {} : { lift_at_ms: record.liftAtMs }),
  ...(record.stepUp === undefined ? {} : { step_up: { ...record.stepUp } }),
  ...(record.restrict === undefined ? {} : { restrict: { ...record.restrict } }),
  reason: record.reason,
  cause: record.cause,
  signal_id: record.signalId,
  source: record.sourceId,
  ...(record.agent === undefined ? {} : { agent: record.agent }),
  put_at_ms: record.putAtMs,
  committed_at_ms: record.committedAtMs,
  ...(record.endedAtMs === undefined ? {} : { ended_at_ms: record.endedAtMs }),
  ...(record.endedBy === undefined ? {} : { ended_by: record.endedBy }),
});

const Name = Type.String({ minLength: 1, maxLength: textMax });
const hopMembers = {
  sub: Type.Optional(Name),
  client_id: Type.Optional(Name),
  workload: Type.Optional(Name),
};

/** A flat token context: claims, never the token. */
export const CheckBody = Type.Object(
  {
    iss: Name,
    ...hopMembers,
    jkt: Type.Optional(Name),
    'x5t#S256': Type.Optional(Name),
    jti: Type.Optional(Name),
    sid: Type.Optional(Name),
    token_sha256: Type.Optional(Name),
    iat: Type.Optional(Type.Number()),
    auth_time: Type.Optional(Type.Number()),
    exp: Type.Optional(Type.Number()),
    act: Type.Optional(
      Type.Array(Type.Object({ iss: Type.Optional(Name), ...hopMembers }, { additionalProperties: false }), {
        maxItems: actorsMax,
        description: 'The actors, the current one first. Their `iss` defaults to that of the token.',
      }),
    ),
  },
  {
    additionalProperties: false,
    $id: 'TokenContext',
    examples: [{ iss: 'https://idp.example', client_id: 'build-runner' }],
  },
);

export const toTokenContext = ({ act, ...claims }: Static<typeof CheckBody>): TokenContext => ({
  ...claims,
  ...(act === undefined ? {} : { act: act.map((hop) => ({ ...hop, iss: hop.iss ?? claims.iss })) }),
});

export const CheckReply = Type.Object(
  {
    effect: Type.Enum(['allow', ...effects]),
    matched: Type.Array(Type.String({ description: 'Ids of the revocations that match.' })),
    obligations: Type.Object({
      scope: Type.Optional(Type.String()),
      read_only: Type.Boolean(),
      denied_tools: Type.Array(Type.String()),
      rate_per_minute: Type.Optional(Type.Number()),
      step_ups: Type.Array(OpenObject),
      require_nonce: Type.Boolean(),
    }),
    issued_after: Type.Optional(
      Type.Integer({
        description:
          'A token issued after this second is let in; absent: no denial, or none that a new token escapes.',
      }),
    ),
    position: Type.String({ description: 'The position in the feed up to which the answer is good.' }),
  },
  { $id: 'Check' },
);

export const toCheckReply = (result: CheckResult, position: string): Static<typeof CheckReply> => {
  const { scope, ratePerMinute, readOnly, deniedTools, stepUps, requireNonce } = result.obligations;
  return {
    effect: result.effect,
    matched: [...result.matched],
    obligations: {
      ...(scope === undefined ? {} : { scope }),
      read_only: readOnly,
      denied_tools: [...deniedTools],
      ...(ratePerMinute === undefined ? {} : { rate_per_minute: ratePerMinute }),
      step_ups: stepUps.map((stepUp) => ({ ...stepUp })),
      require_nonce: requireNonce,
    },
    ...(result.issuedAfter === undefined ? {} : { issued_after: result.issuedAfter }),
    position,
  };
};
