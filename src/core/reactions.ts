import type { CutOffBasis, Effect, MatchMember } from './revocation.ts';
import type { Confidence } from './signal.ts';
import type { JsonObject } from './vocabulary.ts';

/** Changes with the table below; a test holds the two together. */
export const builtInPolicyVersion = 'built-in-2';

/** What follows from one event, under one condition on its data. */
export type Reaction = {
  /** Names the row in answers and in the audit. */
  readonly rule: string;
  /** Short name of the event type. */
  readonly event: string;
  /** Each member named has one of these values; absent: always. The first row that fits counts. */
  readonly when?: { readonly [member: string]: readonly string[] };
  /** `record` puts nothing; `lift` ends what the family put. */
  readonly effect: Effect | 'record' | 'lift';
  /** `event`: tokens up to the event's time; `latest`: up to now, for the attacker may have minted since; `none`: whenever issued. */
  readonly cutOff: 'none' | 'event' | 'latest';
  /** What the cut-off is compared with. */
  readonly compares: CutOffBasis;
  /** Keys with one of these members get no cut-off: they end for good, or name one token. */
  readonly uncut: readonly MatchMember[];
  /**
   * `subject`: what it names, and all keys of the agent that it is. `agent`: the same even where the subject is one key.
   * `token`: only what names a single token. `owned`: only the agents that it owns.
   */
  readonly aim: 'subject' | 'agent' | 'token' | 'owned';
  /** Descendants are hit as the agent is. */
  readonly lineage: boolean;
  /** What agents get that the subject owns. */
  readonly owned?: Effect;
  /** `natural`: when nothing can match any more; `life`, `session`: after the longest token life, the longest session; `never`: until lifted. */
  readonly lapse: 'natural' | 'life' | 'session' | 'never';
  /** Events of one family are ordered by event time, and may lift what the others put. */
  readonly family?: 'account' | 'assurance' | 'device-compliance' | 'risk';
  /** Which of the family's live entries end. */
  readonly lifts: 'none' | 'stronger' | 'all';
  /** What an event still does that is older than the newest of its family. */
  readonly outdated: 'cut-off' | 'nothing';
  /** What happens to the identifier itself. */
  readonly link?: 'renamed' | 'forgotten';
};

const oneToken = ['jti', 'token_sha256'] as const;
const oneSession = [...oneToken, 'sid'] as const;
const keysAndTokens = [...oneSession, 'jkt', 'x5t#S256'] as const;

const common = {
  cutOff: 'none',
  compares: 'issued',
  uncut: oneToken,
  aim: 'subject',
  lineage: false,
  lapse: 'natural',
  lifts: 'none',
  outdated: 'nothing',
} as const;

const record = { ...common, effect: 'record' } as const;
const lift = { ...common, effect: 'lift', lifts: 'all' } as const;
const endSessions = {
  ...common,
  effect: 'deny',
  cutOff: 'event',
  compares: 'session',
  uncut: oneSession,
  lineage: true,
} as const;
const reMint = { ...common, effect: 'deny', cutOff: 'event' } as const;
const disable = { ...common, effect: 'deny', lineage: true, lapse: 'never' } as const;
const killKeys = {
  ...common,
  effect: 'deny',
  cutOff: 'latest',
  uncut: keysAndTokens,
  lineage: true,
} as const;
const stepUp = { ...common, effect: 'step_up' } as const;

/**
 * The built-in policy. Every event type has at least one row, and its last one has no condition.
 *
 * @see docs/reactions.md
 */
