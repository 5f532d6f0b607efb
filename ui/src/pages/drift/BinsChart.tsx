import { BarChart } from '@mantine/charts';
import { useTranslation } from 'react-i18next';
import type { DriftBin } from '@/client';
import { percent } from '@/components/numbers';
import { useBinName } from '@/pages/drift/names';

/** How often each value comes now, beside how often it came in the reference. */
export function BinsChart({ bins, name }: { bins: DriftBin[]; name: string }) {
  const { t, i18n } = useTranslation('drift');
  const nameOf = useBinName();
  return (
    <div role="img" aria-label={t('bins', { name })}>
      <BarChart
        h={180}
        data={bins.map((bin) => ({ bin: nameOf(bin), reference: bin.reference, recent: bin.recent }))}
        dataKey="bin"
        series={[
          { name: 'reference', label: t('reference'), color: 'gray.6' },
          { name: 'recent', label: t('recent'), color: 'cyan.6' },
        ]}
        withLegend
        barChartProps={{ accessibilityLayer: false }}
        valueFormatter={(value) => percent(value, i18n.language)}
      />
    </div>
  );
}
