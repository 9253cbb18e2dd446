import type { Static } from 'typebox';
import { findEventType, nearestEventTypes } from '../core/events/event-types.ts';
import { checkIssuerUrl } from '../core/issuer-url.ts';
import { type FieldError, Problem } from '../core/problem.ts';
import type { UpstreamSettings } from './ports.ts';
import { type UpstreamBody, type UpstreamPatchBody, verifyEveryDefaultSeconds } from './upstream-schemas.ts';

type Body = Static<typeof UpstreamBody>;
type Patch = Static<typeof UpstreamPatchBody>;

/** Why the hub will never send anything to this URL; `undefined`: it may. */
export type RefuseUrl = (url: string) => string | undefined;

/** @throws Problem `invalid-request`, `unknown-event-type` */
export function toSettings(body: Body, issuer: string, refuseUrl: RefuseUrl): UpstreamSettings {
  const settings: UpstreamSettings = {
    issuer,
    delivery: 'push',
    algorithm: 'RS256',
    verifyEverySeconds: verifyEveryDefaultSeconds,
    subjectInEvent: false,
    typMayBeMissing: false,
    ...given(body),
  };
  checkIssuerUrl(issuer, '/issuer', { noQuery: true });
  refuseUnfit(settings, refuseUrl);
  return settings;
}

/** @throws Problem `invalid-request`, `unknown-event-type` */
export function changeSettings(
  before: UpstreamSettings,
  patch: Patch,
  refuseUrl: RefuseUrl,
): UpstreamSettings {
  const { eventsRequested: had, ...rest } = before;
  const kept = patch.events === undefined && had !== undefined ? { eventsRequested: had } : {};
  const settings = { ...rest, ...kept, ...given(patch) };
  refuseUnfit(settings, refuseUrl);
  return settings;
}

/** With one of these, SETs are held against something else, or come another way. */
const rebinding: readonly (keyof Patch)[] = [
  'metadata_url',
  'delivery',
  'algorithm',
  'subject_in_event',
  'typ_may_be_missing',
  'unmanaged',
];
export const isRebound = (patch: Patch): boolean => rebinding.some((member) => patch[member] !== undefined);

/** What was said, spelt as the core has it. */
function given(body: Omit<Patch, 'paused'>): Partial<UpstreamSettings> {
  const { metadata_url: metadataUrl, delivery, algorithm, events, unmanaged } = body;
  const { verify_every_seconds: seconds, subject_in_event: inEvent, typ_may_be_missing: noTyp } = body;
  return {
    ...(metadataUrl === undefined ? {} : { metadataUrl }),
    ...(delivery === undefined ? {} : { delivery }),
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(events === undefined || events === null ? {} : { eventsRequested: toRequestedUris(events) }),
    ...(seconds === undefined ? {} : { verifyEverySeconds: seconds }),
    ...(inEvent === undefined ? {} : { subjectInEvent: inEvent }),
    ...(noTyp === undefined ? {} : { typMayBeMissing: noTyp }),
    ...(unmanaged === undefined
      ? {}
      : {
          unmanaged: {
            jwksUri: unmanaged.jwks_uri,
            audience: unmanaged.audience,
            ...(unmanaged.poll_url === undefined ? {} : { pollUrl: unmanaged.poll_url }),
          },
        }),
  };
}

/** A URI may be of an event that the hub does not know: it is recorded when it comes. */
const toRequestedUris = (names: readonly string[]): readonly string[] =>
  names.map((name, index) =>
    /^[a-z][a-z0-9+.-]*:\S+$/i.test(name) ? name : uriOf(name, `/events/${index}`),
  );

/** @throws Problem `unknown-event-type` */
export function uriOf(name: string, path: string): string {
  const found = findEventType(name);
  if (found !== undefined) return found.uri;
  throw new Problem('unknown-event-type', `There is no event type "${name}".`, {
    hint: `Did you mean ${nearestEventTypes(name).join(', ')}? GET /v1/event-types lists them.`,
    errors: [{ path, message: 'is unknown' }],
  });
}

function refuseUnfit(settings: UpstreamSettings, refuseUrl: RefuseUrl): void {
  const errors = [...misfits(settings), ...unreachable(settings, refuseUrl)];
  if (errors.length > 0)
    throw new Problem('invalid-request', 'The upstream cannot be set up so.', { errors });
}

function misfits({
  delivery,
  unmanaged,
  metadataUrl,
  eventsRequested,
}: UpstreamSettings): readonly FieldError[] {
  if (unmanaged === undefined) return [];
  const mayNot = { metadata_url: metadataUrl, events: eventsRequested };
  return [
    ...Object.entries(mayNot).flatMap(([member, value]) =>
      value === undefined ? [] : [{ path: `/${member}`, message: 'does not go with unmanaged' }],
    ),
    ...(delivery === 'poll' && unmanaged.pollUrl === undefined
      ? [{ path: '/unmanaged/poll_url', message: 'is missing' }]
      : []),
    ...(delivery === 'push' && unmanaged.pollUrl !== undefined
      ? [{ path: '/unmanaged/poll_url', message: 'goes with delivery poll only' }]
      : []),
  ];
}

/** Where the hub itself goes by these settings. */
function unreachable(
  { issuer, metadataUrl, unmanaged }: UpstreamSettings,
  refuseUrl: RefuseUrl,
): readonly FieldError[] {
  const urls =
    unmanaged === undefined
      ? [metadataUrl === undefined ? ['/issuer', issuer] : ['/metadata_url', metadataUrl]]
      : [
          ['/unmanaged/jwks_uri', unmanaged.jwksUri],
          ...(unmanaged.pollUrl === undefined ? [] : [['/unmanaged/poll_url', unmanaged.pollUrl]]),
        ];
  return urls.flatMap(([path = '', url = '']) => {
    const message = refuseUrl(url);
    return message === undefined ? [] : [{ path, message }];
  });
}
