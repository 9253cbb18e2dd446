import { Problem } from '../core/problem.ts';
import { deliveryMethods, type StreamDelivery } from '../core/stream.ts';
import { authorizationMax, endpointUrlMax } from './limits.ts';

/** `delivery` as a receiver sends it. @see SSF 1.0 §6.1 */
export type DeliveryWire = {
  readonly method: (typeof deliveryMethods)[keyof typeof deliveryMethods];
  readonly endpoint_url?: string;
  readonly authorization_header?: string;
};
export type ReadDelivery = { readonly delivery: StreamDelivery; readonly authorization?: string };

/**
 * Absent: poll. The address of a poll is ours; a receiver may repeat it, and give no other.
 *
 * @throws Problem `invalid-request`, naming the member but no secret
 * @see SSF 1.0 §8.1.1.1
 */
export function readDelivery(wire: DeliveryWire | undefined, pollUrl: string | undefined): ReadDelivery {
  if (wire === undefined) return { delivery: { method: 'poll' } };
  const { method, endpoint_url: endpointUrl, authorization_header: authorization } = wire;
  if (method === deliveryMethods.poll) {
    if (endpointUrl !== undefined && endpointUrl !== pollUrl) {
      throw wrong('endpoint_url', 'is chosen by the hub when the method is poll', 'Leave it out.');
    }
    if (authorization !== undefined) {
      throw wrong('authorization_header', 'belongs to push', 'A poll carries the credentials of its caller.');
    }
    return { delivery: { method: 'poll' } };
  }
  if (endpointUrl === undefined) throw wrong('endpoint_url', 'is missing', 'Say where SETs are pushed to.');
  const fault = faultOfEndpoint(endpointUrl);
  if (fault !== undefined) throw wrong('endpoint_url', fault, 'Give an https URL that the hub can reach.');
  if (authorization !== undefined) refuseFaultyAuthorization(authorization);
  return {
    delivery: { method: 'push', endpointUrl, isAuthorized: authorization !== undefined },
    ...(authorization === undefined ? {} : { authorization }),
  };
}

/** Why an address will never be pushed to, as it reads behind the member's name. */
export type RefuseEndpoint = (url: string) => string | undefined;

/**
 * What is said of an address before anybody goes there.
 *
 * @throws Problem `invalid-request`
 */
export function requireReachable(wire: DeliveryWire | undefined, refuse: RefuseEndpoint): void {
  const { endpoint_url: url, method } = wire ?? {};
  const fault = url === undefined || method !== deliveryMethods.push ? undefined : refuse(url);
  if (fault === undefined) return;
  throw wrong('endpoint_url', fault, 'Private addresses need an entry in OUTBOUND_ALLOW of the hub.');
}

/** What the address resolves to is looked at with every push. */
function faultOfEndpoint(text: string): string | undefined {
  if (text.length > endpointUrlMax) return `is longer than ${endpointUrlMax} characters`;
  // What URL makes of it is not what the receiver would get back.
  const url = /^[!-~]+$/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return 'is not a URL';
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    return 'must begin with https:// (http:// is for loopback addresses only)';
  }
  if (url.username !== '' || url.password !== '') return 'must not carry a user name or password';
  return url.hash === '' && !text.includes('#') ? undefined : 'must have no fragment';
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);

/** It is sent as it is: what a header field cannot carry, or would carry otherwise, is refused. @see RFC 9110 §5.5 */
function refuseFaultyAuthorization(value: string): void {
  const hint = 'Give the value only, such as "Bearer …": printable ASCII, no line breaks.';
  const refuse = (fault: string) => wrong('authorization_header', fault, hint);
  if (value.length > authorizationMax) throw refuse(`is longer than ${authorizationMax} characters`);
  if (!/^[!-~](?:[\t -~]*[!-~])?$/.test(value)) throw refuse('is no value of a header field');
  if (/^authorization\s*:/i.test(value)) throw refuse('must not begin with the name of the header');
}

function wrong(member: string, fault: string, hint: string): Problem {
  return new Problem('invalid-request', `The delivery is not usable: ${member} ${fault}.`, {
    hint,
    errors: [{ path: `/delivery/${member}`, message: fault }],
  });
}
