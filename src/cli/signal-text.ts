import type { Paint } from './paint.ts';
import { columns, countText, millisText, padTo, secondsText, spanText, subjectText } from './text.ts';
import type { Enforcement, InstanceEnforcement, SignalAnswer } from './wire.ts';

/** Entries of one signal that are listed; a kill of a large family has hundreds. */
const entriesShownMax = 20;

/** What was decided, whom it hits, and what should be known about it. */
export function answerLines(answer: SignalAnswer, paint: Paint): readonly string[] {
  return [
    ...outcomeLines(answer, paint),
    ...blastLines(answer),
    ...entryLines(answer, paint),
    ...answer.warnings.map(({ code, text }) => `${paint.yellow('warning')} ${code}: ${text}`),
  ];
}

/** What became of it, in a sentence. */
export function outcomeLines(
  { decision, duplicate, signal_id: id, dry_run: dryRun }: SignalAnswer,
  paint: Paint,
): readonly string[] {
  const head = dryRun === true ? paint.bold('dry run') : `${paint.bold(id ?? '')} ${decision.outcome}`;
  return [
    `${head}${duplicate ? ' (the hub had it already)' : ''}`,
    decision.outcome === 'applied' ? decision.text : paint.yellow(decision.text),
  ];
}

function blastLines({ agents, blast }: SignalAnswer): readonly string[] {
  if (blast.keys === 0) return [];
  const counts = [
    countText(blast.agents, 'agent'),
    countText(blast.keys, 'key'),
    countText(blast.descendants, 'descendant'),
  ].join(', ');
  return [`  hits ${counts}${agents.length === 0 ? '' : `: ${agents.join(', ')}`}`];
}

function entryLines({ revocations, lifted }: SignalAnswer, paint: Paint): readonly string[] {
  const rows = revocations
    .slice(0, entriesShownMax)
    .map((entry) => [
      `  ${effectText(entry.effect, paint)}`,
      ...(entry.id === undefined ? [] : [entry.id]),
      subjectText(entry.match) +
        (entry.cut_off === undefined ? '' : ` issued until ${secondsText(entry.cut_off)}`) +
        (entry.merged === true ? ' (moved forward)' : ''),
    ]);
  const more = revocations.length - rows.length;
  return [
    ...columns(rows),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ...lifted.map(({ id }) => `  lift  ${id}`),
  ];
}

export const effectText = (effect: string, paint: Paint): string =>
  effect === 'deny' ? paint.red(effect) : paint.yellow(effect);

/** One instance of a point, with what it has made of the signal. */
export function instanceLine(one: InstanceEnforcement, nameWidth: number, paint: Paint): string {
  const name = padTo(`${one.point}/${one.instance}`, nameWidth);
  const colour = one.state === 'applied' || one.state === 'contained' ? paint.green : paint.red;
  return `  ${name}  ${colour(padTo(one.state, 9))}  ${stateTexts[one.state](one)}`.trimEnd();
}

const why = (one: InstanceEnforcement): string => one.why ?? '';
const stateTexts = {
  applied: ({ latency_ms: latency }) => (latency === undefined ? '' : spanText(latency)),
  contained: ({ since_ms: since = 0 }) => `silent; fails closed since ${millisText(since)}`,
  exposed: ({ until_ms: until }) => exposureText(until),
  pending: () => 'has not confirmed',
  refused: why,
  cannot: why,
} as const satisfies Record<InstanceEnforcement['state'], (one: InstanceEnforcement) => string>;

const exposureText = (untilMs: number | undefined): string =>
  untilMs === undefined ? 'lets it pass until it hears of it' : `lets it pass until ${millisText(untilMs)}`;

/** Who has not confirmed, and where instances are missing. */
export function laggardLines({ instances, missing }: Enforcement, paint: Paint): readonly string[] {
  const pending = instances.filter(({ state }) => state === 'pending');
  const width = Math.max(0, ...pending.map(({ point, instance }) => point.length + instance.length + 1));
  return [
    ...pending.map((one) => instanceLine(one, width, paint)),
    ...missing.map(
      ({ point, expected, present }) =>
        `  ${point}  ${paint.red('missing')}  has ${present} of ${countText(expected, 'expected instance')}`,
    ),
  ];
}

type Summary = Pick<
  Enforcement,
  'state' | 'expected' | 'applied' | 'contained' | 'exposed' | 'p50_ms' | 'p99_ms'
>;

export function conclusionLine(summary: Summary, paint: Paint): string {
  const { state, expected, applied, contained, exposed, p50_ms: p50, p99_ms: p99 } = summary;
  if (state === 'no_points') {
    return paint.yellow('NO POINTS: nobody enforces it. Add one: caep-hub point add NAME --expect 1');
  }
  const latency =
    p50 === undefined || p99 === undefined ? '' : `  p50 ${spanText(p50)}, p99 ${spanText(p99)}`;
  const closed = contained > 0 ? `, ${contained} silent and closed` : '';
  const counts = `${applied}/${expected}${closed}`;
  if (state === 'complete') return `${paint.green(`ENFORCED ${counts}`)}${latency}`;
  const open = exposed.length > 0 ? `, ${exposed.length} exposed` : '';
  return paint.red(`NOT CONFIRMED EVERYWHERE: ${counts} applied${open}`) + latency;
}
