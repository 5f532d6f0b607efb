import '@mantine/charts/styles.layer.css';
import { SegmentedControl, SimpleGrid, Skeleton, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { OverviewView } from '@/client';
import { overviewLookAtPlatformOptions, overviewLookOptions } from '@/client/@tanstack/react-query.gen';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Figures } from '@/pages/overview/Figures';
import { Phases } from '@/pages/overview/Phases';
import { Queue } from '@/pages/overview/Queue';
import { Servers } from '@/pages/overview/Servers';
import { type Of, ofSearch } from '@/pages/overview/search';

const History = lazy(() => import('@/pages/overview/History'));

// Waiting times grow and servers fail without any event; everything else comes by events.
const REFRESH_MS = 15_000;
const HALVES = { base: 1, md: 2 };

/** The place at one glance: of the Site, and for operators of the platform. */
export function OverviewPage() {
  const { t } = useTranslation('overview');
  const allowed = useAllowed();
  const navigate = useNavigate();
  const wanted = ofSearch(useSearch({ strict: false }));
  const of: Of = allowed('operate') && (wanted === 'platform' || !allowed('read')) ? 'platform' : 'site';
  const site = useQuery({ ...overviewLookOptions(), refetchInterval: REFRESH_MS, enabled: of === 'site' });
  const platform = useQuery({
    ...overviewLookAtPlatformOptions(),
    refetchInterval: REFRESH_MS,
    enabled: of === 'platform',
  });
  const { data, error, refetch } = of === 'site' ? site : platform;
  return (
    <Page
      title={t('title')}
      actions={
        allowed('operate') &&
        allowed('read') && (
          <SegmentedControl
            aria-label={t('of.label')}
            value={of}
            onChange={(value) => void navigate({ to: '/admin/overview', search: { of: value } })}
            data={[
              { value: 'site', label: t('of.site') },
              { value: 'platform', label: t('of.platform') },
            ]}
          />
        )
      }
    >
      {error !== null && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {data !== undefined ? <Panels overview={data} /> : error === null && <Loading />}
    </Page>
  );
}

function Panels({ overview }: { overview: OverviewView }) {
  return (
    <Stack gap="md">
      <Figures overview={overview} />
      <Suspense fallback={<Skeleton height={330} />}>
        <History quarters={overview.history} />
      </Suspense>
      <SimpleGrid cols={HALVES}>
        <Queue overview={overview} />
        <Phases overview={overview} />
      </SimpleGrid>
      <Servers overview={overview} />
    </Stack>
  );
}

function Loading() {
  return (
    <Stack gap="md" aria-hidden>
      <Skeleton height={200} />
      <Skeleton height={330} />
      <SimpleGrid cols={HALVES}>
        <Skeleton height={220} />
        <Skeleton height={220} />
      </SimpleGrid>
    </Stack>
  );
}
