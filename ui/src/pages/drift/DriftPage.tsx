import { Alert, Group, SegmentedControl, Select, SimpleGrid, Skeleton, Stack, Text } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { DriftView } from '@/client';
import { modelsDriftOptions, modelsListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { whole } from '@/components/numbers';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { How } from '@/pages/drift/How';
import { QuantityCard } from '@/pages/drift/QuantityCard';
import { DAYS, type DriftSearch, driftSearch } from '@/pages/drift/search';
import { Verdict } from '@/pages/drift/Verdict';

const ORDER = ['shifted', 'steady', 'few'];

/** Whether live radiographs still look and score like those that a model's limits were set on. */
export function DriftPage() {
  const { t } = useTranslation('drift');
  const search = driftSearch(useSearch({ from: '/inside/admin/drift' }));
  const navigate = useNavigate({ from: '/admin/drift' });
  const operator = useAllowed()('operate');
  const models = useQuery(modelsListingOptions());
  const items = models.data?.items ?? [];
  const chosen =
    items.find(({ id }) => id === search.model) ?? items.find(({ state }) => state === 'active') ?? items[0];
  const days = search.days ?? 30;
  const everywhere = operator && search.everywhere === true;
  const { data, error, refetch } = useQuery({
    ...modelsDriftOptions({ path: { model_id: chosen?.id ?? '' }, query: { days, everywhere } }),
    enabled: chosen !== undefined,
    staleTime: 60_000,
  });
  const go = (change: DriftSearch) => void navigate({ search: { ...search, ...change }, replace: true });
  return (
    <Page title={t('title')}>
      <Text c="dimmed" maw={720}>
        {t('about')}
      </Text>
      {models.error && <ProblemNotice error={models.error} onRetry={() => void models.refetch()} />}
      {models.data && items.length === 0 && <Empty title={t('no_model')} />}
      {chosen && (
        <Group align="flex-end">
          <Select
            label={t('model')}
            value={chosen.id}
            onChange={(model) => go({ model: model ?? undefined })}
            allowDeselect={false}
            data={items.map(({ id, name, version }) => ({ value: id, label: `${name} ${version}` }))}
          />
          <SegmentedControl
            aria-label={t('days')}
            value={String(days)}
            onChange={(value) => go({ days: DAYS.find((known) => String(known) === value) })}
            data={DAYS.map((count) => ({ value: String(count), label: t('last_days', { count }) }))}
          />
          {operator && (
            <SegmentedControl
              aria-label={t('where')}
              value={everywhere ? 'everywhere' : 'here'}
              onChange={(value) => go({ everywhere: value === 'everywhere' || undefined })}
              data={[
                { value: 'here', label: t('here') },
                { value: 'everywhere', label: t('everywhere') },
              ]}
            />
          )}
        </Group>
      )}
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && (models.isPending || chosen) && <Skeleton h={420} />}
      {data && <Found drift={data} days={days} />}
    </Page>
  );
}

function Found({ drift, days }: { drift: DriftView; days: number }) {
  const { t, i18n } = useTranslation('drift');
  if (drift.reference === null) {
    return (
      <Alert color="gray" icon={<IconInfoCircle aria-hidden />} title={t('no_reference')}>
        {t('no_reference_about')}
      </Alert>
    );
  }
  const number = (value: number) => whole(value, i18n.language);
  const sorted = [...drift.quantities].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  return (
    <Stack gap="md">
      <Verdict drift={drift} />
      <Text size="sm" c="dimmed">
        {t('compared', {
          n: number(drift.predictions),
          days,
          reference: number(drift.reference.n),
          split: drift.reference.split,
        })}
      </Text>
      <How drift={drift} />
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        {sorted.map((quantity) => (
          <QuantityCard key={quantity.name} quantity={quantity} recentDays={drift.recent_days} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}
