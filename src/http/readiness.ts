import type { Readiness } from './process-routes.ts';

/** What one part says of itself: reasons against sending requests here, and notices that people should see. */
export type PartState = Partial<Pick<Readiness, 'reasons' | 'notices' | 'epoch'>>;
export type Part = () => PartState | Promise<PartState>;

/** However often somebody asks, the parts are asked this seldom. */
const rememberMs = 250;

/** Asks all parts at once. One that throws is a reason. */
export function createReadiness(options: {
  readonly durability: Readiness['durability'];
  /** By name, as they stand when somebody asks. */
  readonly parts: ReadonlyMap<string, Part>;
  readonly monotonicMs: () => number;
}): () => Promise<Readiness> {
  const { durability, parts, monotonicMs } = options;
  let last: { readonly atMs: number; readonly answer: Promise<Readiness> } | undefined;

  async function ask(): Promise<Readiness> {
    const states = await Promise.all(
      [...parts].map(async ([name, part]): Promise<PartState> => {
        try {
          return await part();
        } catch {
          return { reasons: [`The ${name} does not answer.`] };
        }
      }),
    );
    const epoch = states.find((state) => state.epoch !== undefined)?.epoch;
    return {
      durability,
      ...(epoch === undefined ? {} : { epoch }),
      reasons: states.flatMap(({ reasons = [] }) => reasons),
      notices: states.flatMap(({ notices = [] }) => notices),
    };
  }

  return () => {
    const now = monotonicMs();
    if (last === undefined || now - last.atMs >= rememberMs) last = { atMs: now, answer: ask() };
    return last.answer;
  };
}
