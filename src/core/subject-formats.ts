import type { Match } from './revocation.ts';
import { identifierOfMatch, identifierTextMax, requireMatchValue, wrongMember } from './subject-match.ts';
import { pointerTo } from './text.ts';
import { type Identifier, identifier, type JsonObject } from './vocabulary.ts';

/** Addresses of one `ip-addresses` subject. */
const addressesMax = 64;

/** One simple subject: the line it is looked up by, and what tokens carry for it when it says so itself. */
export type NamedSubject = {
  readonly identifier: Identifier;
  readonly match?: Match;
  /** Another name that may find it where the first is not known; it does not tell it from others. */
  readonly otherwise?: Identifier;
};

/** A simple subject being read: where it stands, in which role, and whose names its siblings are. */
export type FormatInput = {
  readonly wire: JsonObject;
  readonly path: string;
  readonly role: string;
  readonly issuer: string | undefined;
};

type FormatRow = { readonly section: string; readonly read: (input: FormatInput) => NamedSubject };

const jktUrn = 'urn:ietf:params:oauth:jwk-thumbprint:sha-256:';
const certificateUri = 'ni:///sha-256;';
const tokenUrn = 'urn:caep-hub:token:sha-256:';

const phoneNumber: FormatRow = {
  section: 'RFC 9493 §3.2.5',
  read: (input) => {
    const text = requireText(input, 'phone_number');
    require(input, 'phone_number', /^\+[1-9][0-9]{1,14}$/.test(
      text,
    ), 'must be E.164: "+", then 2 to 15 digits');
    return named('phone_number', text);
  },
};

/** Every simple format there is, by its name on the wire. */
export const simpleFormats = {
  account: { section: 'RFC 9493 §3.2.1', read: readAccount },
  email: { section: 'RFC 9493 §3.2.2', read: readEmail },
  iss_sub: { section: 'RFC 9493 §3.2.3', read: readIssSub },
  opaque: { section: 'RFC 9493 §3.2.4', read: readOpaque },
  phone_number: phoneNumber,
  // SSF 1.0 §8.1.3.3 and RISC 1.0 §2.5 write it so.
  phone: phoneNumber,
  did: { section: 'RFC 9493 §3.2.6', read: readDid },
  uri: { section: 'RFC 9493 §3.2.7', read: readUri },
  jwt_id: {
    section: 'SSF 1.0 §3.5.1',
    read: (input) => fromMatch({ iss: requireText(input, 'iss'), jti: requireText(input, 'jti') }),
  },
  saml_assertion_id: {
    section: 'SSF 1.0 §3.5.2',
    read: (input) =>
      named(
        'saml_assertion_id',
        JSON.stringify([requireText(input, 'issuer'), requireText(input, 'assertion_id')]),
      ),
  },
  'ip-addresses': { section: 'SSF 1.0 §3.5.3', read: readAddresses },
  scim: {
    section: 'RFC 9967 §2.1',
    read: readScim,
  },
} as const satisfies Record<string, FormatRow>;

export type SimpleFormat = keyof typeof simpleFormats;
export const isSimpleFormat = (name: string): name is SimpleFormat => Object.hasOwn(simpleFormats, name);

/** Key material and workloads as URIs, both ways. @see RFC 9278, RFC 6920 */
export const keyUris = {
  jkt: jktUrn,
  'x5t#S256': certificateUri,
  token_sha256: tokenUrn,
} as const;

