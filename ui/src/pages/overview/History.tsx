import { BarChart } from '@mantine/charts';
import { Button, Card, Collapse, ColorSwatch, Group, Table, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { QuarterView } from '@/client';
import { regional } from '@/i18n';

const HOURS = 24;
const KINDS = ['submitted', 'succeeded', 'failed', 'cancelled'] as const;
// The chart's own legend has the height of one line, and on a phone the German words need two.
const ENDS = [
  { name: 'succeeded', color: 'teal.6' },
  { name: 'failed', color: 'red.7' },
  { name: 'cancelled', color: 'gray.5' },
] as const;

/** The last 24 h: what came to an end by quarters of an hour, and as a table by hours. */
export default function History({ quarters }: { quarters: QuarterView[] }) {
  const { t, i18n } = useTranslation('overview');
  const [opened, { toggle }] = useDisclosure();
  const clock = useMemo(
    () => new Intl.DateTimeFormat(regional(i18n.language), { hour: '2-digit', minute: '2-digit' }),
    [i18n.language],
  );
  const data = quarters.map((quarter) => ({ ...quarter, at: clock.format(new Date(quarter.at)) }));
  const total = (kind: (typeof KINDS)[number]) => quarters.reduce((sum, quarter) => sum + quarter[kind], 0);
  return (
    <Card withBorder padding="md" component="section">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {t('history.title')}
        </Title>
        <Button size="compact-sm" variant="default" onClick={toggle} aria-expanded={opened}>
          {t('history.table')}
        </Button>
      </Group>
      <BarChart
        h={210}
        data={data}
        dataKey="at"
        type="stacked"
        tooltipAnimationDuration={0}
        barProps={{ isAnimationActive: false }}
        xAxisProps={{ minTickGap: 40 }}
        yAxisProps={{ allowDecimals: false, interval: 0, width: 48 }}
        role="img"
        aria-label={t('history.summary', {
          succeeded: total('succeeded'),
          failed: total('failed'),
          cancelled: total('cancelled'),
        })}
        series={ENDS.map(({ name, color }) => ({ name, label: t(`history.${name}`), color }))}
      />
      <Group justify="end" gap="md" mt={4} aria-hidden>
        {ENDS.map(({ name, color }) => (
          <Group key={name} gap={6} wrap="nowrap">
            <ColorSwatch size={12} color={`var(--mantine-color-${color.replace('.', '-')})`} withShadow={false} />
            <Text size="sm">{t(`history.${name}`)}</Text>
          </Group>
        ))}
      </Group>
      <Collapse expanded={opened}>
        <Hours quarters={quarters} clock={clock} />
      </Collapse>
    </Card>
  );
}

/** The same in numbers, newest first. */
function Hours({ quarters, clock }: { quarters: QuarterView[]; clock: Intl.DateTimeFormat }) {
  const { t } = useTranslation('overview');
  const rows = Array.from({ length: HOURS }, (_, hour) => quarters.slice(hour * 4, hour * 4 + 4)).reverse();
  return (
    <Table.ScrollContainer minWidth={300}>
      <Table mt="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('history.from')}</Table.Th>
            {KINDS.map((kind) => (
              <Table.Th key={kind} ta="right">
                {t(`history.${kind}`)}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((hour) => (
            <Table.Tr key={hour[0]?.at}>
              <Table.Td>{hour[0] && clock.format(new Date(hour[0].at))}</Table.Td>
              {KINDS.map((kind) => (
                <Table.Td key={kind} ta="right">
                  {hour.reduce((sum, quarter) => sum + quarter[kind], 0)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
