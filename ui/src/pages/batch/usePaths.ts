import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { batchesItems, type ItemView } from '@/client';
import type { queryOf } from '@/pages/batch/search';

/**
 * The names of the listed files, by position. Each time that they are looked at is written to the audit log, so that they are
 * asked for once a list and not with every event.
 */
export function usePaths(batch: string, query: ReturnType<typeof queryOf>, items: ItemView[] | undefined) {
  const positions = items?.map(({ position }) => position) ?? [];
  const { data } = useQuery({
    queryKey: ['paths', batch, query, positions],
    enabled: positions.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const { data: page } = await batchesItems({ path: { batch_id: batch }, query, signal, throwOnError: true });
      return new Map(page.items.map(({ position, path }) => [position, path]));
    },
  });
  return data;
}
