import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver } from '../../support/an-ssf-receiver.ts';

const wellKnown = '/.well-known/ssf-configuration';
const nobody = { token: null };
let hub: Hub;

describe('SSF 1.0 §7.2.1: an issuer with a path', () => {
  beforeAll(async () => {
    hub = await startHub({ PUBLIC_URL: 'https://tr.example.com/issuer1' });
  });
  afterAll(() => hub.stop());

  it('has its metadata where the well-known part is inserted, and nowhere else', async () => {
    const answer = await hub.call('GET', `${wellKnown}/issuer1`, nobody);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json(;|$)/);
    for (const path of [wellKnown, `${wellKnown}/`, `${wellKnown}/issuer2`, `/issuer1${wellKnown}`]) {
      expect((await hub.call('GET', path, nobody)).status, path).toBe(404);
    }
  });

  it('§7.1: says everything that this transmitter has, and nothing that is empty', async () => {
    const { body } = await hub.call('GET', `${wellKnown}/issuer1`, nobody);
    const iss = 'https://tr.example.com/issuer1';
    expect(body).toEqual({
      spec_version: '1_0',
      issuer: iss,
      jwks_uri: `${iss}/jwks.json`,
      delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
      configuration_endpoint: `${iss}/ssf/streams`,
      status_endpoint: `${iss}/ssf/status`,
      add_subject_endpoint: `${iss}/ssf/subjects/add`,
      remove_subject_endpoint: `${iss}/ssf/subjects/remove`,
      verification_endpoint: `${iss}/ssf/verify`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:6750' }],
      default_subjects: 'ALL',
    });
  });

  it('may be cached, and is not sent again while it is the same', async () => {
    const { headers } = await hub.call('GET', `${wellKnown}/issuer1`, nobody);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    const etag = String(headers.get('etag'));
    // A proxy that compresses makes the tag weak (RFC 9110 §13.1.2).
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const again = await hub.call('GET', `${wellKnown}/issuer1`, {
        ...nobody,
        headers: { 'if-none-match': tag },
      });
      expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    }
  });

  it('§7.2.4: is the same, byte for byte, in the metadata and in every stream', async () => {
    const { body } = await hub.call('GET', `${wellKnown}/issuer1`, nobody);
    const receiver = await anSsfReceiver(hub);
    const stream = await receiver.create();
    expect(stream['iss']).toBe(body['issuer']);
    expect(stream['delivery']).toEqual({
      method: 'urn:ietf:rfc:8936',
      endpoint_url: `${String(body['issuer'])}/ssf/poll/${stream.stream_id}`,
    });
  });
});

it('SSF 1.0 §7.2.1: without PUBLIC_URL the issuer has no path, and the log says what that means', async () => {
  const plain = await startHub();
  const { status, body } = await plain.call('GET', wellKnown, nobody);
  expect([status, body['issuer']]).toEqual([200, `http://localhost:${new URL(plain.url).port}`]);
  expect(plain.lines.join('')).toContain('PUBLIC_URL is not set');
  expect((await plain.call('GET', `${wellKnown}/issuer1`, nobody)).status).toBe(404);
  await plain.stop();
});
