import { describe, expect, it } from 'vitest';
import { directMatch, parseSubject } from '../../../src/core/subject.ts';
import { keysOfSubject } from '../../../src/core/subject-keys.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';

const idp = 'https://idp.example.com/123456789/';

describe('SSF 1.0 §3.5: additional formats, by their own examples', () => {
  it('§3.5.1 jwt_id names a token of its issuer', () => {
    const subject = { format: 'jwt_id', iss: idp, jti: 'B70BA622-9515-4353-A866-823539EECBC8' };
    expect(directMatch(parseSubject(subject))).toEqual({
      iss: idp,
      jti: 'B70BA622-9515-4353-A866-823539EECBC8',
    });
  });

  it('§3.5.2 saml_assertion_id is an identifier that no token carries', () => {
    const subject = {
      format: 'saml_assertion_id',
      issuer: idp,
      assertion_id: '_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6',
    };
    expect(parseSubject(subject).parts).toEqual([
      {
        role: 'subject',
        matches: [],
        identifiers: [`saml_assertion_id:["${idp}","_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6"]`],
      },
    ]);
    expect(() => parseSubject({ ...subject, issuer: undefined, iss: idp } as unknown as JsonObject)).toThrow(
      '/issuer',
    );
  });

  it('§3.5.3 ip-addresses: hyphenated, in any order', () => {
    const addresses = ['10.29.37.75', '2001:0DB8:0000:0000:0000:8a2e:0370:7334'];
    const one = parseSubject({ format: 'ip-addresses', 'ip-addresses': addresses });
    const other = parseSubject({ format: 'ip-addresses', 'ip-addresses': addresses.toReversed() });
    expect(one.key).toBe(other.key);
    for (const bad of [[], ['not an address'], '10.0.0.1', [1]]) {
      expect(() => parseSubject({ format: 'ip-addresses', 'ip-addresses': bad })).toThrow('/ip-addresses');
    }
  });

  it('RFC 9967 §2.1 scim', () => {
    const { key } = parseSubject({
      format: 'scim',
      uri: '/Users/44f6142df96bd6ab61e7521d9',
      externalId: 'jdoe',
    });
    expect(key).toBe('scim:/Users/44f6142df96bd6ab61e7521d9');
  });

  it('§8.1.3.3, RISC §2.5: "phone" is an older name of phone_number', () => {
    const wire = { phone_number: '+12065550123' };
    expect(parseSubject({ format: 'phone', ...wire })).toEqual(
      parseSubject({ format: 'phone_number', ...wire }),
    );
  });
});

describe('SSF 1.0 §3.3: complex subjects', () => {
  const user = { format: 'iss_sub', iss: idp, sub: 'jane.smith@example.com' };
  const tenant = { format: 'opaque', id: '123456789' };
  const device = { format: 'iss_sub', iss: idp, sub: 'e9297990-14d2-42ec-a4a9-4036db86509a' };

  it('the example: a user by e-mail, a tenant of an issuer', () => {
    const subject = {
      format: 'complex',
      user: { format: 'email', email: 'bar@example.com' },
      tenant: { format: 'iss_sub', iss: 'https://example.com/idp1', sub: '1234' },
    };
    const query = parseSubject(subject);
    expect(query.parts).toEqual([
      { role: 'user', matches: [], identifiers: ['email:bar@example.com'] },
      { role: 'tenant', matches: [], identifiers: ['tenant/iss_sub:["https://example.com/idp1","1234"]'] },
    ]);
    expect(keysOfSubject(query, () => undefined)).toMatchObject({
      keys: [],
      awaited: [{ identifier: 'email:bar@example.com' }],
    });
  });

  it('§3.3.1: all members are of one principal, and become one conjunction', () => {
    const subject = {
      format: 'complex',
      user,
      application: { format: 'iss_sub', iss: idp, sub: 'build-runner' },
      session: { format: 'opaque', id: 'dMTlD|1600802906337.16|16008.16' },
    };
    expect(directMatch(parseSubject(subject))).toEqual({
      iss: idp,
      sub: 'jane.smith@example.com',
      client_id: 'build-runner',
      sid: 'dMTlD|1600802906337.16|16008.16',
    });
  });

  it('what only narrows is left out while it is unknown, and then said', () => {
    const { keys, unresolved, awaited } = keysOfSubject(
      parseSubject({ format: 'complex', user, device, tenant }),
      () => undefined,
    );
    expect(keys).toEqual([{ iss: idp, sub: 'jane.smith@example.com' }]);
    expect(unresolved).toHaveLength(2);
    expect(awaited).toEqual([]);
  });

  it('what narrows and is known narrows', () => {
    const query = parseSubject({ format: 'complex', user, device });
    const linked = (identifier: string) => (identifier.startsWith('device/') ? [{ jkt: 'x' }] : undefined);
    const { keys, unresolved } = keysOfSubject(query, linked);
    expect(keys).toEqual([{ iss: idp, sub: 'jane.smith@example.com', jkt: 'x' }]);
    expect(unresolved).toEqual([]);
  });

  it('a device of an unknown user is not everybody who has it', () => {
    const unknown = { format: 'email', email: 'jane.smith@example.com' };
    const match = { iss: idp, client_id: 'device-5' };
    const { keys } = keysOfSubject(
      parseSubject({ format: 'complex', user: unknown, device }),
      (identifier) => (identifier.startsWith('device/') ? [match] : undefined),
    );
    expect(keys).toEqual([]);
  });

  it('a device alone is the principal, and a tenant 5 is no device 5', () => {
    const five = { format: 'opaque', id: '5' };
    const linked = (identifier: string) => (identifier === 'device/opaque:5' ? [{ jkt: 'x' }] : undefined);
    expect(keysOfSubject(parseSubject({ format: 'complex', device: five }), linked).keys).toEqual([
      { jkt: 'x' },
    ]);
    expect(keysOfSubject(parseSubject({ format: 'complex', tenant: five }), linked).keys).toEqual([]);
    expect(keysOfSubject(parseSubject({ format: 'complex', device: five, tenant }), linked).keys).toEqual([
      { jkt: 'x' },
    ]);
  });

  it('members of conflicting issuers name nobody', () => {
    const application = { format: 'iss_sub', iss: 'https://other.example', sub: 'build-runner' };
    const query = parseSubject({ format: 'complex', user, application });
    expect(directMatch(query)).toBeUndefined();
    expect(keysOfSubject(query, () => undefined)).toMatchObject({ keys: [], awaited: [] });
    expect(keysOfSubject(query, () => undefined).unresolved).toHaveLength(2);
  });

  it('the order of members changes nothing', () => {
    const one = parseSubject({ format: 'complex', user, device, tenant });
    const other = parseSubject({ tenant, device, user, format: 'complex' });
    expect(one.key).toBe(other.key);
  });

  it.each([
    ['no members', { format: 'complex' }, 'names no member'],
    ['a nested complex', { format: 'complex', user: { format: 'complex', user } }, '/user'],
    ['a member that is no object', { format: 'complex', user: 'jane' }, '/user'],
    ['a member without format', { format: 'complex', user: { sub: 'x' } }, '/user/format'],
    ['a member of unknown format', { format: 'complex', user: { format: 'badge' } }, 'not known here'],
  ])('%s is refused', (_, subject, text) => {
    expect(() => parseSubject(subject)).toThrow(text);
  });
});
