import { Type, type Static } from 'typebox';
import { Problem } from '../core/problem.ts';
import { parseIdentity, parseKnownAs } from '../core/known-as.ts';
import { agentName, nameShape, type AgentName, type JsonObject } from '../core/vocabulary.ts';
import type { HandledSignal } from '../core/handled-signal.ts';
import type { Agent, AgentDraft, AgentPatch, BoundRevocation } from './ports.ts';

const Subject = Type.Object({}, { additionalProperties: true });
const SubjectOut = Type.Object({}, { additionalProperties: true });
const subjectsMax = 50;

const members = {
  description: Type.Optional(Type.String({ maxLength: 500 })),
  owner: Type.Optional(
    Type.String({ maxLength: 200, description: 'The accountable person, for people to read.' }),
  ),
  owner_identifiers: Type.Optional(
    Type.Array(Subject, {
      maxItems: subjectsMax,
      description:
        'How senders of events name the owner: RFC 9493 subjects. An `account-disabled` of one restricts the agent.',
      examples: [[{ format: 'email', email: 'mara@example.com' }]],
    }),
  ),
  identities: Type.Optional(
    Type.Array(Subject, {
      maxItems: subjectsMax,
      description: 'Keys that its tokens carry: members of `match`, or subjects that say the same.',
      examples: [[{ iss: 'https://login.example', client_id: 'build-runner' }]],
    }),
  ),
  links: Type.Optional(
    Type.Array(Subject, {
      maxItems: subjectsMax,
      description: 'Identifiers that stand for it though no token carries them.',
    }),
  ),
  parents: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), {
      maxItems: 16,
      description: 'Agents that delegated to it. A kill of a parent reaches it.',
    }),
  ),
  protected: Type.Optional(
    Type.Boolean({ description: 'Hit only after two persons approved. Default false.' }),
  ),
};

