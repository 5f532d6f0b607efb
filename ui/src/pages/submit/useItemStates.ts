import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { ItemView } from '@/client';
import { batchesItemsOptions, batchesLookOptions } from '@/client/@tanstack/react-query.gen';
import type { Drop, Row } from '@/upload/model';

/** How the jobs of a drop's files stand. Of a very large one only the sums are known: `judged` and `unsuccessful`. */
export interface ItemStates {
  of(row: Row): ItemView | undefined;
  judged: number | null;
  unsuccessful: number | null;
}

// One request tells of so many; of more the batch's own page tells.
const AT_ONCE = 1000;

/** Live: events ask again. It names no paths, so that looking at it is nothing that the audit log must keep. */
export function useItemStates(drop: Drop): ItemStates {
  const path = { batch_id: drop.batch ?? '' };
  const large = drop.rows.length > AT_ONCE;
  const { data: page } = useQuery({
    ...batchesItemsOptions({ path, query: { paths: false, limit: AT_ONCE } }),
    enabled: drop.batch !== null && !large,
  });
  const { data: batch } = useQuery({ ...batchesLookOptions({ path }), enabled: drop.batch !== null && large });
  return useMemo(() => {
    const items = new Map(page?.items.map((item) => [item.position, item]));
    const { succeeded = 0, failed = 0, dead = 0, cancelled = 0, expired = 0 } = batch?.jobs ?? {};
    return {
      of: (row) => (row.sha256 === null ? undefined : items.get(row.position)),
      judged: large ? succeeded : null,
      unsuccessful: large ? failed + dead + cancelled + expired : null,
    };
  }, [page, batch, large]);
}
