import type { BatchItemState, JobState } from '@/client';

/** Which files the page lists. */
export const SHOWN = ['all', 'judged', 'work', 'awaiting', 'duplicate', 'rejected', 'unsuccessful'] as const;
export type Shown = (typeof SHOWN)[number];

export interface BatchSearch {
  show?: Shown;
  code?: string;
  cursor?: string;
}

const FILTERS: Record<Shown, { state?: BatchItemState[]; job_state?: JobState[] }> = {
  all: {},
  judged: { state: ['job'], job_state: ['succeeded'] },
  work: { state: ['job'], job_state: ['held', 'queued', 'running', 'retry_wait'] },
  awaiting: { state: ['awaiting'] },
  duplicate: { state: ['duplicate'] },
  rejected: { state: ['rejected'] },
  unsuccessful: { state: ['job'], job_state: ['failed', 'dead', 'cancelled', 'expired'] },
};

/** What of the address means something here. */
export function searchOf(raw: Record<string, unknown>): BatchSearch {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const code = text(raw.code);
  return {
    show: SHOWN.find((one) => one === raw.show),
    code: code && /^[a-z0-9_]{1,100}$/.test(code) ? code : undefined,
    cursor: text(raw.cursor),
  };
}

export const queryOf = ({ show, code, cursor }: BatchSearch, limit: number) => ({
  ...FILTERS[show ?? 'all'],
  code,
  cursor,
  limit,
});
