import { LineChart } from '@mantine/charts';
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { DriftQuantity } from '@/client';
import { decimal } from '@/components/numbers';
import { regional } from '@/i18n';

/** The index by day, against the alert line of that day's number of radiographs. Days of too few have no point. */
export function DaysChart({ quantity, name }: { quantity: DriftQuantity; name: string }) {
  const { t, i18n } = useTranslation('drift');
  const day = new Intl.DateTimeFormat(regional(i18n.language), { day: 'numeric', month: 'short', timeZone: 'UTC' });
  if (quantity.points.every(({ psi }) => psi === null)) {
    return (
      <Text size="sm" c="dimmed">
        {t('no_days')}
      </Text>
    );
  }
  return (
    <div role="img" aria-label={t('by_day', { name })}>
      <LineChart
        h={180}
        data={quantity.points.map((point) => ({
          day: day.format(new Date(point.day)),
          psi: point.psi,
          line: point.line,
        }))}
        dataKey="day"
        series={[
          { name: 'psi', label: t('psi'), color: 'cyan.6' },
          { name: 'line', label: t('line'), color: 'red.6', strokeDasharray: '5 5' },
        ]}
        curveType="linear"
        connectNulls={false}
        withLegend
        lineChartProps={{ accessibilityLayer: false }}
        valueFormatter={(value) => decimal(value, i18n.language, 2)}
        yAxisProps={{ domain: [0, (most: number) => Math.max(0.4, most * 1.1)] }}
      />
    </div>
  );
}
