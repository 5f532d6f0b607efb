import { Badge, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { StudyState } from '@/client';

const COLORS: Record<StudyState, string> = { open: 'blue', settled: 'teal' };

/** Whether images may still come, or all are judged together. */
export function StudyStateBadge({ state }: { state: StudyState }) {
  const { t } = useTranslation('studies');
  return (
    <Tooltip label={t(`state_hint.${state}`)} multiline w={260}>
      <Badge color={COLORS[state]} variant="light" tt="none" miw="max-content">
        {t(`state.${state}`)}
      </Badge>
    </Tooltip>
  );
}
