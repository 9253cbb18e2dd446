import { Type, type Static } from 'typebox';
import { checkIssuerUrl } from '../core/issuer-url.ts';
import { Problem } from '../core/problem.ts';
import { nameShape, type SourceId, sourceId } from '../core/vocabulary.ts';
import { SignalAnswer } from '../http/signal-answer.ts';
import type { HookKind } from './kind.ts';
import { hookKinds, kindOf } from './kinds.ts';
import { mappingCharactersMax, secretsMax } from './limits.ts';
import { MappedSignalShape } from './mapped-signal.ts';
import type { Hook, HookActivity, HookOptions } from './ports.ts';

const Kind = Type.Enum(
  hookKinds.map(({ name }) => name),
  { description: 'Who sends, and how it proves who it is: docs/hooks.md.', examples: ['github'] },
);

const options = {
  header: Type.Optional(
    Type.String({
      pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$",
      description:
        'The header that carries the secret, bare. Left out: `Authorization`, as Bearer, Basic or bare.',
    }),
  ),
  tolerance_seconds: Type.Optional(
    Type.Integer({
      minimum: 10,
      maximum: 3_600,
      description: 'How far the time of a signed request may be from ours. Default 300.',
    }),
  ),
  issuer: Type.Optional(
    Type.String({
      maxLength: 2_048,
      description: '`$issuer` of the mapping: whose subjects the sender means.',
    }),
  ),
  keys_url: Type.Optional(
    Type.String({
      maxLength: 2_048,
      description: 'Where the sender publishes its keys. Left out: its public service.',
    }),
  ),
};

export const HookBody = Type.Object(
  {
    kind: Kind,
    secret: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1_024,
        description:
          'What the sender proves itself by. Never shown again. Left out: as it is; for a new hook the hub makes one where the sender lets you choose it.',
      }),
    ),
    new_secret: Type.Optional(
      Type.Literal(true, {
        description: 'Have the hub make another one. It is in this answer and in no other.',
      }),
    ),
    previous_secret: Type.Optional(
      Type.Enum(['keep', 'drop'], {
        description:
          'Whether the secret before this one is good, too: `keep` while the sender is told of the new one. Default: a new secret drops it; otherwise as it is.',
      }),
    ),
    mapping: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: mappingCharactersMax,
        description: 'JSONata that gives the signals of a body. Left out: that of the kind.',
        examples: ['{"event": "credential-compromise", "subject": {"agent": labels.agent}}'],
      }),
    ),
    ...options,
  },
  { additionalProperties: false, $id: 'HookBody' },
);

export const HookReply = Type.Object(
  {
    source: Type.String({ description: 'Its name, and that of the source which it speaks for.' }),
    kind: Type.String(),
    url: Type.String({ description: 'What to set at the sender; `{secret}` stands where its secret goes.' }),
    header: Type.Optional(Type.String()),
    tolerance_seconds: Type.Optional(Type.Integer()),
    issuer: Type.Optional(Type.String()),
    keys_url: Type.Optional(Type.String()),
    mapping: Type.String(),
    mapping_of: Type.Enum(['kind', 'hook'], { description: 'Whose mapping it is.' }),
    secrets: Type.Array(Type.Object({ since_ms: Type.Integer({ description: 'When it was set.' }) }), {
      description: `Newest first, at most ${secretsMax}. Their values are not shown.`,
    }),
    created_at_ms: Type.Integer(),
    updated_at_ms: Type.Integer(),
  },
  { $id: 'Hook' },
);

export const PutHookReply = Type.Object(
  {
    ...HookReply.properties,
    secret: Type.Optional(Type.String({ description: 'Where the hub made it. It is in no other answer.' })),
  },
  { $id: 'PutHook' },
);

const Failure = Type.Object({ at_ms: Type.Integer(), code: Type.String(), text: Type.String() });

export const HookDetailReply = Type.Object(
  {
    ...HookReply.properties,
    activity: Type.Object({
      accepted: Type.Integer({ description: 'Requests that became signals.' }),
      ignored: Type.Integer({ description: 'Requests that mean nothing here.' }),
      failed: Type.Integer({ description: 'Authentic requests that came, at least in part, to nothing.' }),
      refused: Type.Integer({ description: 'Requests whose sender was not believed.' }),
      last_accepted_at_ms: Type.Optional(Type.Integer()),
      last_failure: Type.Optional(Failure),
    }),
  },
  { $id: 'HookDetail' },
);

