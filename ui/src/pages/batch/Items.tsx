import { Badge, Button, CloseButton, Group, Select, Skeleton, Stack, Text, Title } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';
import { batchesItemsOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { ProblemNotice } from '@/components/ProblemNotice';
import { ItemTable } from '@/pages/batch/ItemTable';
import { queryOf, SHOWN, searchOf } from '@/pages/batch/search';
import { usePaths } from '@/pages/batch/usePaths';

const PAGE = 50;
const route = getRouteApi('/inside/batches/$batchId');

/** The files of a batch, in the order of its manifest, by what became of them. */
export function Items({ batch }: { batch: BatchView }) {
  const { t } = useTranslation(['batches', 'shell']);
  const search = searchOf(route.useSearch());
  const navigate = route.useNavigate();
  const query = queryOf(search, PAGE);
  const path = { batch_id: batch.id };
  const { data, error, refetch } = useQuery({
    ...batchesItemsOptions({ path, query: { ...query, paths: false } }),
    placeholderData: keepPreviousData,
  });
  const paths = usePaths(batch.id, query, data?.items);
  const to = (cursor?: string) => ({
    to: '/batches/$batchId' as const,
    params: { batchId: batch.id },
    search: { ...search, cursor },
    hash: 'files',
  });
  return (
    <Stack component="section" gap="sm" id="files" aria-labelledby="files-title">
      <Group justify="space-between">
        <Title order={2} size="h4" id="files-title">
          {t('files_title')}
        </Title>
        <Group gap="xs">
          {search.code !== undefined && (
            <Badge
              size="lg"
              variant="light"
              color="red"
              tt="none"
              rightSection={
                <CloseButton
                  size="sm"
                  aria-label={t('cause.all')}
                  onClick={() => void navigate({ search: { show: search.show } })}
                />
              }
            >
              {search.code}
            </Badge>
          )}
          <Select
            size="xs"
            aria-label={t('show.label')}
            value={search.show ?? 'all'}
            allowDeselect={false}
            data={SHOWN.map((value) => ({ value, label: t(`show.${value}`) }))}
            onChange={(show) => void navigate({ search: show === 'all' ? {} : { show } })}
          />
        </Group>
      </Group>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={300} />}
      {data?.items.length === 0 && <Empty title={t('no_files')} />}
      {data && data.items.length > 0 && <ItemTable items={data.items} paths={paths} />}
      <Group>
        {search.cursor !== undefined && (
          <Button variant="default" size="xs" renderRoot={(props) => <Link {...props} {...to()} />}>
            {t('first')}
          </Button>
        )}
        {data && data.next !== null && (
          <Button variant="default" size="xs" renderRoot={(props) => <Link {...props} {...to(data.next ?? '')} />}>
            {t('shell:next')}
          </Button>
        )}
      </Group>
      <Text size="xs" c="dimmed">
        {t('audited')}
      </Text>
    </Stack>
  );
}
