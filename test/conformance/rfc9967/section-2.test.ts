import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tellingsOf } from '../../../src/core/fan-out.ts';
import { checkEventData, eventTypes, findEventType } from '../../../src/core/events/event-types.ts';
import { eventsSupported } from '../../../src/core/events/transmitted-events.ts';
import { parseKnownAs } from '../../../src/core/known-as.ts';
import { parseSubject } from '../../../src/core/subject.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import { aResolution, aStatement, decided } from '../../core/builders.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';

const base = 'urn:ietf:params:scim:event:';
const errorsOf = (end: string, payload: JsonObject) => {
  const type = findEventType(base + end);
  return type && checkEventData(type, payload).map(({ path }) => path);
};

describe('§2.1: the subject', () => {
  const resource = { format: 'scim', uri: '/Users/2b2f880af6674ac284bae9381673d462' };

  it('is named by its path, whether or not the externalId stands beside it', () => {
    const [alone, both] = [parseSubject(resource), parseSubject({ ...resource, externalId: 'jdoe' })];
    expect(both.key).toBe(alone.key);
    expect(both.parts[0]?.identifiers).toEqual(['opaque:jdoe', `scim:${resource.uri}`]);
    expect(parseKnownAs({ ...resource, externalId: 'jdoe' }, '/subject').identifier).toBe(alone.key);
  });

  it.each([
    [{ format: 'scim' }, '/uri'],
    [{ format: 'scim', uri: '' }, '/uri'],
    [{ ...resource, externalId: 7 }, '/externalId'],
    [{ ...resource, externalId: '' }, '/externalId'],
  ])('%o is refused', (wire, path) => {
    expect(() => parseSubject(wire)).toThrow(
      expect.objectContaining({ errors: [expect.objectContaining({ path })] }),
    );
  });
});

describe('§7.4: the registered events', () => {
  it('are all known, also as drafts spelt them', () => {
    const ends = ['create', 'patch', 'put'].flatMap((end) => [`prov:${end}:full`, `prov:${end}:notice`]);
    const all = [
      'feed:add',
      'feed:remove',
      ...ends,
      'prov:delete',
      'prov:activate',
      'prov:deactivate',
      'misc:asyncresp',
    ];
    expect(eventTypes.filter(({ profile }) => profile === 'scim').map(({ uri }) => uri)).toEqual(
      all.map((end) => base + end),
    );
    for (const end of all) {
      expect(findEventType(`urn:ietf:params:SCIM:event:${end}`)?.uri).toBe(base + end);
    }
  });

  it('are not what this hub transmits', () => {
    expect(eventsSupported.filter((uri) => uri.startsWith(base))).toEqual([]);
  });
});

describe("§2.4, §2.5: payloads, the specification's own", () => {
  const user = { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: 'jdoe' };
  const patch = {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
    Operations: [{ op: 'add', path: 'members', value: [{ display: 'Babs Jensen', value: '2819c223' }] }],
  };
  const failed = {
    method: 'PUT',
    version: 'W/"huJj29dMNgu3WXPD"',
    status: '400',
    response: { scimType: 'invalidSyntax', detail: 'Request is unparsable', status: '400' },
  };

  it.each<readonly [string, JsonObject, readonly string[]]>([
    ['feed:add', {}, []],
    ['prov:create:full', { data: user }, []],
    ['prov:create:notice', { attributes: ['id', 'name', 'userName', 'password', 'emails'] }, []],
    ['prov:patch:full', { version: 'a330bc54f0671c9', data: patch }, []],
    ['prov:patch:notice', { attributes: ['members'], version: 'a330bc54f0671c9' }, []],
    ['prov:delete', {}, []],
    ['prov:activate', {}, []],
    ['misc:asyncresp', failed, []],
    // Exactly one of `data` and `attributes`, as the end of the URI has it.
    ['prov:put:full', {}, ['/data']],
    ['prov:put:full', { attributes: ['emails'] }, ['/data']],
    ['prov:put:full', { data: user, attributes: ['emails'] }, ['/attributes']],
    ['prov:put:notice', { data: user }, ['/attributes']],
    ['prov:put:notice', { attributes: ['emails'], data: user }, ['/data']],
    ['prov:put:notice', { attributes: 'emails' }, ['/attributes']],
  ])('%s %o', (end, payload, paths) => {
    expect(errorsOf(end, payload)).toEqual(paths);
  });
});

