import { Button, Group } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconPhoto } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { JobView } from '@/client';
import {
  jobsCancelMutation,
  jobsPollQueryKey,
  jobsReleaseMutation,
  jobsRetryMutation,
} from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { invalidateTopics } from '@/live/topics';
import { ACTIVE, UNSUCCESSFUL } from '@/pages/jobs/search';

/** What the signed-in user may do with the job in its state. */
export function JobActions({ job }: { job: JobView }) {
  const { t } = useTranslation('job');
  const allowed = useAllowed();
  const { cancel, retry, release } = useActions(job);
  const path = { job_id: job.id };
  const confirm = (action: 'cancel' | 'release', run: () => void) =>
    modals.openConfirmModal({
      title: t(`ask.${action}`),
      children: t(`ask.${action}_detail`),
      labels: { confirm: t(`do.${action}`), cancel: t('leave') },
      confirmProps: action === 'cancel' ? { color: 'red' } : {},
      onConfirm: run,
    });
  return (
    <Group gap="xs">
      {job.state === 'held' && allowed('admin') && (
        <Button loading={release.isPending} onClick={() => confirm('release', () => release.mutate({ path }))}>
          {t('do.release')}
        </Button>
      )}
      {ACTIVE.includes(job.state) && allowed('submit') && (
        <Button
          color="red"
          variant="light"
          loading={cancel.isPending}
          onClick={() => confirm('cancel', () => cancel.mutate({ path }))}
        >
          {t('do.cancel')}
        </Button>
      )}
      {UNSUCCESSFUL.includes(job.state) && allowed('submit') && (
        <Button loading={retry.isPending} onClick={() => retry.mutate({ path })}>
          {t('do.retry')}
        </Button>
      )}
      <Button
        variant={job.state === 'succeeded' ? 'filled' : 'default'}
        leftSection={<IconPhoto size={16} aria-hidden />}
        renderRoot={(rest) => <Link {...rest} to="/jobs/$jobId/view" params={{ jobId: job.id }} />}
      >
        {t('do.view')}
      </Button>
    </Group>
  );
}

function useActions(job: JobView) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const onError = (error: unknown) => void modals.open({ children: <ProblemNotice error={error} /> });
  const onSuccess = (data: JobView) => {
    queries.setQueryData(jobsPollQueryKey({ path: { job_id: job.id } }), data);
    invalidateTopics(queries, ['jobs']);
  };
  const cancel = useMutation({ ...jobsCancelMutation(), onSuccess, onError });
  const release = useMutation({ ...jobsReleaseMutation(), onSuccess, onError });
  const retry = useMutation({
    ...jobsRetryMutation(),
    onError,
    onSuccess: (made) => {
      invalidateTopics(queries, ['jobs']);
      void navigate({ to: '/jobs/$jobId', params: { jobId: made.id } });
    },
  });
  return { cancel, release, retry };
}
