import type { FeedEntry } from '../../core/feed.ts';
import { cutTo, type Screen } from '../screen.ts';
import { effectText } from '../signal-text.ts';
import { clockText, padTo, spanText, subjectText } from '../text.ts';
import type { Enforcement, InstanceEnforcement, Report, Signal } from '../wire.ts';

/** Something that was seen, as `watch --json` tells it. Times are the hub's, but for receipts: theirs is when we heard. */
export type Sight =
  | { readonly kind: 'signal'; readonly at_ms: number; readonly signal: Signal }
  | { readonly kind: 'entry'; readonly at_ms: number; readonly entry: FeedEntry }
  | {
      readonly kind: 'enforcement';
      readonly at_ms: number;
      readonly signal_id: string;
      readonly instance: InstanceEnforcement;
    }
  | {
      readonly kind: 'enforced';
      readonly at_ms: number;
      readonly signal_id: string;
      readonly state: Enforcement['state'];
      readonly expected: number;
      readonly applied: number;
    }
  | { readonly kind: 'report'; readonly at_ms: number; readonly report: Report };

const kindWidth = 9;

/** Time, what it is, and the rest, cut to the width of a terminal. */
export function lineOf(sight: Sight, { paint, columns }: Pick<Screen, 'paint' | 'columns'>): string {
  const { what, text } = wordsOf(sight);
  const kind = padTo(what === 'deny' ? effectText(what, paint) : what, kindWidth);
  return cutTo(`${clockText(sight.at_ms)}  ${kind}  ${text}`, columns);
}

function wordsOf(sight: Sight): { readonly what: string; readonly text: string } {
  if (sight.kind === 'signal') return { what: 'signal', text: signalText(sight.signal) };
  if (sight.kind === 'entry') {
    const { entry } = sight;
    if (entry.op !== 'put') return { what: entry.op, text: entry.id };
    return { what: entry.effect, text: `${subjectText(entry.match)}  ${entry.id}` };
  }
  if (sight.kind === 'enforcement') {
    return { what: sight.instance.state, text: instanceText(sight.instance, sight.signal_id) };
  }
  if (sight.kind === 'enforced') {
    return { what: sight.state, text: `${sight.applied}/${sight.expected}  ${sight.signal_id}` };
  }
  return { what: sight.report.kind, text: reportText(sight.report) };
}

function signalText({ decision, event, actor, signal_id: id = '' }: Signal): string {
  return `${event.replace(/^.*[/:]/, '')} by ${actor}, ${decision.outcome}: ${decision.text}  ${id}`;
}

function instanceText(instance: InstanceEnforcement, signalId: string): string {
  const latency = instance.latency_ms === undefined ? '' : `  ${spanText(instance.latency_ms)}`;
  const why = instance.why === undefined ? '' : `  ${instance.why}`;
  return `${instance.point}/${instance.instance}${latency}${why}  ${signalId}`;
}

function reportText({ point, instance, detail }: Report): string {
  const { code, count, at_ms: _, first_at_ms: __, last_at_ms: ___, decision_id: ____, ...who } = detail;
  const what = typeof code === 'string' ? `  ${code}` : '';
  const times = typeof count === 'number' && count > 1 ? ` ×${count}` : '';
  return `${point}/${instance}${what}${times}  ${subjectText(who)}`;
}
