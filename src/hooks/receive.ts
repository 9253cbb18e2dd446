import type { HandledSignal } from '../core/handled-signal.ts';
import { isProblem, Problem } from '../core/problem.ts';
import { harmlessText } from '../core/text.ts';
import type { Json, Millis } from '../core/vocabulary.ts';
import type { HookRefusalReason } from '../http/authenticate.ts';
import { parseJson } from '../http/json-body.ts';
import { problemReplies, type ProblemReply } from '../http/problem-replies.ts';
import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';
import type { HookActivities } from './activity.ts';
import type { HookAnswer, HookKind, HookRequest } from './kind.ts';
import { kindOf } from './kinds.ts';
import { signalsMax } from './limits.ts';
import { errorsText, saidOf, toMappedSignal } from './mapped-signal.ts';
import type {
  FindSenderKey,
  HookOutcome,
  Mapper,
  MappingFailure,
  MappingOutcome,
  SpeakingHook,
} from './ports.ts';

export type ReceiveOptions = {
  readonly mapper: Pick<Mapper, 'map'>;
  readonly findKey: FindSenderKey;
  readonly makeStatement: MakeStatement;
  readonly handle: HandleSignal;
  readonly activities: Pick<HookActivities, 'note' | 'noteFailure'>;
  readonly nowMs: () => Millis;
  /** For metrics. */
  readonly onOutcome: (hook: string, outcome: HookOutcome | 'unavailable') => void;
  /** A person must look: what an authentic sender said came to nothing. */
  readonly onFailure: (hook: string, code: string, text: string) => void;
};

/** A request at the hook that it is for. */
export type Received = { readonly request: HookRequest; readonly correlationId: string };

export type ReceiveOutcome =
  | { readonly kind: 'answered'; readonly answer: HookAnswer }
  | { readonly kind: 'taken'; readonly accepted: number }
  | { readonly kind: 'unreadable' | 'unmappable' }
  | { readonly kind: 'unauthentic'; readonly reason: HookRefusalReason };

export type Receive = (hook: SpeakingHook, received: Received) => Promise<ReceiveOutcome>;

/**
 * A body on its way from a sender to the pipeline: verified, read, mapped, said. Resolves after the commit of all that it
 * says. What fails for a while is thrown as a problem of 503, and nothing of it counts as taken: the sender tries again,
 * and what was committed already is known by its id.
 *
 * @throws Problem `mapping-busy`, `issuer-unavailable` or `storage-unavailable`.
 */
export function createReceive(options: ReceiveOptions): Receive {
  const { activities, nowMs } = options;

  function count(hook: SpeakingHook, outcome: HookOutcome): void {
    activities.note(hook.id, outcome, nowMs());
    options.onOutcome(hook.id, outcome);
  }

  function fail(hook: SpeakingHook, code: string, text: string): void {
    const told = harmlessText(text, failureTextMax);
    activities.noteFailure(hook.id, { atMs: nowMs(), code, text: told });
    options.onFailure(hook.id, code, told);
  }

  async function take(hook: SpeakingHook, kind: HookKind, received: Received): Promise<ReceiveOutcome> {
    const said = await sayAll(options, hook, kind, received, (code, text) => fail(hook, code, text));
    if (said.failures > 0) {
      count(hook, 'failed');
      return { kind: said.isRead ? 'unmappable' : 'unreadable' };
    }
    count(hook, said.accepted > 0 ? 'accepted' : 'ignored');
    return { kind: 'taken', accepted: said.accepted };
  }

  return async (hook, received) => {
    const { request } = received;
    const kind = kindOf(hook.kind);
    if (kind === undefined) return { kind: 'unauthentic', reason: 'unknown-hook' };
    const greeting = kind.greet?.(request);
    if (greeting !== undefined) return { kind: 'answered', answer: greeting };
    try {
      const verdict = await kind.verify(request, { hook, nowMs: nowMs(), findKey: options.findKey });
      if (verdict.kind === 'refused') {
        count(hook, 'refused');
        return { kind: 'unauthentic', reason: verdict.reason };
      }
      const confirmation = kind.confirm?.(request);
      if (confirmation !== undefined) return { kind: 'answered', answer: confirmation };
      return await take(hook, kind, received);
    } catch (error) {
      options.onOutcome(hook.id, 'unavailable');
      throw error;
    }
  };
}

/** UTF-16 code units of what is kept of a failure. */
const failureTextMax = 500;

