import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { parseSpan, several } from '../arguments.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Hub, path } from '../hub.ts';
import type { NewUpstream, Upstream } from '../wire.ts';
import { type SettingOptions, settingsOf, withSettings } from './upstream-options.ts';
import { linesOf } from './upstream-text.ts';

type AddOptions = SettingOptions & {
  readonly maySend?: readonly string[];
  readonly subjectIssuer?: readonly string[];
  readonly wait: string;
};

/** A round at a Transmitter has several calls, each of which may take its time. */
export const roundTimeoutMs = 180_000;
const lookAgainMs = 250;

export function addAdd(upstream: Command, bind: Bind): void {
  const add = upstream
    .command('add')
    .description('listen to a Transmitter: its stream is made, or taken over, and verified')
    .argument('<NAME>', 'also of the source that it speaks for')
    .argument('[ISSUER]', 'exactly as in its SETs; left out: read from --metadata-url');
  bind<AddOptions>(
    withSettings(add)
      .option('--may-send <type>', 'its source may send this and nothing else (may be repeated)', several)
      .option(
        '--subject-issuer <url>',
        'its source may speak about subjects of this issuer (may be repeated)',
        several,
      )
      .option('--wait <span>', 'how long to wait until it is verified', '15s'),
    [
      'upstream add okta https://acme.okta.com --client 0oa1 --secret-file ./okta.secret --scope ssf.manage',
      'upstream add sister https://hub.example --poll --token-file - < ./token',
      'upstream add old https://idp.example --jwks-uri https://idp.example/keys --audience our-id --typ-may-be-missing',
    ],
    addUpstream,
  );
}

export function addSet(upstream: Command, bind: Bind): void {
  bind<SettingOptions>(
    withSettings(
      upstream.command('set').description('change an upstream; what is not named stays').argument('<NAME>'),
    ),
    [
      'upstream set okta --secret-file ./okta.secret --client caep-hub',
      'upstream set okta --verify-every 10m',
    ],
    set,
  );
}

async function addUpstream(
  { connect, screen, surroundings }: CommandContext,
  options: AddOptions,
  [name = '', issuer]: readonly string[],
): Promise<ExitCode> {
  const { maySend, subjectIssuer } = options;
  const waitMs = parseSpan('--wait', options.wait, roundTimeoutMs);
  const limits = {
    ...(maySend !== undefined && { event_types: maySend }),
    ...(subjectIssuer !== undefined && { subject_issuers: subjectIssuer }),
  };
  const body = {
    name,
    ...(issuer !== undefined && { issuer }),
    ...(await settingsOf(options, surroundings)),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
  const hub = await connect();
  const added = await hub.call<NewUpstream>('POST', '/v1/upstreams', {
    body,
    timeoutMs: roundTimeoutMs,
    lookWith: 'caep-hub upstream list',
  });
  const key = added.credentials?.public_jwk;
  const isToldByHand = added.unmanaged !== undefined || key !== undefined;
  const settled = isToldByHand ? added : await settle(hub, added, waitMs);
  screen.show({ ...added, ...settled }, (upstream) => [
    ...linesOf(upstream),
    ...(key === undefined
      ? []
      : [`Register this key, then: caep-hub upstream connect ${name}`, JSON.stringify(key)]),
    ...(added.push_authorization === undefined
      ? []
      : ['Its pushes must carry this; it is not shown again:', `Authorization: ${added.push_authorization}`]),
  ]);
  return isToldByHand || settled.health.state === 'verified' ? exitCodes.done : exitCodes.notConfirmed;
}

/** How it is once it is connected and verified, or when the wait is over. */
async function settle(hub: Hub, added: Upstream, waitMs: number): Promise<Upstream> {
  const untilMs = performance.now() + waitMs;
  let now = added;
  while (['connecting', 'unverified'].includes(now.health.state) && performance.now() < untilMs) {
    await sleep(lookAgainMs);
    now = await hub.call<Upstream>('GET', path`/v1/upstreams/${added.name}`);
  }
  return now;
}

async function set(
  { connect, screen, surroundings }: CommandContext,
  options: SettingOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const body = await settingsOf(options, surroundings);
  const hub = await connect();
  screen.show(await hub.call<Upstream>('PATCH', path`/v1/upstreams/${name}`, { body }), linesOf);
  return exitCodes.done;
}
