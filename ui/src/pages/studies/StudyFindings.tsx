import { Badge, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { StudyFindingView } from '@/client';

const COLORS = { positive: 'red', negative: 'teal', refer: 'yellow' } as const;

/** What the images of an exam say together, a line a finding. */
export function StudyFindings({ findings }: { findings: StudyFindingView[] }) {
  const { t, i18n } = useTranslation(['studies', 'words']);
  const percent = new Intl.NumberFormat(i18n.language, { style: 'percent' });
  if (findings.length === 0) return <Text size="sm">{t('no_findings')}</Text>;
  return findings.map(({ label, probability, decision, three_way }) => {
    const said = three_way?.decision ?? decision;
    const key = `words:label.${label}`;
    return (
      <Group key={label} gap="xs" wrap="nowrap">
        <Badge color={COLORS[said]} variant="light" tt="none" size="lg">
          {t(`words:decision.${said}`)}
        </Badge>
        <Text size="sm">
          {i18n.exists(key) ? t(key as never) : label} {percent.format(probability)}
        </Text>
      </Group>
    );
  });
}
