import { Alert, Card, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { BatchView } from '@/client';
import { batchesLookOptions } from '@/client/@tanstack/react-query.gen';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { BatchActions } from '@/pages/batch/BatchActions';
import { Causes } from '@/pages/batch/Causes';
import { Counts } from '@/pages/batch/Counts';
import { Items } from '@/pages/batch/Items';
import { Resume } from '@/pages/batch/Resume';
import { BatchProgress } from '@/pages/batches/BatchProgress';
import { Remaining } from '@/pages/batches/Remaining';
import { useSending } from '@/upload/store';

const route = getRouteApi('/inside/batches/$batchId');

/** One batch: how far it is, what went wrong by cause, its files, its results. */
export function BatchPage() {
  const { t } = useTranslation('batches');
  const { batchId } = route.useParams();
  const { data, error, refetch } = useQuery(batchesLookOptions({ path: { batch_id: batchId } }));
  return (
    <Page title={t('one', { count: data?.files ?? 0 })} actions={data && <BatchActions batch={data} />}>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={400} />}
      {data && <Sections batch={data} />}
    </Page>
  );
}

function Sections({ batch }: { batch: BatchView }) {
  const { t } = useTranslation('batches');
  const allowed = useAllowed();
  const sending = useSending(batch.id);
  const waits = batch.state === 'open' && (batch.counts.awaiting ?? 0) > 0;
  return (
    <Stack>
      <Card withBorder>
        <Stack gap="sm">
          <BatchProgress batch={batch} size="xl" />
          {!batch.done && <Remaining batch={batch} />}
          <Counts batch={batch} />
          <Text size="sm" c="dimmed">
            {t('made')} <Time at={batch.created_at} />
            {batch.closed_at !== null && (
              <>
                {' · '}
                {t('closed')} <Time at={batch.closed_at} />
              </>
            )}
          </Text>
        </Stack>
      </Card>
      {waits && !sending && allowed('submit') && <Resume batch={batch} />}
      {batch.state === 'open' && !waits && !sending && (
        <Alert variant="default" title={t('unended')}>
          {t('unended_detail')}
        </Alert>
      )}
      {batch.failures.length > 0 && <Causes batch={batch} />}
      <Items batch={batch} />
    </Stack>
  );
}