function readAccount(input: FormatInput): NamedSubject {
  const [, user, host] = /^acct:([^@\s]+)@([^@\s/?#]+)$/i.exec(requireText(input, 'uri')) ?? [];
  if (user === undefined || host === undefined) {
    throw wrongMember(pointerTo(input.path, 'uri'), 'must be an acct: URI such as acct:alice@example.com');
  }
  return named('account', `acct:${user}@${host.toLowerCase()}`);
}

/** The domain is case-insensitive; what stands before it is the provider's business. */
function readEmail(input: FormatInput): NamedSubject {
  const text = requireText(input, 'email');
  const at = text.lastIndexOf('@');
  const [mailbox, domain] = [text.slice(0, at), text.slice(at + 1)];
  const plain = at > 0 && !/[\s@]/.test(domain) && !/\s/.test(mailbox) && domain.length > 0;
  require(input, 'email', plain, 'must be an address such as alice@example.com');
  return named('email', `${mailbox}@${domain.toLowerCase()}`);
}

/** What a `sub` names depends on the member it stands in: a principal, a client, a session, or a thing of the issuer's own. */
function readIssSub(input: FormatInput): NamedSubject {
  const [iss, sub] = [requireText(input, 'iss'), requireText(input, 'sub')];
  if (input.role === 'subject' || input.role === 'user') return fromMatch({ iss, sub });
  if (input.role === 'application') return fromMatch({ iss, client_id: sub });
  if (input.role === 'session') return fromMatch({ iss, sid: sub });
  return local(input, 'iss_sub', JSON.stringify([iss, sub]));
}

function readOpaque(input: FormatInput): NamedSubject {
  const id = requireText(input, 'id');
  if (input.role === 'issuer') return fromMatch({ iss: id });
  if (input.role === 'session' && input.issuer !== undefined)
    return fromMatch({ iss: input.issuer, sid: id });
  return local(input, 'opaque', id);
}

/** A DID URL points into the DID's document; the subject is the DID itself. */
function readDid(input: FormatInput): NamedSubject {
  const [, did] = /^(did:[a-z0-9]+:[A-Za-z0-9._:%-]+)([/?#;].*)?$/.exec(requireText(input, 'url')) ?? [];
  if (did === undefined)
    throw wrongMember(pointerTo(input.path, 'url'), 'must be a DID such as did:example:123');
  return named('did', did);
}

function readUri(input: FormatInput): NamedSubject {
  const uri = requireText(input, 'uri');
  const path = pointerTo(input.path, 'uri');
  for (const member of ['jkt', 'x5t#S256', 'token_sha256'] as const) {
    const prefix = keyUris[member];
    if (uri.slice(0, prefix.length).toLowerCase() !== prefix) continue;
    return fromMatch({ [member]: requireMatchValue(member, uri.slice(prefix.length), path) });
  }
  if (/^spiffe:/i.test(uri)) return fromMatch({ workload: requireMatchValue('workload', uri, path) });
  require(input, 'uri', /^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$/.test(uri), 'must be a URI with a scheme');
  return named('uri', uri);
}

/** The path names the resource; what the client of the SCIM service calls it may be known here where the path is not. */
function readScim(input: FormatInput): NamedSubject {
  const resource = local(input, 'scim', requireText(input, 'uri'));
  if (!Object.hasOwn(input.wire, 'externalId')) return resource;
  const external = local(input, 'opaque', requireText(input, 'externalId'));
  return { ...resource, otherwise: external.identifier };
}

function readAddresses(input: FormatInput): NamedSubject {
  const value = input.wire['ip-addresses'];
  const path = pointerTo(input.path, 'ip-addresses');
  if (!Array.isArray(value) || value.length === 0 || value.length > addressesMax) {
    throw wrongMember(path, `must be an array of 1 to ${addressesMax} addresses`);
  }
  const addresses = value.map((address: unknown, index) => {
    if (typeof address === 'string' && /^[0-9a-f.:]{2,45}$/i.test(address)) return address.toLowerCase();
    throw wrongMember(pointerTo(path, index), 'must be an IPv4 or IPv6 address');
  });
  return named('ip-addresses', JSON.stringify([...new Set(addresses)].toSorted()));
}

const fromMatch = (match: Match): NamedSubject => ({ match, identifier: identifierOfMatch(match) });

const named = (format: string, value: string): NamedSubject => ({
  identifier: identifier(`${format}:${value}`),
});

/** For names that mean something only among their own kind: a tenant 5 is not the device 5. */
const local = (input: FormatInput, format: string, value: string): NamedSubject =>
  input.role === 'subject' || input.role === 'user' || input.role === 'application'
    ? named(format, value)
    : named(`${input.role}/${format}`, value);

/** @throws Problem `invalid-request` unless the member is text of usable length. */
export function requireText(input: Pick<FormatInput, 'wire' | 'path'>, member: string): string {
  const value = Object.hasOwn(input.wire, member) ? input.wire[member] : undefined;
  const path = pointerTo(input.path, member);
  if (value === undefined) throw wrongMember(path, 'is missing');
  if (typeof value !== 'string' || value === '')
    throw wrongMember(path, 'must be a string that is not empty');
  if (value.length > identifierTextMax)
    throw wrongMember(path, `is longer than ${identifierTextMax} characters`);
  return value;
}

function require(input: FormatInput, member: string, holds: boolean, message: string): void {
  if (!holds) throw wrongMember(pointerTo(input.path, member), message);
}
