import { SimpleGrid, Skeleton, Text } from '@mantine/core';
import { IconCpuOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { workersListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { WorkerCard } from '@/pages/workers/WorkerCard';

// Heartbeats are no events: a worker falls silent without any.
const REFRESH_MS = 10_000;
const COLUMNS = { base: 1, md: 2, xl: 3 };

/** Who works for the platform, at what, and what operators want of them. */
export function WorkersPage() {
  const { t } = useTranslation('workers');
  const { data, error, refetch, isPending } = useQuery({ ...workersListingOptions(), refetchInterval: REFRESH_MS });
  return (
    <Page title={t('title')}>
      <Text c="dimmed" size="sm">
        {t('lead')}
      </Text>
      {error !== null && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {data?.items.length === 0 && (
        <Empty icon={<IconCpuOff size={40} aria-hidden />} title={t('empty')}>
          <Text c="dimmed" ta="center">
            {t('empty_hint')}
          </Text>
        </Empty>
      )}
      <SimpleGrid cols={COLUMNS}>
        {data?.items.map((worker) => (
          <WorkerCard key={worker.name} worker={worker} />
        ))}
        {isPending && [1, 2].map((number) => <Skeleton key={number} height={300} />)}
      </SimpleGrid>
    </Page>
  );
}
