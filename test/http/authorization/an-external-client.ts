import { type AnIssuer, anIssuer, type SigningKey } from '../../enforcement/token/an-issuer.ts';
import type { Clock } from '../../../src/adapters/system/clock.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';

export type Made = { readonly id: string; readonly named: string };

/** A hub, an issuer that it trusts about callers, and one that it does not. */
export async function aHubThatTrusts(clock?: Clock) {
  const [login, stranger] = await Promise.all([anIssuer(), anIssuer()]);
  const hub = await startHub({ OUTBOUND_ALLOW: '127.0.0.1' }, undefined, clock);
  const trust = () => hub.call('PUT', '/v1/caller-issuers', { body: { url: login.url } });
  await trust();
  return {
    hub,
    login,
    stranger,
    trust,
    async stop() {
      await hub.stop();
      await Promise.all([login.close(), stranger.close()]);
    },
  };
}

let names = 0;

/** Lets in a client that the issuer calls by a name of its own. */
export async function letIn(hub: Hub, { url }: AnIssuer, body: object = {}): Promise<Made> {
  const id = `caller-${++names}`;
  const named = `at-login-${names}`;
  const made = await hub.call('POST', '/v1/clients', {
    body: {
      client_id: id,
      scopes: ['audit.read', 'feed.read', 'signals.write'],
      external: { iss: url, client_id: named },
      ...body,
    },
  });
  if (made.status !== 201) throw new Error(made.text);
  return { id, named };
}

/** An access token of `from` for this client. */
export const tokenOf = (
  hub: Hub,
  from: AnIssuer,
  { named }: Pick<Made, 'named'>,
  claims: object = {},
  key: SigningKey = from.key,
): Promise<string> =>
  from.token(
    { aud: hub.issuer, client_id: named, sub: named, scope: 'audit.read feed.read signals.write', ...claims },
    {},
    key,
  );

export const audit = (hub: Hub, token: string) => hub.call('GET', '/v1/audit?limit=1', { token });

export async function outcomeOf(hub: Hub, token: string) {
  const { status, body } = await audit(hub, token);
  return [status, body['reason'] ?? body['code']];
}

export async function openFeed(hub: Hub, token: string) {
  const response = await fetch(`${hub.url}/v1/feed`, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, ended: response.text() };
}
