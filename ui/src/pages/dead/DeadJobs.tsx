import { Anchor, Button, Group, Modal, Skeleton, Stack, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconPhoto, IconRepeat } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { JobView } from '@/client';
import { jobsListingOptions, jobsRetryMutation } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { invalidateTopics } from '@/live/topics';
import { InputPreview } from '@/pages/dead/InputPreview';
import { asQuery, type JobFilters } from '@/pages/jobs/search';

const SHOWN = 10;

/** The newest jobs of a cause: each can be looked at and run again. */
export function DeadJobs({ filter }: { filter: JobFilters }) {
  const { t } = useTranslation('dead');
  const [looked, setLooked] = useState<JobView | null>(null);
  const { data, error, refetch } = useQuery(jobsListingOptions({ query: { ...asQuery(filter), limit: SHOWN } }));
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton height={160} />;
  return (
    <Stack gap="xs" component="ul" p={0} m={0}>
      {data.items.map((job) => (
        <DeadJob key={job.id} job={job} onLook={() => setLooked(job)} />
      ))}
      <Modal opened={looked !== null} onClose={() => setLooked(null)} title={t('input')} size="lg">
        {looked && <InputPreview job={looked} />}
      </Modal>
    </Stack>
  );
}

function DeadJob({ job, onLook }: { job: JobView; onLook: () => void }) {
  const { t } = useTranslation('dead');
  const allowed = useAllowed();
  const queries = useQueryClient();
  const replay = useMutation({
    ...jobsRetryMutation(),
    onError: (error) => void modals.open({ children: <ProblemNotice error={error} /> }),
    onSettled: () => invalidateTopics(queries, ['jobs']),
  });
  const { image } = job;
  return (
    <Group component="li" justify="space-between" gap="xs" data-job={job.id}>
      <Stack gap={0}>
        <Anchor
          ff="monospace"
          size="sm"
          renderRoot={(rest) => <Link {...rest} to="/jobs/$jobId" params={{ jobId: job.id }} />}
        >
          {job.id.slice(0, 18)}
        </Anchor>
        <Text size="xs" c="dimmed">
          <Time at={job.finished_at} /> · {image.columns} × {image.rows} {image.media_kind.toUpperCase()} ·{' '}
          {t('attempts', { count: job.attempt })}
          {job.crash_count > 0 && ` · ${t('crashes', { count: job.crash_count })}`}
        </Text>
      </Stack>
      <Group gap="xs">
        <Button size="xs" variant="default" leftSection={<IconPhoto size={14} aria-hidden />} onClick={onLook}>
          {t('look')}
        </Button>
        {allowed('submit') && (
          <Button
            size="xs"
            variant="default"
            loading={replay.isPending}
            leftSection={<IconRepeat size={14} aria-hidden />}
            onClick={() => replay.mutate({ path: { job_id: job.id } })}
          >
            {t('replay')}
          </Button>
        )}
      </Group>
    </Group>
  );
}
