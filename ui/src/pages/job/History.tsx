import { Card, Skeleton, Text, Timeline, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { JobEventKind, JobView } from '@/client';
import { jobsEventsOptions } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { inWords, Problem } from '@/problem';

const COLORS: Partial<Record<JobEventKind, string>> = {
  succeeded: 'teal',
  failed: 'red',
  died: 'red',
  lease_expired: 'orange',
  retry_scheduled: 'orange',
};

/** What happened to the job, attempt by attempt. */
export function History({ job }: { job: JobView }) {
  const { t } = useTranslation('job');
  const { data, error, refetch } = useQuery(jobsEventsOptions({ path: { job_id: job.id } }));
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="sm">
        {t('history')}
      </Title>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={160} />}
      {data && (
        <Timeline active={data.items.length} bulletSize={14} lineWidth={2}>
          {data.items.map(({ kind, at, code, fence }) => (
            <Timeline.Item key={`${kind} ${at} ${fence}`} color={COLORS[kind] ?? 'blue'} title={t(`event.${kind}`)}>
              <Text size="sm" c="dimmed">
                <Time at={at} exact />
                {fence > 0 && ` · ${t('attempt', { number: fence })}`}
              </Text>
              {code && <Text size="sm">{inWords(new Problem(0, code, code, code))}</Text>}
            </Timeline.Item>
          ))}
        </Timeline>
      )}
    </Card>
  );
}
