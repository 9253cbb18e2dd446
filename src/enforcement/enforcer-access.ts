import type { Obligations } from '../core/match.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import type { Refusal } from './refusal.ts';
import type { VerifiedToken } from './token.ts';

/** A request that may go on, and may be stopped: hold on to it until the response is finished, then `close` it. */
export type Access = {
  readonly kind: 'access';
  readonly decisionId: string;
  /** Who calls. Absent in report mode, when the token itself was refused. */
  readonly context?: TokenContext;
  /** All claims of the token, as its issuer signed them. */
  readonly claims?: JsonObject;
  /** Scope values of the token, less what is restricted at this moment. */
  readonly scopes: readonly string[];
  /** What is asked of this token at this moment; changes while the request is open. */
  readonly obligations: Obligations;
  /** Whether a tool (of an MCP server, say) may be called at this moment. */
  readonly mayUseTool: (name: string) => boolean;
  /** Fires when the request must end: a revocation that matches, `exp` of the token, a posture that closes. Never in report mode. */
  readonly signal: AbortSignal;
  /** Why `signal` fired: the answer that the request would get now. */
  readonly reason: Refusal | undefined;
  /** Report mode: the answer that the request would have got. */
  readonly wouldRefuse?: Refusal;
  /** Headers to send with the response: a next `dpop-nonce` when one is due. */
  readonly headers: Readonly<Record<string, string>>;
  /** The response with a body that breaks off when `signal` fires. Closes the access when the body ends or is cancelled. */
  readonly guard: (response: Response) => Response;
  /** The response is finished: nothing is left to cut. Idempotent. */
  readonly close: () => void;
};

/** What an access is made of. */
export type AccessParts = {
  readonly decisionId: () => string;
  readonly token?: VerifiedToken;
  readonly obligations: () => Obligations;
  readonly headers: Readonly<Record<string, string>>;
  readonly wouldRefuse?: Refusal;
  readonly onClose: () => void;
};

/** `end` cuts it: once, with the answer that the request would get now. */
export function createAccess(parts: AccessParts): {
  readonly access: Access;
  readonly end: (why: Refusal) => void;
} {
  const { token } = parts;
  let controller: AbortController | undefined;
  let ended: Refusal | undefined;
  let closed = false;

  function close(): void {
    if (closed) return;
    closed = true;
    parts.onClose();
  }

  const access: Access = {
    kind: 'access',
    get decisionId() {
      return parts.decisionId();
    },
    ...(token && { context: token.context, claims: token.claims }),
    get scopes() {
      const left = parts.obligations().scope?.split(' ');
      const scopes = token?.scopes ?? [];
      return left ? scopes.filter((scope) => left.includes(scope)) : scopes;
    },
    get obligations() {
      return parts.obligations();
    },
    mayUseTool: (name) => ended === undefined && !parts.obligations().deniedTools.includes(name),
    // Made on demand: most requests end before anybody asks.
    get signal() {
      controller ??= new AbortController();
      if (ended && !controller.signal.aborted) controller.abort(errorOf(ended));
      return controller.signal;
    },
    get reason() {
      return ended;
    },
    ...(parts.wouldRefuse && { wouldRefuse: parts.wouldRefuse }),
    headers: parts.headers,
    guard: (response) => guardBody(response, access),
    close,
  };

  return {
    access,
    end(why) {
      if (closed || ended) return;
      ended = why;
      controller?.abort(errorOf(why));
    },
  };
}

/** An error of its own, so that what aborts a fetch or a stream says why. */
function errorOf({ body }: Refusal): Error {
  return Object.assign(new Error(body.text), { name: 'AccessEnded', code: body.code });
}

function guardBody(response: Response, access: Access): Response {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(access.headers)) headers.set(name, value);
  const { status, statusText } = response;
  if (!response.body) {
    access.close();
    return new Response(null, { status, statusText, headers });
  }
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  response.body.pipeTo(writable, { signal: access.signal }).then(access.close, access.close);
  return new Response(readable, { status, statusText, headers });
}
