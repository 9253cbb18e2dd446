import type { JsonObject, Millis } from '../core/vocabulary.ts';
import type { Change, Upstream, UpstreamProgress } from './ports.ts';

/** The right to look after an upstream, until then: one node at a time has it. */
export type Turn = { readonly upstream: Upstream; readonly untilMs: Millis };

/** A row of the audit that commits with what is noted. */
export type Noted = { readonly action: string; readonly detail?: JsonObject; readonly change: Change };

/** Who looks after which upstream. What is noted is announced as `configuration`. */
export type UpstreamTurns = {
  /** The one that has been due for longest, unless it is paused or somebody looks after it. `undefined`: none is due. */
  takeDue(turn: { readonly nowMs: Millis; readonly untilMs: Millis }): Promise<Turn | undefined>;
  /** This one, due or not. `busy`: somebody looks after it. */
  take(
    name: string,
    turn: { readonly nowMs: Millis; readonly untilMs: Millis },
  ): Promise<Turn | 'busy' | undefined>;
  /** `false`, and nothing is written: the turn is over, or the upstream gone. */
  note(turn: Turn, progress: UpstreamProgress, noted?: Noted): Promise<boolean>;
  /** Notes, and gives the turn back. What was meanwhile found to be due stays due. */
  end(turn: Turn, progress: UpstreamProgress): Promise<boolean>;
};
