import { Card, Table, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { OverviewView } from '@/client';
import { Duration } from '@/components/Duration';

// In the order of a job's life; what a later worker may add comes after.
const ORDER = [
  'queued',
  'fetch',
  'wait',
  'decode',
  'preprocess',
  'infer',
  'stability',
  'explain',
  'store',
  'total',
] as const;
type Known = (typeof ORDER)[number];

const known = (name: string): name is Known => (ORDER as readonly string[]).includes(name);
const place = (name: string) => (known(name) ? ORDER.indexOf(name) : ORDER.length);

/** How long each step of a job takes: the usual, and what one in twenty exceeds. */
export function Phases({ overview }: { overview: OverviewView }) {
  const { t } = useTranslation('overview');
  const rows = overview.phases.toSorted((one, other) => place(one.name) - place(other.name));
  return (
    <Card withBorder padding="md" component="section">
      <Title order={2} size="h4" mb="xs">
        {t('phases.title')}
      </Title>
      {rows.length === 0 ? (
        <Text c="dimmed">{t('phases.empty')}</Text>
      ) : (
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('phases.phase')}</Table.Th>
              <Table.Th ta="right">{t('phases.median')}</Table.Th>
              <Table.Th ta="right">{t('phases.p95')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ name, p50_ms, p95_ms }) => (
              <Table.Tr key={name}>
                <Table.Td>{known(name) ? t(`phases.names.${name}`) : name}</Table.Td>
                <Table.Td ta="right" className="figure">
                  <Duration seconds={p50_ms / 1000} />
                </Table.Td>
                <Table.Td ta="right" className="figure">
                  <Duration seconds={p95_ms / 1000} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      {rows.length > 0 && (
        <Text size="xs" c="dimmed" mt="xs">
          {t('phases.measured', { count: overview.measured })}
        </Text>
      )}
    </Card>
  );
}
