import { useQuery } from '@tanstack/react-query';
import { useAllowed } from '@/auth/allowed';
import type { JobState, JobView } from '@/client';
import { overviewLookOptions } from '@/client/@tanstack/react-query.gen';

const WAITING: readonly JobState[] = ['queued', 'retry_wait'];
// A worker that stops tells nobody: it is asked for again while the job waits.
const REFRESH_MS = 15_000;

/** How many workers would take the job; null where it does not wait, or where that is not known. */
export function useWorkersLeft(job: JobView): number | null {
  const allowed = useAllowed();
  const waits = WAITING.includes(job.state) && allowed('read');
  const { data } = useQuery({ ...overviewLookOptions(), enabled: waits, refetchInterval: REFRESH_MS });
  return waits && data ? Math.max(0, data.workers.alive - data.workers.drained) : null;
}
