import { Alert, Anchor, Card, Group, SimpleGrid, Skeleton, Stack, Text } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { ModelState } from '@/client';
import { modelsListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { ModelCard } from '@/pages/models/ModelCard';

const ORDER: ModelState[] = ['active', 'shadow', 'candidate', 'retired'];

/** Every registered model: the one that serves first, then shadows, candidates, and what served before. */
export function ModelsPage() {
  const { t } = useTranslation('models');
  const { data, error, isPending, refetch } = useQuery(modelsListingOptions());
  const allowed = useAllowed();
  const models = [...(data?.items ?? [])].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  const drift = allowed('admin') && (
    <Anchor size="sm" renderRoot={(props) => <Link {...props} to="/admin/drift" />}>
      {t('to_drift')}
    </Anchor>
  );
  return (
    <Page title={t('title')} actions={drift}>
      <Text c="dimmed" maw={720}>
        {t('about')}
      </Text>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {data && !models.some(({ state }) => state === 'active') && models.length > 0 && (
        <Alert color="orange" icon={<IconInfoCircle aria-hidden />} title={t('none_active')}>
          {t('none_active_about')}
        </Alert>
      )}
      {data && models.length === 0 && (
        <Empty title={t('empty')}>
          <Text c="dimmed">{t('empty_about')}</Text>
        </Empty>
      )}
      {isPending ? (
        <Waiting />
      ) : (
        <SimpleGrid cols={{ base: 1, md: 2 }}>
          {models.map((model) => (
            <ModelCard key={model.id} model={model} />
          ))}
        </SimpleGrid>
      )}
    </Page>
  );
}

function Waiting() {
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      {[0, 1].map((index) => (
        <Card key={index} withBorder>
          <Stack>
            <Group justify="space-between">
              <Skeleton h={24} w={160} />
              <Skeleton h={24} w={80} />
            </Group>
            <Skeleton h={110} />
          </Stack>
        </Card>
      ))}
    </SimpleGrid>
  );
}
