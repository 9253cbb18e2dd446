import type { Command } from 'commander';
import { matchMembers } from '../../core/revocation.ts';
import type { TokenContext } from '../../core/token-context.ts';
import { parseCount, readPairs } from '../arguments.ts';
import { isCliProblem, wrongUsage } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ClaimNames, contextOf, decodeToken, issuerOf, usualClaims } from '../decode-token.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Hub, path } from '../hub.ts';
import type { Paint } from '../paint.ts';
import { effectText } from '../signal-text.ts';
import { columns, fields, millisText, secondsText, spanText, subjectText } from '../text.ts';
import type { Check, Issuer, Revocation } from '../wire.ts';

const timeMembers = ['iat', 'auth_time', 'exp'] as const;
const knownKeys = [...matchMembers, ...timeMembers] as const;
/** Of stdin that is taken for a token. */
const stdinCharactersMax = 65_536;
/** Matching entries that are explained. */
const explainedMax = 20;

export function addCheckCommand(program: Command, bind: Bind): void {
  const command = program
    .command('check')
    .summary('what would a point do with this token?')
    .description(
      'Reads a JWT on this machine and sends what it says of its holder; the token itself never leaves.\n' +
        'Its signature and binding are not looked at: this asks for revocations only.\n' +
        'A token as an argument is seen in the list of processes and kept by the shell: prefer "-", stdin.\n' +
        `Keys: ${knownKeys.join(' ')}.`,
    )
    .argument('[TOKEN|-|KEY=VALUE...]', 'a token, stdin, or what is known of one');
  bind(
    command,
    ['check - < token.txt', 'check iss=https://login.example client_id=build-runner jkt=0ZcOCORZNYy-…'],
    check,
  );
}

async function check(context: CommandContext, _: object, operands: readonly string[]): Promise<ExitCode> {
  const { screen, surroundings } = context;
  const known = operands.some(isPair) ? contextOfPairs(operands) : undefined;
  const token = known === undefined ? decodeToken(await readToken(operands, surroundings.stdin)) : undefined;
  const hub = await context.connect();
  const claims =
    known ?? (token && contextOf(token, await claimNamesOf(hub, issuerOf(token.claims), screen.note)));
  const reply: Check = await hub.call('POST', '/v1/check', {
    body: claims ?? {},
    repeatable: true,
  });
  const { entries, unseen } = await explain(hub, reply.matched.slice(0, explainedMax));
  screen.show({ context: claims, ...reply, revocations: entries, unseen }, () => [
    ...(token === undefined ? [] : ['Read here and not verified; the token was not sent.']),
    ...contextLines(claims ?? {}, surroundings.nowMs()),
    ...verdictLines(reply, entries, screen.paint),
    ...unseenLines(reply, unseen),
  ]);
  if (reply.effect === 'allow') return exitCodes.done;
  return reply.effect === 'deny' ? exitCodes.denied : exitCodes.otherEffect;
}

/** An opaque token may end in `=` and look like a pair: only known keys make one. */
const isPair = (word: string): boolean => knownKeys.some((key) => word.startsWith(`${key}=`));

function contextOfPairs(operands: readonly string[]): Partial<TokenContext> {
  // Not by readPairs, which repeats what it does not know: that may be a token.
  if (!operands.every(isPair))
    throw wrongUsage('One of the words is no KEY=VALUE.', `Known keys: ${knownKeys.join(', ')}.`);
  const pairs = readPairs(operands, knownKeys);
  if (!pairs.has('iss')) throw wrongUsage('iss is missing.', 'Every token has an issuer: add iss=URL.');
  const members = [...pairs].map(([name, value]) => {
    const isTime = timeMembers.some((time) => time === name);
    return [name, isTime ? parseCount(name, value) : value] as const;
  });
  return Object.fromEntries(members) as Partial<TokenContext>;
}

async function readToken(
  [operand = '-', ...more]: readonly string[],
  stdin: AsyncIterable<string | Buffer>,
): Promise<string> {
  if (more.length > 0) throw wrongUsage('One token, or KEY=VALUE pairs, and nothing else.');
  if (operand !== '-') return operand;
  let text = '';
  for await (const chunk of stdin) {
    text += chunk.toString();
    if (text.length > stdinCharactersMax) break;
  }
  return text.trim();
}

