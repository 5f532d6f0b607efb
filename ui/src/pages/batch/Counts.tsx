import { SimpleGrid, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';

const COLUMNS = { base: 2, sm: 3, lg: 6 };

/** The files by what became of them; they add up to the batch. */
export function Counts({ batch }: { batch: BatchView }) {
  const { t, i18n } = useTranslation('batches');
  const { counts, jobs } = batch;
  const { succeeded = 0, failed = 0, dead = 0, cancelled = 0, expired = 0 } = jobs;
  const unsuccessful = failed + dead + cancelled + expired;
  const shown = [
    ['judged', succeeded],
    ['work', (counts.job ?? 0) - succeeded - unsuccessful],
    ['awaiting', counts.awaiting ?? 0],
    ['duplicate', counts.duplicate ?? 0],
    ['rejected', counts.rejected ?? 0],
    ['unsuccessful', unsuccessful],
  ] as const;
  return (
    <SimpleGrid cols={COLUMNS} component="dl" my={0}>
      {shown.map(([name, count]) => (
        <div key={name}>
          <Text component="dt" size="xs" c="dimmed">
            {t(`show.${name}`)}
          </Text>
          <Text component="dd" m={0} fw={600} size="lg">
            {new Intl.NumberFormat(i18n.language).format(count)}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  );
}
