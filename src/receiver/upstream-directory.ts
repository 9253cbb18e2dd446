import type { UpstreamId } from '../core/vocabulary.ts';
import type { FollowedRows } from '../pipeline/ports.ts';
import type { Upstream } from './ports.ts';

/** This node's view of the upstreams there are, with the limits of their sources. */
export type UpstreamDirectory = Pick<FollowedRows<Upstream>, 'all' | 'onRead'> & {
  byId(id: UpstreamId): Upstream | undefined;
};

export function createUpstreamDirectory({
  all,
  onRead,
}: Pick<FollowedRows<Upstream>, 'all' | 'onRead'>): UpstreamDirectory {
  let known: ReadonlyMap<UpstreamId, Upstream>;
  const take = () => void (known = new Map(all().map((upstream) => [upstream.id, upstream])));
  take();
  onRead(take);
  return { all, onRead, byId: (id) => known.get(id) };
}
