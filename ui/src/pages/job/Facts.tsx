import { Anchor, Card, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { jobsListingOptions } from '@/client/@tanstack/react-query.gen';
import { Priority } from '@/components/Priority';
import { StateBadge } from '@/components/StateBadge';
import { Time } from '@/components/Time';

/** Where it came from, when, and what else there is of it. */
export function Facts({ job }: { job: JobView }) {
  const { t } = useTranslation('job');
  return (
    <Card withBorder component="section" aria-label={t('facts')}>
      <SimpleGrid component="dl" cols={{ base: 1, xs: 2, md: 3 }} spacing="sm" m={0}>
        <Fact name={t('fact.state')}>
          <StateBadge state={job.state} />
        </Fact>
        <Fact name={t('fact.created')}>
          <Time at={job.created_at} />
        </Fact>
        <Fact name={t('fact.started')}>
          <Time at={job.started_at} />
        </Fact>
        <Fact name={t('fact.finished')}>
          <Time at={job.finished_at} />
        </Fact>
        <Fact name={t('fact.attempts')}>
          {t('attempts', { attempt: job.attempt, of: job.max_attempts })}
          {job.crash_count > 0 && `, ${t('crashes', { count: job.crash_count })}`}
        </Fact>
        <Fact name={t('fact.priority')}>
          <Priority value={job.priority} />
        </Fact>
        <Fact name={t('fact.image')}>
          {job.image.columns} × {job.image.rows}, {job.image.media_kind.toUpperCase()}
        </Fact>
        {job.image.study_id && (
          <Fact name={t('fact.study')}>
            <Anchor
              inherit
              renderRoot={(rest) => (
                <Link {...rest} to="/studies/$studyId" params={{ studyId: job.image.study_id ?? '' }} />
              )}
            >
              {t('open_study')}
            </Anchor>
          </Fact>
        )}
        <Fact name={t('fact.same')}>
          <Anchor inherit renderRoot={(rest) => <Link {...rest} to="/jobs" search={{ text: job.image.id }} />}>
            {t('open_same')}
          </Anchor>
        </Fact>
        {job.replay_of && (
          <Fact name={t('fact.replay_of')}>
            <JobLink id={job.replay_of} />
          </Fact>
        )}
        <Retries job={job} />
        <Fact name={t('fact.id')}>
          <Text span inherit ff="monospace" size="xs">
            {job.id}
          </Text>
        </Fact>
      </SimpleGrid>
    </Card>
  );
}

/** The jobs that repeat this one. */
function Retries({ job }: { job: JobView }) {
  const { t } = useTranslation('job');
  const { data } = useQuery({
    ...jobsListingOptions({ query: { replay_of: job.id, limit: 5 } }),
    enabled: job.state !== 'succeeded',
  });
  if (!data?.items.length) return null;
  return (
    <Fact name={t('fact.retried')}>
      <Stack gap={2}>
        {data.items.map((later) => (
          <JobLink key={later.id} id={later.id} />
        ))}
      </Stack>
    </Fact>
  );
}

function JobLink({ id }: { id: string }) {
  return (
    <Anchor inherit ff="monospace" renderRoot={(rest) => <Link {...rest} to="/jobs/$jobId" params={{ jobId: id }} />}>
      {id.slice(0, 18)}
    </Anchor>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <Text component="dt" size="xs" c="dimmed">
        {name}
      </Text>
      <Text component="dd" size="sm" m={0}>
        {children}
      </Text>
    </div>
  );
}
