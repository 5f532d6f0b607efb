import { Badge, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { FindingView } from '@/client';
import { useLabelName } from './useLabelName';

/** The label, its decision and its probability against the threshold. */
export function FindingSummary({ finding }: { finding: FindingView }) {
  const { t, i18n } = useTranslation(['viewer', 'words']);
  const labelName = useLabelName();
  const percent = new Intl.NumberFormat(i18n.language, { style: 'percent', maximumFractionDigits: 1 });
  const decision = finding.three_way?.decision ?? finding.decision;
  const probability = percent.format(finding.probability);
  const { lower = null, upper = null } = finding.three_way ?? {};
  // What decided: the two limits where there are two, as on the job's page.
  const band = lower === null || upper === null ? null : { lower: percent.format(lower), upper: percent.format(upper) };
  return (
    <div>
      <Group gap="xs">
        <Text fw={700}>{labelName(finding.label)}</Text>
        <Badge
          variant="light"
          tt="none"
          color={decision === 'positive' ? 'red' : decision === 'refer' ? 'yellow' : 'teal'}
        >
          {t(`words:decision.${decision}`)}
        </Badge>
      </Group>
      <Text size="sm">
        {band === null
          ? t('probability', { probability, threshold: percent.format(finding.threshold) })
          : t('probability_band', { probability, ...band })}
      </Text>
    </div>
  );
}
