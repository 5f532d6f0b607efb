import { Card, Table, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { OverviewView } from '@/client';
import { Duration } from '@/components/Duration';
import { Priority } from '@/components/Priority';

/** What waits, by priority. */
export function Queue({ overview }: { overview: OverviewView }) {
  const { t } = useTranslation('overview');
  return (
    <Card withBorder padding="md" component="section">
      <Title order={2} size="h4" mb="xs">
        {t('queue.title')}
      </Title>
      {overview.queue.length === 0 ? (
        <Text c="dimmed">{t('queue.empty')}</Text>
      ) : (
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('queue.priority')}</Table.Th>
              <Table.Th ta="right">{t('queue.waiting')}</Table.Th>
              <Table.Th ta="right">{t('queue.oldest')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {overview.queue.map((row) => (
              <Table.Tr key={row.priority}>
                <Table.Td>
                  <Priority value={row.priority} />
                </Table.Td>
                <Table.Td ta="right" className="figure">
                  {row.waiting}
                </Table.Td>
                <Table.Td ta="right" className="figure">
                  <Duration seconds={row.oldest_seconds} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Card>
  );
}
