import type { Static } from 'typebox';
import { isProblem } from '../core/problem.ts';
import { toSignalAnswer } from '../http/signal-answer.ts';
import type { HookRequest } from './kind.ts';
import { kindOf } from './kinds.ts';
import { toMappedSignal } from './mapped-signal.ts';
import type { SpeakingHook } from './ports.ts';
import { failureText, isFinal, makeStatement, mapBody, readBody, type ReceiveOptions } from './receive.ts';
import type { TestReply } from './schemas.ts';

type Rehearsal = {
  readonly hook: SpeakingHook;
  /** Instead of the hook's. */
  readonly mapping?: string;
  readonly body: Uint8Array;
  readonly headers: ReadonlyMap<string, string>;
  readonly correlationId: string;
};

export type RehearseOptions = Pick<ReceiveOptions, 'mapper' | 'makeStatement' | 'handle' | 'nowMs'>;

/**
 * What a body would do at a hook, whoever sent it. Nothing is written and nothing counts.
 *
 * @throws Problem of the body, and those that pass.
 */
export async function rehearse(
  options: RehearseOptions,
  asked: Rehearsal,
): Promise<Static<typeof TestReply>> {
  const { mapping } = asked;
  const hook = mapping === undefined ? asked.hook : { ...asked.hook, mapping };
  const kind = kindOf(hook.kind);
  if (kind === undefined) return { signals: [] };
  const request: HookRequest = {
    method: 'POST',
    tail: '',
    header: (name) => asked.headers.get(name),
    query: () => undefined,
    body: asked.body,
  };
  const body = readBody(kind, request).value;
  const mapped = await mapBody(options.mapper, { hook, kind, request, body });
  if (mapped.kind === 'failed') {
    return { signals: [], failure: { code: mapped.code, text: failureText(mapped) } };
  }
  const delivery = kind.deliveryOf(request, body, options.nowMs());
  const signals = await Promise.all(
    mapped.values.map((value, index) =>
      rehearseOne(options, { hook, value, delivery, index, correlationId: asked.correlationId }),
    ),
  );
  return { signals };
}

type Shown = Static<typeof TestReply>['signals'][number];

async function rehearseOne(
  options: RehearseOptions,
  saying: Parameters<typeof makeStatement>[1],
): Promise<Shown> {
  let signal: Shown['signal'];
  try {
    signal = toMappedSignal(saying.value) as Shown['signal'];
    const statement = makeStatement(options.makeStatement, saying);
    const answer = toSignalAnswer(await options.handle(statement, { dryRun: true }), { dryRun: true });
    return { ...(signal === undefined ? {} : { signal }), answer };
  } catch (error) {
    if (!isProblem(error) || !isFinal(error)) throw error;
    const { code, message: detail, errors } = error;
    return { ...(signal === undefined ? {} : { signal }), problem: { code, detail, errors: [...errors] } };
  }
}
