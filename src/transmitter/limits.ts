import type { Seconds } from '../core/vocabulary.ts';

export const streamsPerReceiverMax = 16;
export const subjectsPerStreamMax = 100_000;
/** UTF-8 bytes of one listed subject, as canonical JSON. */
export const listedSubjectBytesMax = 4_096;
/** UTF-8 bytes of all that a stream lists: every node keeps them in memory, in about three times as many. */
export const subjectBytesPerStreamMax = 32 * 1_048_576;
/**
 * Combinations of members that the complex subjects of one stream have, such as user and tenant. Each event is looked up once
 * for each of them.
 */
export const subjectShapesPerStreamMax = 64;
export const eventsRequestedMax = 200;
/** UTF-16 code units of the URI of an event type. */
export const eventUriMax = 512;
export const endpointUrlMax = 2_048;
export const authorizationMax = 4_096;
/** What is longer is cut: SSF 1.0 §8.1.1 lets the transmitter. */
export const descriptionMax = 1_000;
export const reasonMax = 500;
/** UTF-16 code units. */
export const verificationStateMax = 1_024;
export const minVerificationIntervalDefault: Seconds = 30;
/** What the receiver did within so long is not written down again. */
export const activityLagMs = 5_000;
