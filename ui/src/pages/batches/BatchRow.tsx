import { Anchor, Badge, Skeleton, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { BatchSummary } from '@/client';
import { batchesLookOptions } from '@/client/@tanstack/react-query.gen';
import { Time } from '@/components/Time';
import { BatchProgress } from '@/pages/batches/BatchProgress';
import { Overall, Remaining } from '@/pages/batches/Remaining';

/** One batch of the list. It asks for its own counts, so that an event about one asks again for one. */
export function BatchRow({ batch }: { batch: BatchSummary }) {
  const { t, i18n } = useTranslation('batches');
  const { data } = useQuery(batchesLookOptions({ path: { batch_id: batch.id } }));
  const failures = data?.failures.reduce((sum, { count }) => sum + count, 0) ?? 0;
  const number = new Intl.NumberFormat(i18n.language);
  return (
    <Table.Tr>
      <Table.Td>
        <Anchor
          size="sm"
          renderRoot={(props) => <Link {...props} to="/batches/$batchId" params={{ batchId: batch.id }} />}
        >
          <Time at={batch.created_at} />
        </Anchor>
        <Text size="xs" c="dimmed" hiddenFrom="sm">
          {t('files', { count: batch.files })}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">{number.format(batch.files)}</Table.Td>
      <Table.Td>{data ? <BatchProgress batch={data} /> : <Skeleton height={30} />}</Table.Td>
      <Table.Td visibleFrom="md">
        {data && (data.done ? <Overall batch={data} /> : <Remaining batch={data} />)}
      </Table.Td>
      <Table.Td visibleFrom="sm">
        {failures > 0 && (
          <Badge color="red" variant="light" tt="none">
            {number.format(failures)}
          </Badge>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
