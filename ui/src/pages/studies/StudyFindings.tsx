import { Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { StudyFindingView } from '@/client';
import { percent } from '@/components/Decision';
import { DecisionBadge } from '@/components/DecisionBadge';
import { nameOf } from '@/i18n/labels';

/** What the images of an exam say together, a line a finding. */
export function StudyFindings({ findings }: { findings: StudyFindingView[] }) {
  const { t, i18n } = useTranslation('studies');
  if (findings.length === 0) return <Text size="sm">{t('no_findings')}</Text>;
  return findings.map(({ label, probability, decision, three_way }) => {
    return (
      <Group key={label} gap={6}>
        <DecisionBadge decision={three_way?.decision ?? decision} />
        <Text size="sm">
          {nameOf(label, i18n)} {percent(probability, i18n.language)}
        </Text>
      </Group>
    );
  });
}
