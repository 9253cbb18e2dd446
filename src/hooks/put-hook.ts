import { Problem } from '../core/problem.ts';
import type { Millis, SourceId } from '../core/vocabulary.ts';
import type { HookKind } from './kind.ts';
import { secretsMax } from './limits.ts';
import type { Hook, HookOptions, HookSecret, Mapper } from './ports.ts';
import { mappingBusy } from './receive.ts';

export type WantedHook = {
  readonly id: SourceId;
  readonly kind: HookKind;
  readonly options: HookOptions;
  readonly mapping?: string;
  readonly secret?: string;
  readonly newSecret: boolean;
  readonly previousSecret?: 'keep' | 'drop';
};

/** The hook as it is wanted, and its secret where it was made here just now. */
export type MadeHook = { readonly hook: Hook; readonly made?: string };

/** @throws Problem `invalid-request` for a secret that the sender cannot have, and where one is missing. */
export function makeHook(wanted: WantedHook, before: Hook | undefined, nowMs: Millis): MadeHook {
  const { id, kind, options, mapping } = wanted;
  // A secret of another kind proves nothing here.
  const kept = before?.kind === kind.name ? before.secrets : [];
  const { secrets, made } = secretsOf(wanted, kept, nowMs);
  const hook: Hook = {
    id,
    kind: kind.name,
    options,
    ...(mapping === undefined ? {} : { mapping }),
    secrets,
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
  };
  return { hook, ...(made === undefined ? {} : { made }) };
}

function secretsOf(
  wanted: WantedHook,
  kept: readonly HookSecret[],
  nowMs: Millis,
): { readonly secrets: readonly HookSecret[]; readonly made?: string } {
  const { kind, secret, newSecret, previousSecret } = wanted;
  const rule = kind.secret;
  if (rule.made === 'published') {
    if (secret === undefined && !newSecret) return { secrets: [] };
    throw wrong('/secret', `is not used: ${kind.name} signs with keys that it publishes`);
  }
  if (secret !== undefined && newSecret) throw wrong('/new_secret', 'cannot stand beside secret');
  if (secret !== undefined && !rule.shape.test(secret)) throw wrong('/secret', `must be ${rule.wants}`);
  const isMissing = kept.length === 0 && secret === undefined;
  if (rule.made === 'there' && (newSecret || isMissing)) {
    throw wrong('/secret', `is missing: ${kind.title} makes it and shows it to you`);
  }
  const made = rule.made === 'here' && (newSecret || isMissing) ? rule.make() : undefined;
  const value = secret ?? made;
  if (value === undefined) return { secrets: previousSecret === 'drop' ? kept.slice(0, 1) : kept };
  const others = previousSecret === 'keep' ? kept.filter((one) => one.value !== value) : [];
  const secrets = [{ value, sinceMs: nowMs }, ...others].slice(0, secretsMax);
  return made === undefined ? { secrets } : { secrets, made };
}

const wrong = (path: string, message: string): Problem =>
  new Problem('invalid-request', `${path.slice(1)} ${message}.`, { errors: [{ path, message }] });

/** @throws Problem `invalid-request` that says where the mapping is wrong; `mapping-busy`. */
export async function checkMapping(mapper: Pick<Mapper, 'check'>, mapping: string): Promise<void> {
  const outcome = await mapper.check(mapping);
  if (outcome.kind === 'mapped') return;
  if (outcome.kind === 'busy') throw mappingBusy();
  const { text, position } = outcome;
  const at = position === undefined ? '' : ` at character ${position}`;
  throw new Problem('invalid-request', 'The mapping is not JSONata.', {
    hint: 'https://docs.jsonata.org describes the language; POST /v1/hooks/:source/test tries a mapping out.',
    errors: [{ path: '/mapping', message: `is wrong${at}: ${text}` }],
    ...(position === undefined ? {} : { extra: { position } }),
  });
}
