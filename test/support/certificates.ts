import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate with its key, both in PEM. */
export type ServerCertificate = { readonly key: string; readonly cert: string };

/** A certificate authority that lives as long as the test. */
export type Authority = {
  readonly pem: string;
  /** For names and IPv4 addresses; `days` from now on until it ends, negative: it has ended. */
  readonly issue: (names: readonly string[], days?: number, more?: More) => ServerCertificate;
};
type More = {
  /** When it begins, in days from now on. */
  readonly from?: number;
  /** The server's key; the authority's is elliptic. */
  readonly rsaBits?: number;
};

/** Written out here because Node reads certificates but makes none. @see RFC 5280 §4.1, X.690 */
export function anAuthority(name = `authority ${randomBytes(4).toString('hex')}`): Authority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const constraints = extension('551d13', true, sequence(der(0x01, Buffer.from([0xff]))));
  const by = { issuer: name, signer: privateKey };
  return {
    pem: certificate({ ...by, subject: name, key: publicKey, days: 1, extensions: [constraints] }),
    issue: (names, days = 1, { from, rsaBits } = {}) => {
      const pair =
        rsaBits === undefined
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: rsaBits });
      const alternatives = extension('551d11', false, sequence(...names.map(generalName)));
      const what = { subject: 'server', key: pair.publicKey, days, extensions: [alternatives] };
      return {
        key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
        cert: certificate({ ...by, ...what, ...(from === undefined ? {} : { from }) }),
      };
    },
  };
}

/** Vouched for by nobody but itself. */
export function aSelfSignedCertificate(): ServerCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const alternatives = extension('551d11', false, sequence(...['localhost', '127.0.0.1'].map(generalName)));
  const who = { issuer: 'self', subject: 'self', signer: privateKey, key: publicKey };
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: certificate({ ...who, days: 1, extensions: [alternatives] }),
  };
}

function certificate(parts: {
  readonly issuer: string;
  readonly signer: KeyObject;
  readonly subject: string;
  readonly key: KeyObject;
  readonly from?: number;
  readonly days: number;
  readonly extensions: readonly Buffer[];
}): string {
  const version3 = der(0xa0, integer(Buffer.from([2])));
  const serial = integer(Buffer.concat([Buffer.from([1]), randomBytes(15)]));
  const toBeSigned = sequence(
    version3,
    serial,
    ecdsaWithSha256,
    nameOf(parts.issuer),
    sequence(time(parts.from ?? -30), time(parts.days)),
    nameOf(parts.subject),
    parts.key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...parts.extensions)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', toBeSigned, parts.signer)]));
  const base64 = sequence(toBeSigned, ecdsaWithSha256, signature).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const integer = (bytes: Buffer): Buffer => der(0x02, bytes);
const objectIdentifier = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const ecdsaWithSha256 = sequence(objectIdentifier('2a8648ce3d040302'));

const nameOf = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(objectIdentifier('550403'), der(0x0c, Buffer.from(commonName)))));

/** `UTCTime`, days from now. */
function time(days: number): Buffer {
  const iso = new Date(Date.now() + days * 86_400_000).toISOString();
  return der(0x17, Buffer.from(`${iso.slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));
}

const extension = (identifier: string, isCritical: boolean, value: Buffer): Buffer =>
  sequence(
    objectIdentifier(identifier),
    ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []),
    der(0x04, value),
  );

const generalName = (name: string): Buffer =>
  isIP(name) === 4 ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name));
