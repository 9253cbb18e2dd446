import { Type } from 'typebox';
import type { FieldError } from '../problem.ts';
import { effects } from '../revocation.ts';
import { confidences } from '../signal.ts';
import type { JsonObject } from '../vocabulary.ts';
import { commonMembers, type EventType, openObject, Seconds, ShortText } from './event-type.ts';

const acrValuesMax = 20;
const toolsMax = 200;
const ratePerMinuteMax = 100_000;
/** A year; longer is for ever, and for ever has no timer. */
const liftAfterSecondsMax = 31_536_000;

const ours = (name: string, row: Omit<EventType, 'profile' | 'name' | 'uri' | 'section'>): EventType => ({
  profile: 'caep-hub',
  name,
  uri: `urn:caep-hub:event:${name}`,
  section: 'reactions §2',
  ...row,
});

const StepUp = Type.Object(
  {
    acr_values: Type.Optional(Type.Array(ShortText, { minItems: 1, maxItems: acrValuesMax })),
    after: Type.Optional(Seconds),
  },
  { additionalProperties: false },
);

const Restrict = Type.Object(
  {
    scope: Type.Optional(Type.String({ maxLength: 2_000, pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E ]*$' })),
    read_only: Type.Optional(Type.Boolean()),
    tools: Type.Optional(
      Type.Object(
        { deny: Type.Array(ShortText, { minItems: 1, maxItems: toolsMax }) },
        { additionalProperties: false },
      ),
    ),
    rate: Type.Optional(
      Type.Object(
        { per_minute: Type.Integer({ minimum: 1, maximum: ratePerMinuteMax }) },
        { additionalProperties: false },
      ),
    ),
  },
  { minProperties: 1, additionalProperties: false },
);

const ordered = {
  effect: Type.Optional(Type.Enum([...effects], { description: 'Default deny.' })),
  reach: Type.Optional(
    Type.Enum(['holder', 'actor', 'chain'], { description: 'Default chain for deny, else actor.' }),
  ),
  cut_off: Type.Optional(
    Type.Union([Type.Literal('now'), Seconds], {
      description: 'Kill the tokens issued until then, "now" or a second; absent: disable, whenever issued.',
    }),
  ),
  lift_after_seconds: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: liftAfterSecondsMax,
      description: 'The hub lifts it by itself then.',
    }),
  ),
  step_up: Type.Optional(StepUp),
  restrict: Type.Optional(Restrict),
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000 })),
};

const lifted = {
  revocation_id: Type.Optional(ShortText),
  signal_id: Type.Optional(ShortText),
  restore_tokens: Type.Optional(
    Type.Boolean({
      description: 'Leave no cut-off behind: tokens from before live again. Needs two persons.',
    }),
  ),
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 1_000 })),
};

/** Triggers that agents have and people do not. @see docs/reactions.md */
export const agentEventTypes: readonly EventType[] = [
  ours('owner-departed', {
    description: 'The person accountable for agents left or moved.',
    data: openObject(commonMembers),
    defaults: {},
    example: { event_timestamp: 1763764001 },
    downstreamAs: 'account-disabled',
  }),
  ours('build-untrusted', {
    description:
      'The build that the agent runs is not to be trusted: repository compromised, unsigned or unattested.',
    data: openObject({
      repository: Type.Optional(ShortText),
      revision: Type.Optional(ShortText),
      image_digest: Type.Optional(ShortText),
      ...commonMembers,
    }),
    defaults: {},
    example: { repository: 'https://git.example/charges', revision: '9fceb02d' },
    downstreamAs: 'credential-compromise',
  }),
  ours('host-vulnerable', {
    description: 'A critical vulnerability is known on the host that the agent runs on.',
    data: openObject({
      vulnerability: Type.Optional(ShortText),
      image_digest: Type.Optional(ShortText),
      ...commonMembers,
    }),
    defaults: {},
    example: { vulnerability: 'CVE-2021-44228' },
    downstreamAs: 'device-compliance-change',
  }),
  ours('key-compromised', {
    description: 'A DPoP or TLS key leaked.',
    data: openObject(commonMembers),
    defaults: {},
    example: { event_timestamp: 1763764001 },
    downstreamAs: 'credential-compromise',
  }),
  ours('token-stolen', {
    description: 'A bound token was presented without its key, or from two places.',
    data: openObject({ exp: Type.Optional(Seconds), ...commonMembers }),
    defaults: {},
    example: { exp: 1763764901 },
    downstreamAs: 'session-revoked',
  }),
  ours('behavior-anomaly', {
    description: 'A security team, or its tooling, judges that the agent does not behave as itself.',
    data: openObject({ confidence: Type.Optional(Type.Enum([...confidences])), ...commonMembers }),
    defaults: {},
    example: { confidence: 'high' },
    downstreamAs: 'risk-level-change',
  }),
  ours('task-ended', {
    description: 'The task is done; its credentials should be, too.',
    data: openObject({ exp: Type.Optional(Seconds), ...commonMembers }),
    defaults: {},
    example: { event_timestamp: 1763764001 },
    downstreamAs: 'session-revoked',
  }),
  ours('revocation-ordered', {
    description: 'A person or a runbook ordered this directly.',
    data: Type.Object({ ...ordered, ...commonMembers }, { additionalProperties: false }),
    defaults: {},
    agree: agreeOrdered,
    example: { effect: 'deny', cut_off: 'now', reason: 'contain first, ask later' },
    downstreamAs: 'session-revoked',
  }),
  ours('revocation-lifted', {
    description: 'A person or a runbook lifts one revocation, or all of one signal.',
    data: Type.Object({ ...lifted, ...commonMembers }, { additionalProperties: false }),
    defaults: {},
    agree: agreeLifted,
    example: { revocation_id: 'rev_01JD0000000000000000000000' },
    downstreamAs: null,
  }),
];

function agreeOrdered(data: JsonObject): readonly FieldError[] {
  const effect = data['effect'] ?? 'deny';
  const goesWith = (member: string, wanted: string): readonly FieldError[] =>
    data[member] === undefined || effect === wanted
      ? []
      : [{ path: `/${member}`, message: `goes with effect ${wanted} only` }];
  const timedCutOff = data['cut_off'] !== undefined && data['lift_after_seconds'] !== undefined;
  return [
    ...goesWith('step_up', 'step_up'),
    ...goesWith('restrict', 'restrict'),
    ...(timedCutOff ? [{ path: '/lift_after_seconds', message: 'a cut-off lapses by itself' }] : []),
  ];
}

function agreeLifted(data: JsonObject): readonly FieldError[] {
  const named = ['revocation_id', 'signal_id'].filter((member) => data[member] !== undefined);
  return named.length === 1 ? [] : [{ path: '', message: 'names one of revocation_id and signal_id' }];
}
