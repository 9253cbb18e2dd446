import { timingSafeEqual } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { errors as Errors, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { authorizationServerOf, pathOf, tokenEndpointOf } from '../../authorization/metadata.ts';
import type { TokenEndpoint } from '../../authorization/ports.ts';
import { hashSecret } from '../../authorization/token-secret.ts';
import { configurationOf, isDenial, type TokenEndpointOptions } from './configuration.ts';
import { loadLibrary } from './load.ts';
import { storedModels } from './stored-models.ts';

/**
 * The token endpoint of the built-in authorization server, and no other endpoint of the library. Every URL in it is
 * made of the issuer, whatever a request says of its host.
 *
 * @see RFC 6749 §4.4, RFC 7523 §3, RFC 9068, RFC 9449 §5
 */
export async function createTokenEndpoint(options: TokenEndpointOptions): Promise<TokenEndpoint> {
  const { Provider, errors } = await loadLibrary();
  const provider = new Provider(authorizationServerOf(options.issuer), {
    ...configurationOf(options, errors),
    adapter: storedModels(options),
  });
  // The forwarded origin that it believes is the one that we write into each request below.
  provider.proxy = true;
  provider.use(keepNonces);
  compareHashes(provider);
  listen(provider, options, errors);
  const handle = provider.callback();
  const place = publicPlaceOf(options.issuer);
  return async (request, response) => {
    place(request);
    await handle(request, response);
  };
}

/**
 * Nonces are for clients whose clocks are wrong, and given to those only. Clients keep one for each origin, and ours is
 * the origin of the API, too, which would not know it.
 *
 * @see RFC 9449 §8
 */
async function keepNonces(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next();
  if (ctx.status === 200) ctx.remove('dpop-nonce');
}

/** The request as if it had come to the public URL. */
function publicPlaceOf(issuer: string): (request: IncomingMessage) => void {
  const { host, protocol } = new URL(issuer);
  const originalUrl = pathOf(tokenEndpointOf(issuer));
  return (request) => {
    request.headers['x-forwarded-host'] = host;
    request.headers['x-forwarded-proto'] = protocol.replace(':', '');
    Object.assign(request, { url: '/token', originalUrl });
  };
}

/** Secrets are kept as hashes: what is presented is hashed, too, and compared in constant time. */
function compareHashes({ Client }: Provider): void {
  Client.prototype.compareClientSecret = function compare(this: { clientSecret?: string }, actual: string) {
    const kept = Buffer.from(this.clientSecret ?? '', 'hex');
    const presented = hashSecret(actual);
    return kept.length === presented.length && timingSafeEqual(kept, presented);
  };
}

function listen(
  provider: Provider,
  { noteRefusal, isPassing, onError }: TokenEndpointOptions,
  { InvalidClientAuth }: typeof Errors,
): void {
  provider.on('grant.error', (ctx, error) => {
    // Until the secret or assertion was found good, the client is only what somebody claims to be.
    const { client } = ctx.oidc;
    if (client !== undefined && isDenial(error)) {
      return noteRefusal({ who: `client:${client.clientId}`, reason: 'revoked' });
    }
    const isUnproven = error instanceof InvalidClientAuth || client === undefined;
    const who = isUnproven ? addressOf(ctx) : `client:${client.clientId}`;
    noteRefusal({ who, reason: isUnproven ? 'client-not-authenticated' : 'no-token-issued' });
  });
  provider.on('server_error', (ctx, error) => {
    if (!isPassing(error)) return onError(error);
    ctx.status = 503;
    ctx.set('retry-after', '1');
    ctx.body = { error: 'temporarily_unavailable', error_description: 'the storage cannot be had' };
  });
  (provider as EventEmitter).on('error', onError);
}

const addressOf = ({ req }: KoaContextWithOIDC): string => `address:${req.socket.remoteAddress ?? 'unknown'}`;