export const TestBody = Type.Object(
  {
    body: Type.Unknown({
      description: 'A body as the sender sends it: JSON, or a string of what is not JSON as a whole.',
    }),
    headers: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }), Type.String({ maxLength: 2_048 }), {
        description: 'Headers that the mapping looks at.',
        examples: [{ 'x-github-event': 'repository' }],
      }),
    ),
    mapping: Type.Optional(
      Type.String({ minLength: 1, maxLength: mappingCharactersMax, description: 'Try this one instead.' }),
    ),
  },
  { additionalProperties: false, $id: 'HookTest' },
);

const ProblemReply = Type.Object({
  code: Type.String(),
  detail: Type.String(),
  errors: Type.Array(Type.Object({ path: Type.String(), message: Type.String() })),
});

export const TestReply = Type.Object(
  {
    signals: Type.Array(
      Type.Object({
        signal: Type.Optional(MappedSignalShape),
        answer: Type.Optional(SignalAnswer),
        problem: Type.Optional(ProblemReply),
      }),
      { description: 'What each value that the mapping gives would do, in their order.' },
    ),
    failure: Type.Optional(Type.Omit(Failure, ['at_ms'])),
  },
  { $id: 'HookTestResult' },
);

/** @throws Problem `invalid-request`. */
export function toHookId(name: string): SourceId {
  if (nameShape.test(name)) return sourceId(name);
  throw new Problem('invalid-request', 'This is no name for a hook.', {
    hint: 'Use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit.',
    errors: [{ path: '/path/source', message: 'is no name' }],
  });
}

/** @throws Problem `invalid-request` for an option that the kind does not have, and for URLs that are none. */
export function toOptions(body: Static<typeof HookBody>, kind: HookKind): HookOptions {
  const { header, tolerance_seconds: toleranceSeconds, issuer, keys_url: keysUrl } = body;
  const given = { header, toleranceSeconds, issuer, keysUrl };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || kind.options.includes(name as keyof HookOptions)) continue;
    throw new Problem('invalid-request', `Hooks of the kind ${kind.name} have no ${wireNames[name]}.`, {
      hint: 'docs/hooks.md says what each kind takes.',
      errors: [{ path: `/${wireNames[name]}`, message: `is not an option of ${kind.name}` }],
    });
  }
  if (issuer !== undefined) checkIssuerUrl(issuer, '/issuer', { noQuery: true });
  if (keysUrl !== undefined) checkIssuerUrl(keysUrl, '/keys_url', { noQuery: false });
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

const wireNames: Readonly<Record<string, string>> = {
  header: 'header',
  toleranceSeconds: 'tolerance_seconds',
  issuer: 'issuer',
  keysUrl: 'keys_url',
};

/** A hook as it is shown: what only this release does not know of is shown as it is. */
export function toHookReply(hook: Hook, hubUrl: string): Static<typeof HookReply> {
  const kind = kindOf(hook.kind);
  const { header, toleranceSeconds, issuer, keysUrl } = hook.options;
  const tail = kind?.tailOf?.('{secret}') ?? '';
  return {
    source: hook.id,
    kind: hook.kind,
    url: `${hubUrl}/v1/hooks/${hook.id}${tail === '' ? '' : `/${tail}`}`,
    ...(header === undefined ? {} : { header }),
    ...(toleranceSeconds === undefined ? {} : { tolerance_seconds: toleranceSeconds }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(keysUrl === undefined ? {} : { keys_url: keysUrl }),
    mapping: hook.mapping ?? kind?.mapping ?? '',
    mapping_of: hook.mapping === undefined ? 'kind' : 'hook',
    secrets: hook.secrets.map(({ sinceMs }) => ({ since_ms: sinceMs })),
    created_at_ms: hook.createdAtMs,
    updated_at_ms: hook.updatedAtMs,
  };
}

export const toActivityReply = ({
  lastAcceptedAtMs,
  lastFailure,
  ...counts
}: HookActivity): Static<typeof HookDetailReply>['activity'] => ({
  ...counts,
  ...(lastAcceptedAtMs === undefined ? {} : { last_accepted_at_ms: lastAcceptedAtMs }),
  ...(lastFailure === undefined
    ? {}
    : { last_failure: { at_ms: lastFailure.atMs, code: lastFailure.code, text: lastFailure.text } }),
});
