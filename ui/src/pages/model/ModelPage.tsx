import { Alert, Group, Skeleton, Stack, Tabs, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { modelsOneOptions } from '@/client/@tanstack/react-query.gen';
import { ModelStateBadge } from '@/components/ModelStateBadge';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Card } from '@/pages/model/Card';
import { Feedback } from '@/pages/model/Feedback';
import { Figures } from '@/pages/model/Figures';
import { History } from '@/pages/model/History';
import { Moves } from '@/pages/model/Moves';
import { ShadowReport } from '@/pages/model/ShadowReport';
import { modelSearch, TABS, type Tab } from '@/pages/model/search';

/** One model: what was measured of it, what its card says, how it does with live images, and what was done with it. */
export function ModelPage() {
  const { t } = useTranslation('models');
  const { modelId } = useParams({ from: '/inside/admin/models/$modelId' });
  const search = modelSearch(useSearch({ from: '/inside/admin/models/$modelId' }));
  const navigate = useNavigate({ from: '/admin/models/$modelId' });
  const { data: model, error, refetch } = useQuery(modelsOneOptions({ path: { model_id: modelId } }));
  if (error) {
    return (
      <Page title={t('one')}>
        <ProblemNotice error={error} onRetry={() => void refetch()} />
      </Page>
    );
  }
  if (!model) {
    return (
      <Page title={t('one')}>
        <Skeleton h={40} />
        <Skeleton h={360} />
      </Page>
    );
  }
  return (
    <Page title={`${model.name} ${model.version}`} actions={<Moves model={model} />}>
      <Group gap="sm">
        <ModelStateBadge state={model.state} share={model.shadow_share} />
        <Text size="sm" c="dimmed">
          {t('used', { count: model.predictions })} · {t('workers', { count: model.workers })}
        </Text>
      </Group>
      {model.failing.length > 0 && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t('failing')}>
          {model.failing.join(', ')}
        </Alert>
      )}
      <Tabs
        value={search.tab ?? 'figures'}
        onChange={(tab) => void navigate({ search: { ...search, tab: tab as Tab }, replace: true })}
        keepMounted={false}
      >
        <Tabs.List>
          {TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab}>
              {t(`tabs.${tab}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="figures" pt="md">
          <Figures
            model={model}
            split={search.split}
            onSplit={(split) => void navigate({ search: { ...search, split }, replace: true })}
          />
        </Tabs.Panel>
        <Tabs.Panel value="card" pt="md">
          <Card model={model} />
        </Tabs.Panel>
        <Tabs.Panel value="live" pt="md">
          <Stack gap="xl">
            <Feedback model={model} />
            <ShadowReport model={model} />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History modelId={model.id} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
