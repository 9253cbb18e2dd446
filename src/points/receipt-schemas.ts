import { Type, type Static } from 'typebox';
import { listOf, pageQuery } from '../http/list-page.ts';
import { inabilitiesListedMax } from '../core/feed.ts';
import { effects } from '../core/revocation.ts';
import { nameShape } from '../core/vocabulary.ts';
import type { Report } from './ports.ts';

const strict = { additionalProperties: false } as const;
const millis = (description: string) => Type.Number({ minimum: 0, maximum: 1e13, description });
const idShape = Type.String({ minLength: 1, maxLength: 64 });
/** Of each list of one request. */
const listMax = 200;

const seconds = Type.Integer({ minimum: 0, maximum: 86_400 });
const Posture = Type.Union([
  Type.Object({ fail_closed_after: seconds }, strict),
  Type.Object({ allow_reads_after: seconds }, strict),
  Type.Object({ fail_open: Type.Literal(true) }, strict),
]);

export const InstanceBody = Type.Object(
  {
    kind: Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'What it is.',
      examples: ['caep-hub-enforcement'],
    }),
    version: Type.String({ minLength: 1, maxLength: 64 }),
    postures: Type.Record(Type.String({ pattern: nameShape.source }), Posture, {
      maxProperties: 32,
      description: 'For each class of routes: what becomes of unknown tokens while the feed is silent.',
    }),
    can: Type.Object(
      { effects: Type.Array(Type.Enum([...effects]), { maxItems: 16 }), cut_open_requests: Type.Boolean() },
      strict,
    ),
    downstream_cache_seconds: Type.Number({
      minimum: 0,
      maximum: 86_400,
      description: 'The longest time that caches in front of it repeat an old decision.',
    }),
  },
  strict,
);

const Inabilities = (description: string) =>
  Type.Array(Type.Object({ id: idShape, why: Type.String({ maxLength: 500 }) }, strict), {
    maxItems: inabilitiesListedMax,
    description: `${description} All of them, each time; with more than fit, \`applied\` stays before the first that is not told.`,
  });

export const ReceiptBodySchema = Type.Object(
  {
    applied: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Everything up to this cursor is in force.',
        examples: ['7f3a9c01-1042-0f1e2d3c4b5a6978'],
      }),
    ),
    applied_after_ms: Type.Optional(millis('From the arrival of the newest entry to its being in force.')),
    instance: InstanceBody,
    stale_ms: millis('Since a heartbeat last confirmed that nothing is missing.'),
    first_denied: Type.Optional(
      Type.Array(Type.Object({ id: idShape, after_ms: millis('') }, strict), { maxItems: listMax }),
    ),
    refused: Type.Optional(Inabilities('Live entries that it could not apply.')),
    cannot: Type.Optional(Inabilities('Live entries whose effect is beyond it.')),
    orphans: Type.Optional(Type.Array(idShape, { maxItems: listMax })),
    divergent: Type.Optional(Type.Boolean()),
    goodbye: Type.Optional(Type.Boolean({ description: 'It ends and is not to be waited for.' })),
  },
  { ...strict, $id: 'ReceiptBody' },
);
export const ReceiptReply = Type.Object({ next_receipt_ms: Type.Number() }, { $id: 'ReceiptAnswer' });

const claim = Type.Optional(Type.String({ maxLength: 2_048 }));
const hash = Type.Optional(Type.String({ maxLength: 128 }));
const Refusal = Type.Object(
  {
    at_ms: millis('The clock of the point.'),
    code: Type.String({ maxLength: 64, examples: ['revoked'] }),
    decision_id: Type.String({ maxLength: 64 }),
    theft: Type.Optional(Type.Boolean()),
    iss: claim,
    sub: claim,
    client_id: claim,
    jti: claim,
    token_sha256: hash,
    bound_jkt: hash,
    presented_jkt: hash,
    address: Type.Optional(Type.String({ maxLength: 64 })),
    revocation_id: Type.Optional(idShape),
    count: Type.Integer({ minimum: 1, maximum: 1e9 }),
  },
  strict,
);
const Sighting = Type.Object(
  {
    first_at_ms: millis(''),
    last_at_ms: millis(''),
    count: Type.Integer({ minimum: 1, maximum: 1e9 }),
    iss: Type.String({ maxLength: 2_048 }),
    sub: claim,
    client_id: claim,
    jkt: hash,
    act: Type.Optional(
      Type.Array(
        Type.Object({ iss: Type.String({ maxLength: 2_048 }), sub: claim, client_id: claim }, strict),
        {
          maxItems: 8,
        },
      ),
    ),
  },
  strict,
);
export const ReportBodySchema = Type.Object(
  {
    batch_id: Type.String({
      minLength: 16,
      maxLength: 64,
      pattern: '^[A-Za-z0-9_-]+$',
      description:
        'Made by chance, once for each batch. A batch whose answer was lost is sent again as it was: what it says is kept once.',
      examples: ['2b1f6d2c-8f0e-4a57-9a53-5d3a5f0c8f11'],
    }),
    refusals: Type.Optional(Type.Array(Refusal, { maxItems: listMax })),
    sightings: Type.Optional(Type.Array(Sighting, { maxItems: listMax })),
  },
  { ...strict, $id: 'ReportBody' },
);

export const ReportQuerySchema = Type.Object(
  {
    point: Type.Optional(Type.String({ maxLength: 64 })),
    kind: Type.Optional(Type.Enum(['refusal', 'sighting'])),
    ...pageQuery(idShape),
  },
  strict,
);

const ReportReply = Type.Object(
  {
    id: Type.String(),
    point: Type.String(),
    instance: Type.String(),
    kind: Type.Enum(['refusal', 'sighting']),
    received_at_ms: Type.Integer(),
    detail: Type.Record(Type.String(), Type.Unknown(), { description: 'As it was reported.' }),
  },
  { $id: 'Report' },
);
export const ReportsReply = listOf(ReportReply);

export const toReportReply = ({ receivedAtMs, detail, ...report }: Report): Static<typeof ReportReply> => ({
  ...report,
  received_at_ms: receivedAtMs,
  detail: { ...detail },
});