export const AgentCreateBody = Type.Object(
  { name: Type.String({ maxLength: 64, examples: ['build-runner'] }), ...members },
  { additionalProperties: false, $id: 'AgentBody' },
);
export const AgentPatchBody = Type.Object(members, {
  additionalProperties: false,
  minProperties: 1,
  $id: 'AgentPatch',
});
export const IdentityBody = Type.Object(
  { identity: Subject },
  {
    additionalProperties: false,
    examples: [{ identity: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }],
  },
);
const Bound = Type.Array(
  Type.Object({ id: Type.String(), position: Type.String(), match: SubjectOut, signal_id: Type.String() }),
  {
    description:
      'Entries that kills which still stand put for what was learnt. One that was decided without knowing of a protected agent ' +
      'does not hit it: the audit names its signal as `withheld`; send it again, for two persons to approve.',
  },
);
export const AgentReply = Type.Object(
  {
    name: Type.String(),
    description: Type.Optional(Type.String()),
    owner: Type.Optional(Type.String()),
    owner_identifiers: Type.Array(SubjectOut),
    identities: Type.Array(SubjectOut),
    links: Type.Array(SubjectOut),
    parents: Type.Array(Type.String()),
    children: Type.Array(Type.String()),
    protected: Type.Boolean(),
    status: Type.Enum(['active', 'restricted', 'disabled', 'retired']),
    live_revocations: Type.Integer(),
    created_at_ms: Type.Number(),
    updated_at_ms: Type.Number(),
  },
  { $id: 'Agent' },
);
export const OrderBody = Type.Union([
  Type.Object(
    {
      reason: Type.Optional(
        Type.String({ minLength: 1, maxLength: 1_000, examples: ['contain first, ask later'] }),
      ),
      lift_after_seconds: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 365 * 86_400,
          description: 'Disable only: the hub lifts it after this time.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  Type.Null(),
]);
export const OrderReply = Type.Object({
  signals: Type.Array(
    Type.Object({
      signal_id: Type.String(),
      outcome: Type.String(),
      text: Type.String(),
      revocations: Type.Array(
        Type.Object({
          id: Type.String(),
          position: Type.Optional(Type.String()),
          match: SubjectOut,
          effect: Type.String(),
        }),
      ),
      lifted: Type.Array(Type.Object({ id: Type.String(), position: Type.Optional(Type.String()) })),
      warnings: Type.Array(Type.Object({ code: Type.String(), text: Type.String() })),
    }),
    { description: 'One signal for a disable; for an enable one for each signal that it undoes.' },
  ),
});
export const AgentChangedReply = Type.Object({ agent: AgentReply, bound: Bound });

/** @throws Problem naming the member that is wrong, as the subject parser does. */
export function toAgentDraft(
  body: Static<typeof AgentCreateBody>,
  defaultIssuer: string | undefined,
): AgentDraft {
  const patch = toAgentPatch(body, defaultIssuer);
  return {
    ownerIdentifiers: [],
    identities: [],
    links: [],
    parents: [],
    protected: false,
    ...patch,
    name: toAgentName(body.name, '/name'),
  };
}

export function toAgentPatch(
  body: Static<typeof AgentPatchBody>,
  defaultIssuer: string | undefined,
): AgentPatch {
  const knownAs = (list: readonly object[] | undefined, path: string) =>
    list?.map((subject, index) => parseKnownAs(subject as JsonObject, `${path}/${index}`));
  const ownerIdentifiers = knownAs(body.owner_identifiers, '/owner_identifiers');
  const links = knownAs(body.links, '/links');
  const identities = body.identities?.map((identity, index) =>
    parseIdentity(identity as JsonObject, `/identities/${index}`, defaultIssuer),
  );
  const parents = body.parents?.map((name, index) => toAgentName(name, `/parents/${index}`));
  return {
    ...(body.description === undefined ? {} : { description: body.description }),
    ...(body.owner === undefined ? {} : { owner: body.owner }),
    ...(ownerIdentifiers === undefined ? {} : { ownerIdentifiers }),
    ...(identities === undefined ? {} : { identities }),
    ...(links === undefined ? {} : { links }),
    ...(parents === undefined ? {} : { parents }),
    ...(body.protected === undefined ? {} : { protected: body.protected }),
  };
}

function toAgentName(text: string, path: string): AgentName {
  if (nameShape.test(text)) return agentName(text);
  throw wrong(
    path,
    'is no name',
    'Use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit.',
  );
}

export const toAgentReply = (agent: Agent): Static<typeof AgentReply> => ({
  name: agent.name,
  ...(agent.description === undefined ? {} : { description: agent.description }),
  ...(agent.owner === undefined ? {} : { owner: agent.owner }),
  owner_identifiers: agent.ownerIdentifiers.map((known) => known.subject),
  identities: [...agent.identities],
  links: agent.links.map((known) => known.subject),
  parents: [...agent.parents],
  children: [...agent.children],
  protected: agent.protected,
  status: agent.status,
  live_revocations: agent.liveRevocations,
  created_at_ms: agent.createdAtMs,
  updated_at_ms: agent.updatedAtMs,
});

export const toBoundReply = (bound: readonly BoundRevocation[]): Static<typeof Bound> =>
  bound.map(({ signalId, ...entry }) => ({ ...entry, signal_id: signalId }));

export const toOrderReply = (handled: readonly HandledSignal[]): Static<typeof OrderReply> => ({
  signals: handled.map((signal) => ({
    signal_id: signal.signalId,
    outcome: signal.outcome,
    text: signal.text,
    revocations: signal.revocations.map(({ id, position, match, effect }) => ({
      id,
      match,
      effect,
      ...(position === undefined ? {} : { position }),
    })),
    lifted: signal.lifted.map((lift) => ({ ...lift })),
    warnings: signal.warnings.map(({ code, text }) => ({ code, text })),
  })),
});

const wrong = (path: string, message: string, hint: string): Problem =>
  new Problem('invalid-request', `${path} ${message}.`, { hint, errors: [{ path, message }] });