type Fail = (code: string, text: string) => void;
type Said = { readonly isRead: boolean; readonly accepted: number; readonly failures: number };

async function sayAll(
  options: ReceiveOptions,
  hook: SpeakingHook,
  kind: HookKind,
  { request, correlationId }: Received,
  fail: Fail,
): Promise<Said> {
  const body = orFail(() => readBody(kind, request), fail);
  if (body === undefined) return { isRead: false, accepted: 0, failures: 1 };
  const notice = kind.notice?.(body.value);
  if (notice !== undefined) fail('notice', notice);
  const mapped = await mapBody(options.mapper, { hook, kind, request, body: body.value });
  if (mapped.kind === 'failed') {
    fail(mapped.code, failureText(mapped));
    return { isRead: true, accepted: 0, failures: 1 };
  }
  const delivery = kind.deliveryOf(request, body.value, options.nowMs());
  const done = await Promise.all(
    mapped.values.map((value, index) =>
      orFailLater(
        () =>
          options.handle(
            makeStatement(options.makeStatement, { hook, value, delivery, index, correlationId }),
          ),
        fail,
      ),
    ),
  );
  const accepted = done.filter((one) => one !== undefined).length;
  return { isRead: true, accepted, failures: done.length - accepted + (notice === undefined ? 0 : 1) };
}

export const readBody = (kind: HookKind, request: HookRequest): { readonly value: Json } => ({
  value: kind.read === undefined ? parseJson(request.body) : kind.read(request),
});

type Mapping = {
  readonly hook: Pick<SpeakingHook, 'id' | 'mapping' | 'options'>;
  readonly kind: HookKind;
  readonly request: Pick<HookRequest, 'header'>;
  readonly body: Json;
};
/** What the mapping makes of it, or why nothing. @throws Problem `mapping-busy`. */
export async function mapBody(
  mapper: Pick<Mapper, 'map'>,
  { hook, kind, request, body }: Mapping,
): Promise<Exclude<MappingOutcome, { readonly kind: 'busy' }>> {
  const { issuer } = hook.options;
  const outcome = await mapper.map({
    hook: hook.id,
    mapping: hook.mapping ?? kind.mapping,
    body,
    context: { headers: headersFor(kind, request), ...(issuer === undefined ? {} : { issuer }) },
  });
  if (outcome.kind === 'busy') throw mappingBusy();
  if (outcome.kind === 'failed' || outcome.values.length <= signalsMax) return outcome;
  return {
    kind: 'failed',
    code: 'mapping-output',
    text: `The mapping gives more than ${signalsMax} signals.`,
  };
}

export const failureText = ({ text, position }: MappingFailure): string =>
  position === undefined ? text : `${text} (character ${position})`;

export const mappingBusy = (): Problem =>
  new Problem('mapping-busy', 'There are more bodies than can be mapped at this moment.', {
    hint: 'Send it again in a moment: nothing of it was taken.',
  });

const headersFor = (kind: HookKind, { header }: Pick<HookRequest, 'header'>) =>
  Object.fromEntries(
    kind.passes.flatMap((name) => {
      const value = header(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );

export type Saying = {
  readonly hook: Pick<SpeakingHook, 'id' | 'source'>;
  readonly value: Json;
  readonly delivery: string;
  readonly index: number;
  readonly correlationId: string;
};

export const makeStatement = (make: MakeStatement, { hook, value, delivery, index, correlationId }: Saying) =>
  make({
    ...saidOf(toMappedSignal(value), delivery, index),
    source: hook.source,
    actor: `hook:${hook.id}`,
    correlationId,
  });

/** What will be the same the next time is told to a person; what passes, and what is a bug, goes on to the sender. */
function tell(error: unknown, fail: Fail): void {
  if (!isProblem(error) || !isFinal(error)) throw error;
  const { code, message, errors } = error;
  fail(code, errors.length === 0 ? message : `${message} ${errorsText(errors)}`);
}

export function isFinal({ code }: Problem): boolean {
  const { status }: ProblemReply = problemReplies[code];
  return status < 500 && status !== 429;
}

function orFail<T>(make: () => T, fail: Fail): T | undefined {
  try {
    return make();
  } catch (error) {
    tell(error, fail);
    return undefined;
  }
}

async function orFailLater(
  make: () => Promise<HandledSignal>,
  fail: Fail,
): Promise<HandledSignal | undefined> {
  try {
    return await make();
  } catch (error) {
    tell(error, fail);
    return undefined;
  }
}
