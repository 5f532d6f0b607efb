import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';

/** How fast a batch goes over the last minutes, and how long it will take if it stays so. */
export function Remaining({ batch }: { batch: BatchView }) {
  const { t, i18n } = useTranslation('batches');
  const rate = new Intl.NumberFormat(i18n.language, { maximumSignificantDigits: 2 });
  return (
    <>
      <Text size="sm">{t('rate', { rate: rate.format(batch.throughput.finished_per_s * 60) })}</Text>
      <Text size="xs" c="dimmed">
        {batch.eta_s === null ? t('eta_unknown') : t('eta', { duration: duration(batch.eta_s, i18n.language) })}
      </Text>
    </>
  );
}

/** Seconds as people say them: the two largest units that matter. */
function duration(seconds: number, language: string): string {
  const say = (value: number, unit: 'hour' | 'minute' | 'second') =>
    new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 0 }).format(
      value,
    );
  if (seconds < 60) return say(Math.max(1, Math.ceil(seconds)), 'second');
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return say(minutes, 'minute');
  return `${say(Math.floor(minutes / 60), 'hour')} ${say(minutes % 60, 'minute')}`;
}
