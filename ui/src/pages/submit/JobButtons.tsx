import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { jobsCancelMutation, jobsPollQueryKey, jobsRetryMutation } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { queryClient } from '@/queries';
import type { Row } from '@/upload/model';
import { touch } from '@/upload/store';

const WAITING = new Set(['held', 'queued', 'retry_wait', 'running']);
const AGAIN = new Set(['failed', 'dead', 'cancelled', 'expired']);

/** Take a job back while it has no result; run one again that will have none. */
export function JobButtons({ row, job }: { row: Row; job: JobView }) {
  const { t } = useTranslation(['submit', 'shell']);
  const path = { job_id: job.id };
  const cancel = useMutation({
    ...jobsCancelMutation(),
    onSuccess: (now) => queryClient.setQueryData(jobsPollQueryKey({ path }), now),
  });
  const again = useMutation({
    ...jobsRetryMutation(),
    onSuccess: (made) => {
      row.job = made.id;
      touch();
    },
  });
  const error = cancel.error ?? again.error;
  return (
    <>
      {error && <ProblemNotice error={error} />}
      {WAITING.has(job.state) && (
        <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate({ path })}>
          {t('shell:cancel')}
        </Button>
      )}
      {AGAIN.has(job.state) && (
        <Button variant="default" loading={again.isPending} onClick={() => again.mutate({ path })}>
          {t('again')}
        </Button>
      )}
    </>
  );
}
