import type { CallFailure, UpstreamStep } from './ports.ts';

/** A step that came to nothing though every call was answered. */
export const failed = (step: UpstreamStep, text: string): CallFailure => ({ kind: 'failed', step, text });
