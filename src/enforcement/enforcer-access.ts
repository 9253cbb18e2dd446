import type { Obligations } from '../core/match.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { JsonObject } from '../core/vocabulary.ts';
import { toResponse } from './guards/web.ts';
import { newDecisionId, type Refusal } from './refusal.ts';
import type { VerifiedToken } from './token.ts';

/** A request that may go on, and may be stopped: hold on to it until the response is finished, then `close` it. */
export type Access = {
  readonly kind: 'access';
  readonly decisionId: string;
  /** Who calls. Undefined only in report mode, when the token itself was refused. */
  readonly context: TokenContext | undefined;
  /** All claims of the token, as its issuer signed them. */
  readonly claims: JsonObject | undefined;
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
  readonly wouldRefuse: Refusal | undefined;
  /** Headers to send with the response: a next `dpop-nonce` when one is due. */
  readonly headers: Readonly<Record<string, string>>;
  /** The response with a body that breaks off when `signal` fires; the refusal, when it has fired. Closes the access when the body ends or is cancelled. */
  readonly guard: (response: Response) => Response;
  /** The response is finished: nothing is left to cut. Idempotent. */
  readonly close: () => void;
};

/** What an access is made of. */
export type AccessParts = {
  readonly token: VerifiedToken | undefined;
  readonly obligations: () => Obligations;
  readonly headers: Readonly<Record<string, string>>;
  readonly wouldRefuse?: Refusal;
  readonly onClose: () => void;
};

/**
 * A class, because one is made for every request: an object literal with accessors costs twenty times as much. What is
 * rarely asked for (signal, decision id) is made on demand.
 */
export class AdmittedRequest implements Access {
  readonly kind = 'access';
  readonly context: TokenContext | undefined;
  readonly claims: JsonObject | undefined;
  readonly wouldRefuse: Refusal | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly #parts: AccessParts;
  #decisionId: string | undefined;
  #controller: AbortController | undefined;
  #ended: Refusal | undefined;
  #closed = false;

  constructor(parts: AccessParts) {
    const { token, headers, wouldRefuse } = parts;
    this.#parts = parts;
    this.headers = headers;
    this.context = token?.context;
    this.claims = token?.claims;
    this.wouldRefuse = wouldRefuse;
  }

  get decisionId(): string {
    this.#decisionId ??= this.wouldRefuse?.decisionId ?? newDecisionId();
    return this.#decisionId;
  }

  get obligations(): Obligations {
    return this.#parts.obligations();
  }

  get scopes(): readonly string[] {
    const scopes = this.#parts.token?.scopes ?? [];
    const left = this.obligations.scope?.split(' ');
    return left ? scopes.filter((scope) => left.includes(scope)) : scopes;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#ended && !this.#controller.signal.aborted) this.#controller.abort(errorOf(this.#ended));
    return this.#controller.signal;
  }

  get reason(): Refusal | undefined {
    return this.#ended;
  }

  mayUseTool(name: string): boolean {
    return !this.#ended && !this.obligations.deniedTools.includes(name);
  }

  guard(response: Response): Response {
    return guardBody(response, this);
  }

  /** Cuts it, once, with the answer that the request would get now. */
  end(why: Refusal): void {
    if (this.#closed || this.#ended) return;
    this.#ended = why;
    this.#controller?.abort(errorOf(why));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.onClose();
  }
}

/** An error of its own, so that what aborts a fetch or a stream says why. */
function errorOf({ body }: Refusal): Error {
  return Object.assign(new Error(body.text), { name: 'AccessEnded', code: body.code });
}

function guardBody(response: Response, access: Access): Response {
  if (access.reason) {
    // Nothing of it has gone out: the caller gets the answer that is true now.
    response.body?.cancel(access.signal.reason).catch(() => undefined);
    access.close();
    return toResponse(access.reason);
  }
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(access.headers)) headers.set(name, value);
  const { status, statusText } = response;
  if (!response.body) {
    access.close();
    return new Response(null, { status, statusText, headers });
  }
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  response.body
    .pipeTo(writable, { signal: access.signal })
    // Broken off, or cancelled by the client: whoever reads the body knows.
    .catch(() => undefined)
    .finally(() => access.close());
  return new Response(readable, { status, statusText, headers });
}
