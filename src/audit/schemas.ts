import { Type, type Static } from 'typebox';
import { listOf, pageQuery } from '../http/list-page.ts';
import type { ChainReport } from './chain.ts';
import type { AuditRow, ChainedRow } from './ports.ts';

export const pageDefault = 100;

const hashText = Type.String({
  description: 'SHA-256 in lower-case hex.',
  examples: ['2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'],
});

export const AuditItem = Type.Object(
  {
    id: Type.Integer({ examples: [1042] }),
    at_ms: Type.Integer({ examples: [1_763_764_000_123] }),
    actor: Type.String({ description: 'Who: the holder of the token, else `address:…`.', examples: ['soc'] }),
    action: Type.String({ description: '`noun.verb`', examples: ['signal.accepted'] }),
    target: Type.String({ examples: ['sig_01JDZ5V9Y3K2QXW8R7T6N4M1BC'] }),
    outcome: Type.Enum(['done', 'refused']),
    correlation_id: Type.Optional(Type.String({ description: 'The request: its `X-Request-Id`.' })),
    txn: Type.Optional(
      Type.String({ description: 'Ties everything that one event caused together (RFC 8417 §2.2).' }),
    ),
    detail: Type.Record(Type.String(), Type.Unknown()),
    chain_seq: Type.Optional(
      Type.Integer({ description: 'Absent until the row is chained, within a second.' }),
    ),
    hash: Type.Optional(hashText),
  },
  { $id: 'AuditItem' },
);

export const AuditQuery = Type.Object(
  {
    actor: Type.Optional(Type.String({ maxLength: 256 })),
    action: Type.Optional(Type.String({ maxLength: 64, examples: ['token.revoked'] })),
    target: Type.Optional(Type.String({ maxLength: 256 })),
    txn: Type.Optional(Type.String({ maxLength: 256 })),
    signal_id: Type.Optional(
      Type.String({ maxLength: 64, description: 'The signal itself, or what it caused.' }),
    ),
    outcome: Type.Optional(Type.Enum(['done', 'refused'])),
    ...pageQuery(Type.String({ pattern: '^[1-9][0-9]{0,14}$' }), { default: pageDefault, maximum: 500 }),
  },
  { additionalProperties: false },
);

export const AuditList = listOf(AuditItem);

export const AuditVerification = Type.Object(
  {
    intact: Type.Boolean(),
    rows: Type.Integer({ description: 'Rows that were recomputed.' }),
    unchained: Type.Integer({ description: 'Rows that wait for the chainer.' }),
    head: Type.Object({ chain_seq: Type.Integer(), hash: hashText }),
    broken: Type.Optional(
      Type.Object({
        chain_seq: Type.Integer(),
        id: Type.Optional(Type.Integer()),
        why: Type.Enum(['missing', 'changed', 'head']),
      }),
    ),
  },
  { $id: 'AuditVerification' },
);

export function toAuditItem(row: AuditRow & Partial<ChainedRow>): Static<typeof AuditItem> {
  const { id, atMs, actor, action, target, outcome, correlationId, txn, detail, chainSeq, hash } = row;
  return {
    id,
    at_ms: atMs,
    actor,
    action,
    target,
    outcome,
    ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
    ...(txn === undefined ? {} : { txn }),
    detail: { ...detail },
    ...(chainSeq === undefined ? {} : { chain_seq: chainSeq }),
    ...(hash === undefined ? {} : { hash: toHex(hash) }),
  };
}

export function toVerification(report: ChainReport, unchained: number): Static<typeof AuditVerification> {
  const { rows, head, broken } = report;
  return {
    intact: broken === undefined,
    rows,
    unchained,
    head: { chain_seq: head.chainSeq, hash: toHex(head.hash) },
    ...(broken && {
      broken: {
        chain_seq: broken.chainSeq,
        why: broken.why,
        ...(broken.id === undefined ? {} : { id: broken.id }),
      },
    }),
  };
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