/** As the hub has the issuer; else as most issuers do it, and that is said. */
async function claimNamesOf(hub: Hub, iss: string, note: (line: string) => void): Promise<ClaimNames> {
  try {
    const { items }: { readonly items: readonly Issuer[] } = await hub.call('GET', '/v1/issuers');
    const found = items.find(({ url }) => url === iss);
    if (found !== undefined) return found;
    note(
      `warning: the hub does not know the issuer ${iss}; points refuse its tokens. Add it: caep-hub issuer add ${iss}`,
    );
  } catch (error) {
    if (!isCliProblem(error) || error.exitCode !== exitCodes.refused) throw error;
    note('warning: the issuers may not be read with this token; the client is read from client_id or azp.');
  }
  return usualClaims;
}

type Explained = {
  readonly entries: readonly Revocation[];
  /** How many could not be looked up, and why the first of them. */
  readonly unseen?: { readonly count: number; readonly why: string };
};

/** Entries that end while they are looked up are left out. The verdict stands whatever comes of this. */
async function explain(hub: Hub, ids: readonly string[]): Promise<Explained> {
  const found = await Promise.all(
    ids.map((id) =>
      hub.call<Revocation>('GET', path`/v1/revocations/${id}`).catch((error: unknown) => {
        if (!isCliProblem(error)) throw error;
        return error;
      }),
    ),
  );
  const problems = found.filter(isCliProblem).filter(({ code }) => code !== 'not-found');
  const [first] = problems;
  return {
    entries: found.flatMap((one) => (isCliProblem(one) ? [] : [one])),
    ...(first !== undefined && { unseen: { count: problems.length, why: first.message } }),
  };
}

function contextLines(
  { act, iat, auth_time, exp, ...claims }: Partial<TokenContext>,
  nowMs: number,
): readonly string[] {
  const left = exp === undefined ? 0 : exp * 1_000 - nowMs;
  const ends = left > 0 ? `, in ${spanText(left)}` : ', expired';
  return fields({
    ...claims,
    issued: iat === undefined ? undefined : secondsText(iat),
    'signed in': auth_time === undefined ? undefined : secondsText(auth_time),
    expires: exp === undefined ? undefined : secondsText(exp) + ends,
    ...Object.fromEntries((act ?? []).map((hop, index) => [`actor ${index + 1}`, subjectText(hop)])),
  });
}

function verdictLines(reply: Check, entries: readonly Revocation[], paint: Paint): readonly string[] {
  if (reply.effect === 'allow') {
    return [paint.green('ALLOW') + `  no revocation matches, as of ${reply.position}`];
  }
  const rows = entries.map(({ id, effect, reason, match, put_at_ms: at }) => [
    `  ${effectText(effect, paint)}`,
    id,
    `${reason}, put ${millisText(at)}: ${subjectText(match)}`,
  ]);
  const { issued_after: after, obligations } = reply;
  const verdict = reply.effect.toUpperCase();
  const count = `${reply.matched.length} matching, as of ${reply.position}`;
  return [
    `${reply.effect === 'deny' ? paint.red(verdict) : paint.yellow(verdict)}  ${count}`,
    ...columns(rows),
    ...(reply.effect === 'deny' && after !== undefined
      ? [`A token issued after ${secondsText(after)} is let in.`]
      : []),
    ...obligationLines(obligations),
  ];
}

function unseenLines({ matched }: Check, unseen: Explained['unseen']): readonly string[] {
  const more = matched.length - explainedMax;
  return [
    ...(unseen === undefined ? [] : [`${unseen.count} of them could not be shown: ${unseen.why}`]),
    ...(more > 0 ? [`${more} more of them: --json has their ids.`] : []),
  ];
}

function obligationLines(obligations: Check['obligations']): readonly string[] {
  const { scope, read_only, denied_tools, rate_per_minute, step_ups, require_nonce } = obligations;
  return fields({
    '  only scope': scope,
    '  read only': read_only ? 'yes' : undefined,
    '  no tools': denied_tools.join(', '),
    '  rate': rate_per_minute === undefined ? undefined : `${rate_per_minute} per minute`,
    '  step-up': step_ups.map((stepUp) => JSON.stringify(stepUp)).join(' '),
    '  fresh nonce': require_nonce ? 'yes' : undefined,
  });
}
