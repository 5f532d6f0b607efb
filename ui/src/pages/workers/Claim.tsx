import { Anchor, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { sessionQuery } from '@/auth/session';
import type { WorkerJobView } from '@/client';

const SHOWN = 3;

/** What a worker holds now; jobs of the Site in view can be opened. */
export function Claim({ jobs }: { jobs: WorkerJobView[] }) {
  const { t } = useTranslation('workers');
  const { data: session } = useQuery(sessionQuery);
  if (jobs.length === 0) return <>{t('nothing')}</>;
  const own = jobs.filter(({ site_id }) => site_id === session?.site?.id).slice(0, SHOWN);
  return (
    <>
      {t('jobs', { count: jobs.length })}
      {own.map(({ job_id }) => (
        <Text key={job_id} size="xs" ff="monospace">
          <Anchor inherit renderRoot={(props) => <Link {...props} to="/jobs/$jobId" params={{ jobId: job_id }} />}>
            {job_id}
          </Anchor>
        </Text>
      ))}
    </>
  );
}