export const reactions = [
  { ...endSessions, rule: 'session-revoked', event: 'session-revoked' },
  { ...endSessions, rule: 'sessions-revoked', event: 'sessions-revoked' },
  { ...reMint, rule: 'token-claims-change', event: 'token-claims-change' },
  { ...reMint, rule: 'account-credential-change-required', event: 'account-credential-change-required' },
  { ...killKeys, rule: 'credential-compromise', event: 'credential-compromise', aim: 'agent' },
  {
    ...reMint,
    rule: 'credential-change/gone',
    event: 'credential-change',
    when: { change_type: ['revoke', 'delete'] },
    lineage: true,
  },
  { ...record, rule: 'credential-change/new', event: 'credential-change' },
  {
    ...stepUp,
    rule: 'assurance-level-change/decrease',
    event: 'assurance-level-change',
    when: { change_direction: ['decrease'] },
    lapse: 'never',
    family: 'assurance',
  },
  {
    ...lift,
    rule: 'assurance-level-change/increase',
    event: 'assurance-level-change',
    when: { change_direction: ['increase'] },
    family: 'assurance',
  },
  { ...record, rule: 'assurance-level-change/unknown', event: 'assurance-level-change' },
  {
    ...common,
    rule: 'device-compliance-change/not-compliant',
    event: 'device-compliance-change',
    when: { current_status: ['not-compliant'] },
    effect: 'restrict',
    lapse: 'never',
    family: 'device-compliance',
  },
  {
    ...lift,
    rule: 'device-compliance-change/compliant',
    event: 'device-compliance-change',
    family: 'device-compliance',
  },
  {
    ...reMint,
    rule: 'risk-level-change/high',
    event: 'risk-level-change',
    when: { current_level: ['HIGH'] },
    lineage: true,
    family: 'risk',
    outdated: 'cut-off',
  },
  {
    ...stepUp,
    rule: 'risk-level-change/medium',
    event: 'risk-level-change',
    when: { current_level: ['MEDIUM'] },
    lapse: 'never',
    family: 'risk',
    lifts: 'stronger',
  },
  { ...lift, rule: 'risk-level-change/low', event: 'risk-level-change', family: 'risk' },
  {
    ...disable,
    rule: 'account-disabled',
    event: 'account-disabled',
    owned: 'restrict',
    family: 'account',
    outdated: 'cut-off',
  },
  { ...disable, rule: 'account-purged', event: 'account-purged', owned: 'restrict' },
  { ...lift, rule: 'account-enabled', event: 'account-enabled', family: 'account' },
  {
    ...disable,
    rule: 'scim-prov-deactivate',
    event: 'scim-prov-deactivate',
    owned: 'restrict',
    family: 'account',
    outdated: 'cut-off',
  },
  { ...disable, rule: 'scim-prov-delete', event: 'scim-prov-delete', owned: 'restrict' },
  { ...lift, rule: 'scim-prov-activate', event: 'scim-prov-activate', family: 'account' },
  { ...stepUp, rule: 'recovery-activated', event: 'recovery-activated', lapse: 'session' },
  {
    ...stepUp,
    rule: 'recovery-information-changed',
    event: 'recovery-information-changed',
    lapse: 'session',
  },
  { ...record, rule: 'identifier-changed', event: 'identifier-changed', link: 'renamed' },
  { ...record, rule: 'identifier-recycled', event: 'identifier-recycled', link: 'forgotten' },
  { ...record, rule: 'session-established', event: 'session-established' },
  { ...record, rule: 'session-presented', event: 'session-presented' },
  { ...record, rule: 'scim-feed-add', event: 'scim-feed-add' },
  { ...record, rule: 'scim-feed-remove', event: 'scim-feed-remove' },
  { ...record, rule: 'scim-prov-create-full', event: 'scim-prov-create-full' },
  { ...record, rule: 'scim-prov-create-notice', event: 'scim-prov-create-notice' },
  { ...record, rule: 'scim-prov-patch-full', event: 'scim-prov-patch-full' },
  { ...record, rule: 'scim-prov-patch-notice', event: 'scim-prov-patch-notice' },
  { ...record, rule: 'scim-prov-put-full', event: 'scim-prov-put-full' },
  { ...record, rule: 'scim-prov-put-notice', event: 'scim-prov-put-notice' },
  { ...record, rule: 'scim-misc-asyncresp', event: 'scim-misc-asyncresp' },
  { ...record, rule: 'opt-in', event: 'opt-in' },
  { ...record, rule: 'opt-out-initiated', event: 'opt-out-initiated' },
  { ...record, rule: 'opt-out-cancelled', event: 'opt-out-cancelled' },
  { ...record, rule: 'opt-out-effective', event: 'opt-out-effective' },
  {
    ...common,
    rule: 'owner-departed',
    event: 'owner-departed',
    effect: 'restrict',
    aim: 'owned',
    lineage: true,
    lapse: 'never',
  },
  { ...disable, rule: 'build-untrusted', event: 'build-untrusted' },
  { ...stepUp, rule: 'host-vulnerable', event: 'host-vulnerable', lapse: 'session' },
  { ...killKeys, rule: 'key-compromised', event: 'key-compromised' },
  { ...common, rule: 'token-stolen', event: 'token-stolen', effect: 'deny', aim: 'token' },
  {
    ...common,
    rule: 'behavior-anomaly/high',
    event: 'behavior-anomaly',
    when: { confidence: ['high'] },
    effect: 'deny',
    cutOff: 'latest',
    lineage: true,
  },
  {
    ...common,
    rule: 'behavior-anomaly/low',
    event: 'behavior-anomaly',
    when: { confidence: ['low'] },
    effect: 'observe',
    lapse: 'life',
  },
  {
    ...common,
    rule: 'behavior-anomaly/medium',
    event: 'behavior-anomaly',
    effect: 'restrict',
    lineage: true,
    lapse: 'never',
  },
  { ...endSessions, rule: 'task-ended', event: 'task-ended', compares: 'issued' },
  { ...common, rule: 'revocation-ordered', event: 'revocation-ordered', effect: 'deny', lineage: true },
  { ...lift, rule: 'revocation-lifted', event: 'revocation-lifted' },
] as const satisfies readonly Reaction[];

/** What follows from an event whose type nobody knows here: it is kept, and nothing else. */
const unknownEvent: Reaction = { ...record, rule: 'unknown-event', event: 'unknown' };

/** The row that applies. How sure the source is counts as a member of the data. */
export function reactionTo(event: {
  readonly name: string;
  readonly data: JsonObject;
  readonly confidence?: Confidence;
}): Reaction {
  const data = event.confidence === undefined ? event.data : { ...event.data, confidence: event.confidence };
  return reactions.find((row) => row.event === event.name && holds(row, data)) ?? unknownEvent;
}

function holds(row: Reaction, data: JsonObject): boolean {
  return Object.entries(row.when ?? {}).every(([member, values]) =>
    values.some((value) => value === data[member]),
  );
}
