/** Whether the sender of `If-None-Match` has what the tag stands for, by the weak comparison. @see RFC 9110 §13.1.2 */
export const matchesEtag = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch !== undefined &&
  ifNoneMatch.split(',').some((item) => item.trim() === '*' || bare(item.trim()) === bare(etag));

const bare = (etag: string): string => etag.replace(/^W\//, '');
