import { errors } from 'undici';
import type { FetchFailure } from '../../core/outgoing.ts';

/** An error that says which failure it is. undici hands errors through as they are. */
type FetchError = Error & { readonly failure: FetchFailure };

export const fetchError = (failure: FetchFailure, detail: string): FetchError =>
  Object.assign(new Error(detail), { failure });

/**
 * What an error of a socket, of TLS or of undici means. Only codes are taken over: messages may quote the peer.
 *
 * @throws the error itself when it is none of those: a bug.
 */
export function failureOf(error: unknown): { readonly failure: FetchFailure; readonly detail: string } {
  if (!(error instanceof Error)) throw new TypeError('not an error', { cause: error });
  if ('failure' in error) {
    const { failure, message } = error as FetchError;
    return { failure, detail: message };
  }
  const code = codeOf(error) ?? (error instanceof errors.HTTPParserError ? error.name : undefined);
  if (code === undefined || bugs.has(code)) throw error;
  const failure = failuresByCode.get(code) ?? (code.startsWith('ERR_SSL_') ? 'tls' : 'network');
  return { failure, detail: code };
}

/** During the handshake everything is TLS's but a connection that just ends. */
export const handshakeFailure = (error: Error): Error => {
  const code = codeOf(error) ?? error.name;
  return 'failure' in error || endings.has(code) ? error : fetchError('tls', code);
};

const codeOf = (error: Error): string | undefined =>
  'code' in error && typeof error.code === 'string' ? error.code : undefined;

const endings = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

const bugs = new Set(['UND_ERR_INVALID_ARG', 'ERR_ASSERTION', 'ERR_INVALID_ARG_TYPE']);

const failuresByCode: ReadonlyMap<string, FetchFailure> = new Map([
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'too-large'],
  ['HPE_HEADER_OVERFLOW', 'too-large'],
]);
