import { Anchor, Badge, Group, Skeleton, Table, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { BatchItemState, ItemView } from '@/client';
import { Bytes } from '@/components/Bytes';
import { Decision } from '@/components/Decision';
import { StateBadge } from '@/components/StateBadge';
import { WideTable } from '@/components/WideTable';
import classes from '@/pages/batch/ItemTable.module.css';
import { inWords, Problem } from '@/problem';

const COLORS: Record<BatchItemState, string> = { awaiting: 'gray', job: 'gray', duplicate: 'blue', rejected: 'red' };

interface ItemTableProps {
  items: ItemView[];
  /** By position; undefined while they are on their way. */
  paths: Map<number, string | null> | undefined;
}

export function ItemTable({ items, paths }: ItemTableProps) {
  const { t } = useTranslation('batches');
  return (
    <WideTable label={t('files_title')} minWidth={600} stacked>
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('item.file')}</Table.Th>
            <Table.Th>{t('item.size')}</Table.Th>
            <Table.Th>{t('item.state')}</Table.Th>
            <Table.Th>{t('item.result')}</Table.Th>
            <Table.Th>{t('item.job')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((item) => (
            <ItemRow key={item.position} item={item} path={paths?.get(item.position)} />
          ))}
        </Table.Tbody>
      </Table>
    </WideTable>
  );
}

function ItemRow({ item, path }: { item: ItemView; path: string | null | undefined }) {
  const { t } = useTranslation('batches');
  const { state, job, job_state: jobState, code, title, detail, result } = item;
  return (
    <Table.Tr data-state={state} data-job-state={jobState ?? undefined}>
      <Table.Td className={classes.file} data-label={t('item.file')}>
        {path ?? <Skeleton height={14} width="60%" />}
        {code !== null && (
          <Text size="sm">{inWords(new Problem(422, code, title ?? code, detail ?? title ?? ''))}</Text>
        )}
      </Table.Td>
      <Table.Td data-label={t('item.size')}>{item.size !== null && <Bytes count={item.size} />}</Table.Td>
      <Table.Td data-label={t('item.state')}>
        <Group gap={4}>
          {(state !== 'job' || jobState === null) && (
            <Badge color={COLORS[state]} variant="light" tt="none">
              {t(`item_state.${state}`)}
            </Badge>
          )}
          {jobState !== null && <StateBadge state={jobState} />}
        </Group>
      </Table.Td>
      <Table.Td data-label={t('item.result')}>{result !== null && <Decision result={result} wrap />}</Table.Td>
      <Table.Td data-label={t('item.job')}>
        {job !== null && (
          <Anchor
            size="sm"
            aria-label={t('item.open_named', { name: path ?? item.position + 1 })}
            renderRoot={(props) => <Link {...props} to="/jobs/$jobId" params={{ jobId: job }} />}
          >
            {t('item.open')}
          </Anchor>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
