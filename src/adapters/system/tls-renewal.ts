import { isProblem, type Problem } from '../../core/problem.ts';
import type { Millis } from '../../core/vocabulary.ts';
import type { TlsPair } from '../../http/tls.ts';
import { readTlsFiles, timeText, type TlsCertificate, type TlsFiles } from './tls-files.ts';

/** A certificate of which less than this part of its life is left should have been renewed. */
const lateShare = 0.1;

export type TlsRenewal = {
  /** Reads the files. A pair that is new and good is served with from now on, else the one in use. */
  look(): Promise<void>;
  /** What a person should know of the pair, as of the last look. */
  notices(): readonly string[];
};

/** Follows the pair in its files, so that a renewed certificate needs no restart. */
export function createTlsRenewal(options: {
  readonly files: TlsFiles;
  /** What is served with at first. */
  readonly first: TlsCertificate;
  readonly use: (pair: TlsPair) => void;
  readonly nowMs: () => Millis;
  readonly onRenewed: (certificate: TlsCertificate) => void;
  /** Told once for each new reason. */
  readonly onRefused: (problem: Problem) => void;
}): TlsRenewal {
  const { files, first, use, nowMs, onRenewed, onRefused } = options;
  let inUse = first;
  let refused: string | undefined;

  async function look(): Promise<void> {
    try {
      const found = await readTlsFiles(files, nowMs());
      refused = undefined;
      if (found.cert === inUse.cert && found.key === inUse.key) return;
      use(found);
      inUse = found;
      onRenewed(found);
    } catch (error) {
      if (!isProblem(error)) throw error;
      if (refused !== error.message) onRefused(error);
      refused = error.message;
    }
  }

  function notices(): readonly string[] {
    const { beginsAtMs, endsAtMs } = inUse;
    const isLate = endsAtMs - nowMs() < (endsAtMs - beginsAtMs) * lateShare;
    if (refused === undefined && !isLate) return [];
    const verb = nowMs() > endsAtMs ? 'ended' : 'ends';
    return [
      ...(refused === undefined ? [] : [refused]),
      `The certificate in use ${verb} at ${timeText(endsAtMs)}: have it renewed.`,
    ];
  }

  return { look, notices };
}
