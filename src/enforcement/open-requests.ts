import type { FeedEntry } from '../core/feed.ts';
import { type Match, tokenMembers } from '../core/revocation.ts';
import { isJsonObject } from './token-format.ts';
import { hopsOf, type TokenContext } from '../core/token-context.ts';

/** A request whose response is not finished. */
export type OpenRequest = {
  readonly context: TokenContext;
  /** Asks again whether it may go on, and cuts it if not. Never throws. */
  readonly review: () => void;
  /** The same for what time alone changes: expiry and posture. */
  readonly reviewTime: () => void;
};

/** The requests that a revocation can cut. Reviews those whom news may concern. */
export type OpenRequests = {
  readonly add: (request: OpenRequest) => void;
  readonly remove: (request: OpenRequest) => void;
  /** These entries are in force from now on. */
  readonly entriesApplied: (entries: readonly FeedEntry[]) => void;
  /** The whole set was replaced. */
  readonly reviewAll: () => void;
  readonly reviewTime: () => void;
  readonly size: number;
};

/** Filed under every value of its token by which an entry can name it, so that one kill among many open requests costs nothing. */
export function createOpenRequests(): OpenRequests {
  const all = new Set<OpenRequest>();
  const filed = new Map<string, Set<OpenRequest>>();

  function named(match: Match): Iterable<OpenRequest> {
    const key = keyOf(match);
    return key === undefined ? all : (filed.get(key) ?? []);
  }

  return {
    add(request) {
      all.add(request);
      for (const key of keysOf(request.context)) {
        const others = filed.get(key);
        if (others) others.add(request);
        else filed.set(key, new Set([request]));
      }
    },
    remove(request) {
      if (!all.delete(request)) return;
      for (const key of keysOf(request.context)) {
        const others = filed.get(key);
        others?.delete(request);
        if (others?.size === 0) filed.delete(key);
      }
    },
    entriesApplied(entries) {
      const concerned = new Set<OpenRequest>();
      for (const entry of entries) {
        if (entry.op !== 'put' || !isJsonObject(entry.match)) continue;
        for (const request of named(entry.match)) concerned.add(request);
      }
      for (const request of concerned) request.review();
    },
    reviewAll() {
      for (const request of [...all]) request.review();
    },
    reviewTime() {
      for (const request of [...all]) request.reviewTime();
    },
    get size() {
      return all.size;
    },
  };
}

/** Members that name few requests come first. A pattern of workloads, or a whole issuer, may concern anybody. */
const filedMembers = [...tokenMembers, 'sub', 'client_id'] as const;

function keyOf(match: Match): string | undefined {
  const member = filedMembers.find((name) => match[name] !== undefined);
  if (member) return `${member}\n${match[member]}`;
  return match.workload === undefined || match.workload.endsWith('/*')
    ? undefined
    : `workload\n${match.workload}`;
}

const keysByContext = new WeakMap<TokenContext, readonly string[]>();

function keysOf(context: TokenContext): readonly string[] {
  const known = keysByContext.get(context);
  if (known) return known;
  const keys = new Set<string>();
  const file = (member: string, value: string | undefined): void => {
    if (value !== undefined) keys.add(`${member}\n${value}`);
  };
  for (const member of tokenMembers) file(member, context[member]);
  for (const hop of hopsOf(context)) {
    for (const member of ['sub', 'client_id', 'workload'] as const) file(member, hop[member]);
  }
  const list = [...keys];
  keysByContext.set(context, list);
  return list;
}
