import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { pageOf } from '../http/list-page.ts';
import { verifyChain, type ChainReport } from './chain.ts';
import type { AuditChainStore, AuditStore } from './ports.ts';
import {
  AuditList,
  AuditQuery,
  AuditVerification,
  pageDefault,
  toAuditItem,
  toVerification,
} from './schemas.ts';

export type AuditRoutesOptions = {
  readonly store: Pick<AuditStore, 'list'>;
  readonly chain: Pick<AuditChainStore, 'head' | 'read' | 'unchained'>;
};

/** `/v1/audit`: who did what, and the proof that nobody changed it since. */
export const auditRoutes: FastifyPluginAsyncTypebox<AuditRoutesOptions> = async (app, { store, chain }) => {
  app.get(
    '/v1/audit',
    {
      config: { scopes: ['audit.read'] },
      schema: {
        tags: ['audit'],
        summary: 'List what was done and refused',
        description: 'Newest first. Every filter that is given must hold.',
        querystring: AuditQuery,
        response: { 200: AuditList },
      },
    },
    async ({ query }) => {
      const { cursor, limit = pageDefault, signal_id, ...filter } = query;
      const filters = { ...filter, ...(signal_id === undefined ? {} : { signalId: signal_id }) };
      const from = cursor === undefined ? {} : { before: Number(cursor) };
      return pageOf({
        limit,
        find: (rows) => store.list(filters, { limit: rows, ...from }),
        toItem: toAuditItem,
        cursorOf: ({ id }) => String(id),
      });
    },
  );

  let underWay: Promise<ChainReport> | undefined;
  app.get(
    '/v1/audit/verify',
    {
      config: { scopes: ['audit.read'] },
      schema: {
        tags: ['audit'],
        summary: 'Recompute the chain',
        description:
          'Recomputes every hash and names the first row that does not fit. Note `head` elsewhere from time to time: ' +
          'who can rewrite the whole database can rewrite the chain, but not what you noted.',
        response: { 200: AuditVerification },
      },
    },
    async () => {
      underWay ??= verifyChain(chain).finally(() => {
        underWay = undefined;
      });
      const [report, { count }] = await Promise.all([underWay, chain.unchained()]);
      return toVerification(report, count);
    },
  );
};
