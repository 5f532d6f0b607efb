import { Button, Group, Skeleton, Stack, Text } from '@mantine/core';
import { IconDownload, IconPhoto } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { jobsListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Count } from '@/pages/jobs/Count';
import { Filters } from '@/pages/jobs/Filters';
import { JobList } from '@/pages/jobs/JobList';
import { Pager } from '@/pages/jobs/Pager';
import { asParameters, asQuery, type JobFilters, type JobSearch, readSearch, stripped } from '@/pages/jobs/search';

// Its menu comes for those alone who may use it.
const BulkBar = lazy(() => import('@/pages/jobs/BulkBar'));

const route = getRouteApi('/inside/jobs');
const PAGE = 50;

/** All jobs of the Site, newest first, as they change; the address has the filters. */
export function JobsPage() {
  const { t } = useTranslation('jobs');
  const allowed = useAllowed();
  const search = readSearch(route.useSearch());
  const { cursor, ...filters } = search;
  const navigate = route.useNavigate();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const parameters = asParameters(filters);
  const { data, error, refetch, isPlaceholderData } = useQuery({
    ...jobsListingOptions({ query: { ...asQuery(filters), cursor, limit: PAGE } }),
    placeholderData: keepPreviousData,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list, another choice
  useEffect(() => setSelected(new Set()), [parameters]);
  const go = useCallback((next: JobSearch) => void navigate({ search: stripped(next) as never }), [navigate]);
  const change = useCallback(
    (next: JobFilters) => void navigate({ search: stripped(next) as never, replace: true }),
    [navigate],
  );
  const filtered = parameters !== '';
  return (
    <Page
      title={t('title')}
      actions={
        <Button
          component="a"
          href={`/v1/jobs.csv${filtered ? `?${parameters}` : ''}`}
          download="jobs.csv"
          variant="default"
          leftSection={<IconDownload size={16} aria-hidden />}
        >
          {t('csv')}
        </Button>
      }
    >
      <Filters filters={filters} onChange={change} />
      <Group justify="space-between">
        <Count filters={filters} />
        {allowed('submit') && (
          <Suspense fallback={<Skeleton width={220} height={30} />}>
            <BulkBar filters={filters} selected={selected} onDone={() => setSelected(new Set())} />
          </Suspense>
        )}
      </Group>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={600} />}
      {data && data.items.length === 0 && (
        <Empty icon={<IconPhoto size={40} aria-hidden />} title={t(filtered ? 'none_matching' : 'none')}>
          {filtered ? (
            <Button variant="default" onClick={() => go({})}>
              {t('clear')}
            </Button>
          ) : (
            allowed('submit') && (
              <Button component={Link} to="/submit">
                {t('submit')}
              </Button>
            )
          )}
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <Stack gap="sm" aria-busy={isPlaceholderData}>
          <JobList jobs={data.items} selected={selected} onSelect={setSelected} selectable={allowed('submit')} />
          <Text size="xs" c="dimmed" visibleFrom="sm">
            {t('keys')}
          </Text>
          <Pager cursor={cursor} next={data.next} onGo={(to) => go({ ...filters, cursor: to })} />
        </Stack>
      )}
    </Page>
  );
}
