import { Card, Group, Progress, Table, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';

// In the order in which a worker goes through them.
const ORDER = ['queued', 'fetch', 'wait', 'decode', 'preprocess', 'infer', 'stability', 'explain', 'store'];

/** How long each phase took, one after the other, and together. Times in milliseconds. */
export function Phases({ timings }: { timings: Record<string, number> }) {
  const { t, i18n } = useTranslation('job');
  const { total, ...rest } = timings;
  const phases = Object.entries(rest).sort(([one], [other]) => place(one) - place(other));
  const longest = Math.max(1, ...phases.map(([, ms]) => ms));
  const name = (phase: string) => (i18n.exists(`job:phase.${phase}`) ? t(`phase.${phase}` as never) : phase);
  return (
    <Card withBorder component="section">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {t('phases')}
        </Title>
        {total !== undefined && <Text size="sm">{t('total', { time: duration(total, i18n.language) })}</Text>}
      </Group>
      <Table verticalSpacing={4} withRowBorders={false} layout="fixed">
        <Table.Tbody>
          {phases.map(([phase, ms]) => (
            <Table.Tr key={phase}>
              <Table.Th scope="row" fw={400} w="40%">
                {name(phase)}
              </Table.Th>
              <Table.Td w={96} ta="right">
                {duration(ms, i18n.language)}
              </Table.Td>
              <Table.Td>
                <Progress value={(ms / longest) * 100} aria-hidden />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

const place = (phase: string) => (ORDER.indexOf(phase) + ORDER.length + 1) % (ORDER.length + 1);

/** Milliseconds as people say them. */
function duration(ms: number, language: string): string {
  const [unit, value] = ms < 1000 ? (['millisecond', ms] as const) : (['second', ms / 1000] as const);
  const digits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: 'unit', unit, maximumFractionDigits: digits }).format(value);
}