describe('what Receivers downstream are told', () => {
  const subject = { format: 'scim', uri: '/Users/1', externalId: 'jdoe' };
  const key = { iss: 'https://idp.example', sub: 'jdoe' };

  it.each([
    ['scim-prov-deactivate', 'account-disabled'],
    ['scim-prov-delete', 'account-purged'],
    ['scim-prov-activate', 'account-enabled'],
  ])('%s travels as %s, about names that they know', (event, told) => {
    const statement = aStatement({ event, subject });
    const resolution = aResolution(statement, { keys: [key], unresolved: [] });
    // Of what lifts, only that with something to lift is told.
    const decision = { ...decided({ event, subject }), tells: true };
    const [telling] = tellingsOf({ statement, decision, resolution, principal: 'jdoe' });
    expect(telling).toMatchObject({
      eventType: `https://schemas.openid.net/secevent/risc/event-type/${told}`,
      subject: { format: 'iss_sub', ...key },
    });
  });

  it('the rest is told to nobody', () => {
    const statement = aStatement({ event: 'scim-feed-remove', subject });
    const resolution = aResolution(statement, { keys: [key], unresolved: [] });
    const decision = decided({ event: 'scim-feed-remove', subject });
    expect(tellingsOf({ statement, decision, resolution, principal: 'jdoe' })).toEqual([]);
  });
});

describe('§2.4.4 to §2.4.6: what follows, at POST /v1/signals', () => {
  let hub: Hub;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(() => hub.stop());

  const issuer = 'https://idp.example';
  const say = (end: string, subject: object) =>
    hub.call('POST', '/v1/signals', { body: { event: base + end, subject } });
  const effectOf = async (sub: string, iat: number) =>
    (await hub.call('POST', '/v1/check', { body: { iss: issuer, sub, iat } })).body['effect'];
  const link = (subject: object, sub: string) =>
    hub.call('PUT', '/v1/identity-links', { body: { subject, match: { iss: issuer, sub } } });
  const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

  it('deactivate disables whom the externalId finds; activate, which names the path alone, brings back new tokens', async () => {
    const sub = randomUUID();
    const uri = `/Users/${sub}`;
    expect((await link({ format: 'opaque', id: sub }, sub)).status).toBe(200);
    expect((await link({ format: 'scim', uri }, sub)).status).toBe(200);
    const ended = await say('prov:deactivate', { format: 'scim', uri, externalId: sub });
    expect(ended.body).toMatchObject({ decision: { outcome: 'applied', rule: 'scim-prov-deactivate' } });
    expect(await effectOf(sub, nowSeconds() + 60)).toBe('deny');
    const back = await say('prov:activate', { format: 'scim', uri });
    expect(back.body).toMatchObject({ decision: { rule: 'scim-prov-activate' }, lifted: [{}] });
    expect(await effectOf(sub, nowSeconds() - 60)).toBe('deny');
    expect(await effectOf(sub, nowSeconds() + 60)).toBe('allow');
  });

  it('one known name is enough, and nothing waits for the other', async () => {
    const sub = randomUUID();
    await link({ format: 'opaque', id: sub }, sub);
    const { body } = await say('prov:deactivate', { format: 'scim', uri: `/Users/${sub}`, externalId: sub });
    expect(body).toMatchObject({ decision: { outcome: 'applied' }, blast: { keys: 1 } });
    const other = randomUUID();
    await link({ format: 'scim', uri: `/Users/${sub}` }, other);
    expect(await effectOf(other, nowSeconds())).toBe('allow');
  });

  it('a resource that nobody knows waits until its path or its externalId is linked', async () => {
    const sub = randomUUID();
    const { body } = await say('prov:delete', { format: 'scim', uri: `/Users/${sub}`, externalId: sub });
    expect(body).toMatchObject({ decision: { outcome: 'unresolved', rule: 'scim-prov-delete' } });
    await link({ format: 'opaque', id: sub }, sub);
    expect(await effectOf(sub, nowSeconds() + 60)).toBe('deny');
  });

  it('changes and feeds are kept, and nothing follows', async () => {
    const { status, body } = await hub.call('POST', '/v1/signals', {
      body: {
        event: 'scim-prov-put-full',
        subject: { format: 'scim', uri: '/Users/1' },
        data: { data: { userName: 'jdoe', active: false } },
      },
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({ decision: { outcome: 'recorded' }, revocations: [] });
  });
});
