import { SegmentedControl, Skeleton, Stack, Text } from '@mantine/core';
import { IconMoodCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { jobsCausesOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { CauseCard } from '@/pages/dead/CauseCard';
import { readSearch, statesOf } from '@/pages/dead/search';

const route = getRouteApi('/inside/admin/dead');

/** What ended without a result and was not retried, by its cause; one or all of a cause are run again. */
export function DeadPage() {
  const { t } = useTranslation('dead');
  const search = readSearch(route.useSearch());
  const navigate = route.useNavigate();
  const query = { state: statesOf(search), replayed: false };
  const { data, error, refetch } = useQuery(jobsCausesOptions({ query }));
  return (
    <Page
      title={t('title')}
      actions={
        <SegmentedControl
          aria-label={t('which')}
          data={[
            { value: 'dead', label: t('dead') },
            { value: 'all', label: t('all') },
          ]}
          value={search.all ? 'all' : 'dead'}
          onChange={(value) => void navigate({ search: (value === 'all' ? { all: true } : {}) as never })}
        />
      }
    >
      <Text size="sm" c="dimmed" maw={720}>
        {t('about')}
      </Text>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={320} />}
      {data && data.items.length === 0 && <Empty icon={<IconMoodCheck size={40} aria-hidden />} title={t('none')} />}
      <Stack>
        {data?.items.map((cause) => (
          <CauseCard key={`${cause.state} ${cause.code}`} cause={cause} />
        ))}
      </Stack>
    </Page>
  );
}
