import type { JobState } from '@/client';

/** Whether the list has jobs that failed for good or ran out of time as well, not the dead alone. */
export interface DeadSearch {
  all?: boolean;
}

export const readSearch = (search: Record<string, unknown>): DeadSearch => (search.all === true ? { all: true } : {});

export const statesOf = ({ all }: DeadSearch): JobState[] => (all ? ['dead', 'failed', 'expired'] : ['dead']);
