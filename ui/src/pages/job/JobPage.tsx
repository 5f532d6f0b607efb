import { Alert, Skeleton, Stack } from '@mantine/core';
import { IconHourglass, IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { jobsPollOptions } from '@/client/@tanstack/react-query.gen';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Deliveries } from '@/pages/job/Deliveries';
import { Downloads } from '@/pages/job/Downloads';
import { Facts } from '@/pages/job/Facts';
import { History } from '@/pages/job/History';
import { JobActions } from '@/pages/job/JobActions';
import { Result } from '@/pages/job/Result';
import { useWorkersLeft } from '@/pages/job/useWorkersLeft';
import { inWords, Problem } from '@/problem';

const route = getRouteApi('/inside/jobs/$jobId');

/** One job: its result at a glance, or why there is none; how it came about; what can be done with it. */
export function JobPage() {
  const { t } = useTranslation('job');
  const { jobId } = route.useParams();
  const { data: job, error, refetch } = useQuery(jobsPollOptions({ path: { job_id: jobId } }));
  return (
    <Page title={t('one', { id: jobId.slice(0, 18) })} actions={job && <JobActions job={job} />}>
      {error && !job && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!job && !error && <Skeleton height={480} />}
      {job && (
        <Stack data-state={job.state}>
          <Situation job={job} />
          {job.state === 'succeeded' && <Result job={job} />}
          {job.state === 'succeeded' && <Downloads job={job} />}
          <Facts job={job} />
          <History job={job} />
          <Deliveries job={job} />
        </Stack>
      )}
    </Page>
  );
}

/** The state in words, and what follows from it. */
function Situation({ job }: { job: JobView }) {
  const { t } = useTranslation(['job', 'words']);
  const alone = useWorkersLeft(job) === 0;
  if (job.problem) {
    const { status, code, title, detail } = job.problem;
    return (
      <Alert color="red" variant="light" title={t(`words:state.${job.state}`)} role="status">
        {inWords(new Problem(status, code, title, detail))} <code>{code}</code>
      </Alert>
    );
  }
  if (job.state === 'succeeded') return null;
  const held = job.state === 'held';
  return (
    <Alert
      color={held ? 'yellow' : 'gray'}
      variant="light"
      role="status"
      icon={held ? <IconLock aria-hidden /> : <IconHourglass aria-hidden />}
      title={t(`words:state.${job.state}`)}
    >
      {t(`situation.${job.state}`, { attempt: job.attempt, of: job.max_attempts })}
      {alone && <div data-no-worker>{t('no_worker')}</div>}
    </Alert>
  );
}
