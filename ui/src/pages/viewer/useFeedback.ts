import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Verdict } from '@/client';
import {
  feedbackGiveMutation,
  feedbackOfJobOptions,
  feedbackOfJobQueryKey,
  feedbackWithdrawMutation,
} from '@/client/@tanstack/react-query.gen';

export interface Giving {
  give: (verdict: Verdict, comment: string) => void;
  /** As before, with the comment that is kept already. */
  say: (verdict: Verdict) => void;
  withdraw: () => void;
  pending: boolean;
  error: unknown;
}

/** Says something of one Finding; null where there is none. */
export function useFeedback(jobId: string, label: string | null): Giving {
  const queries = useQueryClient();
  const of = { path: { job_id: jobId } };
  const { data } = useQuery(feedbackOfJobOptions(of));
  const give = useMutation({
    ...feedbackGiveMutation(),
    onSuccess: (items) => queries.setQueryData(feedbackOfJobQueryKey(of), items),
  });
  const withdraw = useMutation({
    ...feedbackWithdrawMutation(),
    onSuccess: () => queries.invalidateQueries({ queryKey: feedbackOfJobQueryKey(of) }),
  });
  const path = { job_id: jobId, label: label ?? '' };
  const put = (verdict: Verdict, comment: string) => {
    if (label !== null) give.mutate({ path, body: { verdict, comment: comment.trim() || null } });
  };
  const kept = data?.items.find((one) => one.mine && one.label === label)?.comment ?? '';
  return {
    give: put,
    say: (verdict) => put(verdict, kept),
    withdraw: () => withdraw.mutate({ path }),
    pending: give.isPending || withdraw.isPending,
    error: give.error ?? withdraw.error,
  };
}
