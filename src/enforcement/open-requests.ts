import type { FeedEntry } from '../core/feed.ts';
import { type Match, tokenMembers } from '../core/revocation.ts';
import { callOwner } from './callbacks.ts';
import { isJsonObject } from './token-format.ts';
import { hopsOf, type TokenContext } from '../core/token-context.ts';

/** A request whose response is not finished. */
export type OpenRequest = {
  readonly context: TokenContext;
  /** Asks again whether it may go on, and cuts it if not. */
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
  /** To be called about once a second. */
  readonly reviewTime: () => void;
  readonly size: number;
};

/**
 * Tokens with open requests are filed under every value by which an entry can name them, so that one kill among many
 * open requests costs nothing. One whose last request ended stays filed until `reviewTime`: the next one is often near.
 */
export function createOpenRequests(options: {
  /** A review threw, which is a bug. The others were made all the same. */
  readonly onFailure: (cause: unknown) => void;
}): OpenRequests {
  const byToken = new Map<TokenContext, Set<OpenRequest>>();
  const filed = new Map<string, Set<TokenContext>>();

  function named(match: Match): Iterable<TokenContext> {
    const key = keyOf(match);
    return key === undefined ? byToken.keys() : (filed.get(key) ?? []);
  }

  function file(context: TokenContext): Set<OpenRequest> {
    const requests = new Set<OpenRequest>();
    byToken.set(context, requests);
    for (const key of keysOf(context)) {
      const others = filed.get(key);
      if (others) others.add(context);
      else filed.set(key, new Set([context]));
    }
    return requests;
  }

  function unfile(context: TokenContext): void {
    byToken.delete(context);
    for (const key of keysOf(context)) {
      const others = filed.get(key);
      others?.delete(context);
      if (others?.size === 0) filed.delete(key);
    }
  }

  /** Over a copy: a request that is cut is removed on the way. None of them is spared because another one threw. */
  function forEach(contexts: Iterable<TokenContext>, look: (request: OpenRequest) => void): void {
    const requests = [...contexts].flatMap((context) => [...(byToken.get(context) ?? [])]);
    for (const request of requests) callOwner(() => look(request), options.onFailure);
  }

  return {
    add(request) {
      (byToken.get(request.context) ?? file(request.context)).add(request);
    },
    remove(request) {
      byToken.get(request.context)?.delete(request);
    },
    entriesApplied(entries) {
      const concerned = new Set<TokenContext>();
      for (const entry of entries) {
        if (entry.op !== 'put' || !isJsonObject(entry.match)) continue;
        for (const context of named(entry.match)) concerned.add(context);
      }
      forEach(concerned, (request) => request.review());
    },
    reviewAll() {
      forEach(byToken.keys(), (request) => request.review());
    },
    reviewTime() {
      forEach(byToken.keys(), (request) => request.reviewTime());
      for (const [context, requests] of byToken) if (requests.size === 0) unfile(context);
    },
    get size() {
      let size = 0;
      for (const requests of byToken.values()) size += requests.size;
      return size;
    },
  };
}

/** Members that name few requests come first. */
const filedMembers = [...tokenMembers, 'sub', 'client_id', 'workload'] as const;

/** A pattern of workloads, a whole issuer, and what makes no sense, may concern anybody. */
function keyOf(match: Match): string | undefined {
  const member = filedMembers.find((name) => match[name] !== undefined);
  const value: unknown = member && match[member];
  if (typeof value !== 'string') return undefined;
  return member === 'workload' && value.endsWith('/*') ? undefined : `${member}\n${value}`;
}

function keysOf(context: TokenContext): ReadonlySet<string> {
  const keys = new Set<string>();
  const add = (member: string, value: string | undefined): void => {
    if (value !== undefined) keys.add(`${member}\n${value}`);
  };
  for (const member of tokenMembers) add(member, context[member]);
  for (const hop of hopsOf(context)) {
    for (const member of ['sub', 'client_id', 'workload'] as const) add(member, hop[member]);
  }
  return keys;
}
