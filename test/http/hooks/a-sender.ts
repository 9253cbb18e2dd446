import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { issuer } from './a-hook.ts';

/** What a sender proves itself with, and how. */
export type Proof = { readonly secret: string; readonly nowSeconds: number };
export type Signed = {
  readonly headers: Readonly<Record<string, string>>;
  /** Where it is not the recorded one. */
  readonly body?: string;
  /** Behind the hook's name, where it is not that of the URL. */
  readonly tail?: string;
};

/** A double of one stock sender: how it signs, and what it was recorded to send. */
export type Sender = {
  readonly kind: string;
  /** Set with the hook beside its kind. */
  readonly options?: Readonly<Record<string, string>>;
  /** The sender made it. Absent: the hub does. */
  readonly secret?: string;
  readonly sign: (body: string, proof: Proof) => Signed;
  /** The scheme has a time in it. */
  readonly timed?: true;
  /** What the answer to what is refused is, where that is not 401. */
  readonly refusal?: readonly [status: number, text: string];
  readonly accepted?: readonly [status: number, text: string];
  readonly recordings: readonly Recording[];
};

export type Recording = {
  readonly file: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What it becomes, in order: event, subject, and what the hub does. Nothing: it is passed over. */
  readonly becomes: readonly Become[];
};
type Become = {
  readonly event: string;
  readonly subject: object;
  readonly outcome?: string;
  readonly effect?: string;
};

export const recorded = (kind: string, file: string): string =>
  readFileSync(join(import.meta.dirname, '../../../examples/soc', kind, file), 'utf8');

export const hmac = (secret: string | Buffer, encoding: 'hex' | 'base64', content: string): string =>
  createHmac('sha256', secret).update(content).digest(encoding);
export const bearer = (_body: string, { secret }: Proof): Signed => ({
  headers: { authorization: `Bearer ${secret}` },
});
export const caep = (name: string) => `https://schemas.openid.net/secevent/caep/event-type/${name}`;
export const risc = (name: string) => `https://schemas.openid.net/secevent/risc/event-type/${name}`;
export const ours = (name: string) => `urn:caep-hub:event:${name}`;
export const runner = { client_id: 'build-runner' };
export const repository = { format: 'uri', uri: 'https://github.com/acme/charges' };
export const entraUser = { iss: issuer, sub: '5b6c7d8e-1111-4222-8333-944455556666' };
