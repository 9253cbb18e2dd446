import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { HandledSignal } from '../core/handled-signal.ts';
import { Problem } from '../core/problem.ts';
import { bodyBytesOf } from '../http/server.ts';
import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';

export type GlobalRevocationOptions = {
  readonly path: string;
  readonly handle: HandleSignal;
  readonly makeStatement: MakeStatement;
};

/** Subject identifiers of RFC 9493 and no others: a complex subject can be less than a user. */
const subjectFormats = [
  'account',
  'email',
  'iss_sub',
  'opaque',
  'phone_number',
  'did',
  'uri',
  'aliases',
] as const;

const GlobalRevocationBody = Type.Object(
  {
    sub_id: Type.Object(
      { format: Type.Enum([...subjectFormats]) },
      {
        additionalProperties: true,
        description: 'A subject identifier of RFC 9493.',
        examples: [{ format: 'email', email: 'mara@example.com' }],
      },
    ),
  },
  { additionalProperties: false, $id: 'GlobalTokenRevocation' },
);

const description =
  "Becomes the signal `session-revoked` of this moment: same limits, same audit. What was issued before, or out of a session that began before, is refused; after a new login the user gets new tokens. 204: every token that is known to be the user's is revoked, durably. 404: nobody here knows the subject yet; the revocation waits, and takes effect as soon as somebody does. 422: nothing is revoked now, because a person must release it first (GET /v1/held) or because it would hit too much. A source whose only event type is `session-revoked` makes a token that can do nothing but this. (draft-parecki-oauth-global-token-revocation-06)";

/** The endpoint that identity providers and security tools call to end all that a user has. */
export const globalTokenRevocationRoute: FastifyPluginAsyncTypebox<GlobalRevocationOptions> = async (
  app,
  { path, handle, makeStatement },
) => {
  app.post(
    path,
    {
      config: { scopes: ['signals.write', 'revocations.write'], refuses: [404, 422, 429] },
      schema: {
        tags: ['oauth'],
        summary: "Revoke all of a user's tokens",
        description,
        body: GlobalRevocationBody,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const statement = makeStatement({
        source: request.caller.source,
        actor: request.caller.actor,
        body: bodyBytesOf(request),
        event: 'session-revoked',
        subject: request.body.sub_id,
        reason: 'Global token revocation',
        correlationId: request.id,
        paths: { subject: '/sub_id' },
      });
      requireRevoked(await handle(statement).catch(refuseTooMuch));
      return reply.code(204).send(null);
    },
  );
};

/** @throws Problem unless tokens are refused from now on: only that is success. */
function requireRevoked({ outcome, revocations, text, signalId }: HandledSignal): void {
  const extra = { signal_id: signalId };
  if (outcome === 'held') {
    throw new Problem('not-revoked', text, {
      hint: `A person must decide: POST /v1/held/${signalId}/release or /discard.`,
      extra,
    });
  }
  if (outcome === 'unresolved') {
    throw new Problem('subject-unresolved', text, {
      hint: 'Name the user as its tokens do (iss_sub), or have the identifier linked (POST /v1/identity-links).',
      extra,
    });
  }
  if (revocations.length === 0) throw new Problem('not-revoked', text, { extra });
}

/** The one refusal of the pipeline that has no status of its own here. @see draft-06 §3.4.2 */
function refuseTooMuch(error: unknown): never {
  if (!(error instanceof Problem) || error.code !== 'too-many-entries') throw error;
  throw new Problem('not-revoked', error.message, { cause: error });
}
