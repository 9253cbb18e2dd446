import { Type, type Static } from 'typebox';
import { upstreamStates } from '../core/upstream-health.ts';
import { algorithmNames } from '../enforcement/token-signatures.ts';
import { CredentialsBody, CredentialsReply } from './credential-schemas.ts';

const daySeconds = 86_400;
export const verifyEveryDefaultSeconds = 3_600;
const eventsMax = 100;
const audiencesMax = 16;

const url = (description: string) => Type.String({ minLength: 1, maxLength: 2_048, description });
const events = Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
  minItems: 1,
  maxItems: eventsMax,
  description: 'What its stream is asked for: short names, or URIs of any event.',
  examples: [['session-revoked', 'credential-change']],
});
const Unmanaged = Type.Object(
  {
    jwks_uri: url('Where its keys are.'),
    audience: Type.Array(Type.String({ minLength: 1, maxLength: 2_048 }), {
      minItems: 1,
      maxItems: audiencesMax,
      description: 'The `aud` of its SETs: one of these is in each.',
    }),
    poll_url: Type.Optional(url('Where SETs are fetched; with `delivery` `poll` only.')),
  },
  {
    additionalProperties: false,
    description: 'For a Transmitter without management API: what its operator tells about the stream.',
  },
);

/** What may be said of an upstream at first and later. */
const settings = {
  metadata_url: Type.Optional(url('Its metadata, where that is not where SSF 1.0 §7.2.1 puts it.')),
  delivery: Type.Optional(
    Type.Enum(['push', 'poll'], { description: 'How SETs come (RFC 8935, RFC 8936). Default `push`.' }),
  ),
  algorithm: Type.Optional(
    Type.Enum([...algorithmNames], { description: 'The one JWS algorithm of its SETs. Default RS256.' }),
  ),
  events: Type.Optional(events),
  verify_every_seconds: Type.Optional(
    Type.Integer({
      minimum: 60,
      maximum: 7 * daySeconds,
      description: `Its stream is verified so often; nothing for three times as long is silence. Default ${verifyEveryDefaultSeconds}.`,
    }),
  ),
  subject_in_event: Type.Optional(
    Type.Boolean({ description: 'From before SSF 1.0: the subject may stand in the event. Default false.' }),
  ),
  typ_may_be_missing: Type.Optional(
    Type.Boolean({ description: 'From before RFC 8417: SETs need no `typ`. Default false.' }),
  ),
  unmanaged: Type.Optional(Unmanaged),
  credentials: Type.Optional(CredentialsBody),
};

export const UpstreamBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: 'Also of the source that it speaks for.' }),
    issuer: Type.Optional(
      url('Exactly as in its metadata and in the `iss` of its SETs. Left out: read from `metadata_url`.'),
    ),
    ...settings,
    limits: Type.Optional(
      Type.Object(
        {
          event_types: Type.Optional(
            Type.Array(Type.String({ maxLength: 200 }), {
              maxItems: 100,
              description: 'Default: CAEP, RISC, and the end or return of an account by SCIM; no order.',
            }),
          ),
          subject_issuers: Type.Optional(
            Type.Array(Type.String({ minLength: 1, maxLength: 2_048 }), {
              maxItems: 100,
              description: 'Issuers whose subjects it may speak about. Default: its own.',
            }),
          ),
        },
        {
          additionalProperties: false,
          description:
            'Of its source, where there is none of this name yet; PUT /v1/sources/:id has all limits.',
        },
      ),
    ),
  },
  { additionalProperties: false, $id: 'UpstreamBody' },
);

export const UpstreamPatchBody = Type.Object(
  {
    ...settings,
    events: Type.Optional(
      Type.Union([events, Type.Null()], { description: '`null`: every event that the hub understands.' }),
    ),
    paused: Type.Optional(
      Type.Boolean({ description: 'Nothing is asked of it and nothing taken; its stream is paused, too.' }),
    ),
  },
  { additionalProperties: false, minProperties: 1, $id: 'UpstreamPatchBody' },
);

const millis = (description: string) => Type.Optional(Type.Integer({ description }));

export const UpstreamReply = Type.Object(
  {
    name: Type.String(),
    issuer: Type.String(),
    metadata_url: Type.Optional(Type.String()),
    delivery: Type.String(),
    algorithm: Type.String(),
    events: Type.Optional(Type.Array(Type.String())),
    verify_every_seconds: Type.Integer(),
    subject_in_event: Type.Boolean(),
    typ_may_be_missing: Type.Boolean(),
    unmanaged: Type.Optional(Unmanaged),
    paused: Type.Boolean(),
    health: Type.Object({
      state: Type.Enum([...upstreamStates]),
      text: Type.String({ description: 'One sentence for people.' }),
    }),
    push_url: Type.Optional(Type.String({ description: 'Where it pushes to.' })),
    credentials: Type.Optional(CredentialsReply),
    binding: Type.Optional(
      Type.Object(
        {
          jwks_uri: Type.String(),
          audience: Type.Array(Type.String()),
          stream_id: Type.Optional(Type.String()),
          poll_url: Type.Optional(Type.String()),
          events_delivered: Type.Optional(Type.Array(Type.String())),
          bound_at_ms: Type.Integer(),
        },
        { description: 'What its SETs are held against. Absent: it is not connected, and none is taken.' },
      ),
    ),
    stream: Type.Optional(
      Type.Object(
        { status: Type.String(), reason: Type.Optional(Type.String()) },
        { description: 'As its Transmitter last said.' },
      ),
    ),
    verification: Type.Object({
      requested_at_ms: millis('Of the one that has not come yet.'),
      verified_at_ms: millis('When the last one came.'),
    }),
    last_set_at_ms: millis('When a SET of it was last taken.'),
    failure: Type.Optional(
      Type.Object({
        at_ms: Type.Integer(),
        step: Type.String(),
        text: Type.String(),
        attempts: Type.Optional(Type.Integer({ description: 'In a row.' })),
      }),
    ),
    due_at_ms: Type.Integer({ description: 'When it is looked after next.' }),
    created_at_ms: Type.Integer(),
    warnings: Type.Optional(
      Type.Array(Type.String(), {
        description: 'What was asked for and did not come about, or will not work.',
      }),
    ),
  },
  { $id: 'Upstream' },
);
export type UpstreamReply = Static<typeof UpstreamReply>;

export const NewUpstreamReply = Type.Object(
  {
    ...UpstreamReply.properties,
    push_authorization: Type.Optional(
      Type.String({
        description:
          'Only for a Transmitter without management API that pushes: the value of the Authorization header of its pushes.',
      }),
    ),
  },
  { $id: 'NewUpstream' },
);

export const RemovedReply = Type.Object({
  removed: Type.String(),
  stream: Type.Enum(['deleted', 'kept', 'none', 'not-deleted'], {
    description: '`not-deleted`: its Transmitter did not do it; `text` says why.',
  }),
  text: Type.Optional(Type.String()),
});
