/** Hooks of one hub: all of them are kept in memory. */
export const hooksMax = 200;
/** The largest body that a hook takes. */
export const hookBodyBytesMax = 1_048_576;
/** Signals that one body may become. */
export const signalsMax = 100;
/** UTF-16 code units of a mapping. */
export const mappingCharactersMax = 16_384;
/** UTF-8 bytes of what a mapping gives. */
export const mappedBytesMax = 262_144;
/** Wall-clock time of one evaluation: what takes longer is ended, and its thread with it. */
export const mappingMsMax = 1_000;
/** How long a body waits for its turn: senders want their answer within three seconds. */
export const mappingWaitMsMax = 1_500;
/** Bodies that wait to be mapped, all hooks together. */
export const mappingsWaitingMax = 200;
/** Secrets that are good at one time: the newest and the one before it. */
export const secretsMax = 2;
/** How far the time of a signed request may be from ours, seconds, unless the hook says otherwise. */
export const toleranceSecondsDefault = 300;
/** Without an id of the sender's own the same bytes are the same delivery for so long. */
export const sameBodyMs = 600_000;
