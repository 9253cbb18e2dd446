import { clientId, tokenId, type TokenId } from '../core/vocabulary.ts';
import { type Reason, reason } from '../enforcement/refusal.ts';
import type { VerifiedToken } from '../enforcement/token.ts';
import type { Caller } from '../http/caller.ts';
import type { ClientDirectory } from './client-directory.ts';
import type { ExternalClient, SpeakingClient } from './ports.ts';

/** What no id of an API token begins with. */
const idPrefix = 'at_';

export const isAccessTokenId = (id: TokenId): boolean => id.startsWith(idPrefix);

export const idOf = ({ sha256 }: VerifiedToken): TokenId => tokenId(idPrefix + sha256);

/** Who a good token speaks for: the audit's name of it, and the client, unless there is none or its token will not do. */
export type Holder = { readonly actor: string } & (
  | { readonly kind: 'client'; readonly client: SpeakingClient }
  | { readonly kind: 'nobody'; readonly why: Reason }
);

/** `ownIssuer`: the built-in authorization server, whose tokens name clients as the hub does. */
export async function holderOf(
  token: VerifiedToken,
  ownIssuer: string,
  clients: ClientDirectory,
): Promise<Holder> {
  const { iss, client_id: named, sub } = token.context;
  if (iss === ownIssuer) {
    const client = await clients.findLiving(clientId(named ?? ''));
    if (client?.kind === 'own') return holder(client, token);
    return { kind: 'nobody', actor: `client:${named ?? ''}`, why: clientRevoked };
  }
  const client = await clients.findExternal({
    iss,
    ...(named === undefined ? {} : { clientId: named }),
    ...(sub === undefined ? {} : { sub }),
  });
  if (client !== undefined) return holder(client, token);
  return { kind: 'nobody', actor: `${iss} ${readable(named)} ${readable(sub)}`, why: notLetIn };
}

function holder(client: SpeakingClient, token: VerifiedToken): Holder {
  const actor = actorOf(client);
  const why = unfit(client, token);
  return why === undefined ? { kind: 'client', actor, client } : { kind: 'nobody', actor, why };
}

/** A person goes by the name of their API tokens, so that nobody approves twice. */
const actorOf = (client: SpeakingClient): string => (isPerson(client) ? client.id : `client:${client.id}`);

const isPerson = (client: SpeakingClient): client is SpeakingClient & ExternalClient =>
  client.kind === 'external' && client.person;

function unfit(client: SpeakingClient, { binding, claims }: VerifiedToken): Reason | undefined {
  if (client.dpopBound && binding.kind === 'none') return reason('unbound-token');
  return isPerson(client) && Object.hasOwn(claims, 'act') ? delegated : undefined;
}

const clientRevoked = reason('revoked', { retry: 'never', text: 'The client was revoked.' });
/** The same whoever it names, and whether or not such a client was there before. */
const notLetIn = reason('insufficient-scope', {
  retry: 'never',
  text: 'Its issuer is trusted here, but who this token names may not call the hub.',
});
const delegated = reason('insufficient-scope', {
  retry: 'never',
  text: 'A person calls the hub themselves: a token by which somebody acts for them (act) is not taken.',
});

/** What an issuer lets its clients choose goes into the audit only where it can be read there. */
const readable = (name: string | undefined): string =>
  name === undefined ? '-' : /^[\x21-\x7e]{1,128}$/.test(name) ? name : '(not readable)';

/** Only scopes that the token has and the client may have; a program never speaks as a person, whatever its source is made. */
export function callerOf(
  { client, actor }: Extract<Holder, { kind: 'client' }>,
  token: VerifiedToken,
  { id, scopes }: { readonly id: Caller['tokenId']; readonly scopes: readonly string[] },
): Caller {
  const { source } = client;
  return {
    tokenId: id,
    actor,
    scopes: new Set(client.scopes.filter((scope) => scopes.includes(scope))),
    source: { ...source, person: source.person && isPerson(client) },
    expiresAtMs: token.expiresAtMs,
  };
}
