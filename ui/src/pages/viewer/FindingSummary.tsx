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
        {t('probability', {
          probability: percent.format(finding.probability),
          threshold: percent.format(finding.threshold),
        })}
      </Text>
    </div>
  );
}
