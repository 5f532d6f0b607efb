import { Button, Group, Skeleton, Stack, Table } from '@mantine/core';
import { IconStack2 } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { batchesListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { BatchRow } from '@/pages/batches/BatchRow';

const PAGE = 20;
const route = getRouteApi('/inside/batches');

/** The Site's batches, newest first, each as it stands now. */
export function BatchesPage() {
  const { t } = useTranslation(['batches', 'shell']);
  const allowed = useAllowed();
  const { cursor } = route.useSearch() as { cursor?: unknown };
  const query = { limit: PAGE, cursor: typeof cursor === 'string' ? cursor : undefined };
  const { data, error, refetch } = useQuery({ ...batchesListingOptions({ query }), placeholderData: keepPreviousData });
  const submit = allowed('submit') && (
    <Button renderRoot={(props) => <Link {...props} to="/submit" />}>{t('submit')}</Button>
  );
  return (
    <Page title={t('title')} actions={submit}>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={320} />}
      {data?.items.length === 0 && (
        <Empty icon={<IconStack2 size={40} aria-hidden />} title={t('empty')}>
          {t('empty_hint')}
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <Stack>
          <Table highlightOnHover verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('column.made')}</Table.Th>
                <Table.Th visibleFrom="sm">{t('column.files')}</Table.Th>
                <Table.Th w="35%">{t('column.progress')}</Table.Th>
                <Table.Th visibleFrom="md">{t('column.rate')}</Table.Th>
                <Table.Th visibleFrom="sm">{t('column.problems')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {data.items.map((batch) => (
                <BatchRow key={batch.id} batch={batch} />
              ))}
            </Table.Tbody>
          </Table>
          <Group>
            {query.cursor !== undefined && (
              <Button variant="default" renderRoot={(props) => <Link {...props} to="/batches" search={{}} />}>
                {t('newest')}
              </Button>
            )}
            {data.next !== null && (
              <Button
                variant="default"
                renderRoot={(props) => <Link {...props} to="/batches" search={{ cursor: data.next }} />}
              >
                {t('older')}
              </Button>
            )}
          </Group>
        </Stack>
      )}
    </Page>
  );
}
