import { eventTypes } from '../core/events/event-types.ts';
import { deliveryMethods } from '../core/stream.ts';
import type { RemoteStream, Upstream, WantedStream } from './ports.ts';

/** What is asked of the stream of an upstream. */
export function wantedStream(
  upstream: Pick<Upstream, 'id' | 'settings'>,
  { hubUrl, pushAuthorization }: { readonly hubUrl: string; readonly pushAuthorization: string },
): WantedStream {
  const { settings } = upstream;
  return {
    delivery:
      settings.delivery === 'push'
        ? {
            method: deliveryMethods.push,
            endpoint_url: pushUrlOf(hubUrl, upstream),
            authorization_header: pushAuthorization,
          }
        : { method: deliveryMethods.poll },
    eventsRequested: settings.eventsRequested ?? eventsUnderstood,
    description: descriptionOf(hubUrl, upstream),
  };
}

/** Of SCIM what ends an account or brings it back: nobody needs records of people for that. */
const ofScim: ReadonlySet<string> = new Set([
  'scim-prov-activate',
  'scim-prov-deactivate',
  'scim-prov-delete',
]);

/** All that CAEP and RISC define. Orders are not among them: who may report may not therefore order. */
export const eventsUnderstood: readonly string[] = eventTypes
  .filter(({ profile, name }) => profile === 'caep' || profile === 'risc' || ofScim.has(name))
  .map(({ uri }) => uri);

/** Nobody guesses it: the id is random. */
export const pushUrlOf = (hubUrl: string, { id }: Pick<Upstream, 'id'>): string => `${hubUrl}/ssf/push/${id}`;

/** The stream was made, or taken over, by this hub for this upstream. */
export function isOurs({ method, endpointUrl, raw }: RemoteStream, wanted: WantedStream): boolean {
  const { delivery } = wanted;
  if ('endpoint_url' in delivery) return method === delivery.method && endpointUrl === delivery.endpoint_url;
  return raw['description'] === wanted.description;
}

/** Delivery and events are what is wanted; the secret of a push nobody can read back. */
export function isAsWanted(stream: RemoteStream, wanted: WantedStream): boolean {
  const { delivery, eventsRequested } = wanted;
  if (stream.method !== delivery.method) return false;
  if ('endpoint_url' in delivery && stream.endpointUrl !== delivery.endpoint_url) return false;
  const asked = stream.raw['events_requested'];
  return !Array.isArray(asked) || isSame(asked as readonly unknown[], eventsRequested);
}

function isSame(ones: readonly unknown[], others: readonly unknown[]): boolean {
  const [first, second] = [new Set(ones), new Set(others)];
  return first.size === second.size && [...first].every((one) => second.has(one));
}

/** Also tells one of ours from others where streams are polled. */
const descriptionOf = (hubUrl: string, { id }: Pick<Upstream, 'id'>): string =>
  `caep-hub at ${hubUrl}, ${id.slice(0, descriptionIdLength)}`;

/** Enough to be nobody else's; not enough to push to. */
const descriptionIdLength = 12;
