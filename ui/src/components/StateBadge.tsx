import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { JobState } from '@/client';

// The word says it; the colour only helps.
const COLORS: Record<JobState, string> = {
  held: 'yellow',
  queued: 'gray',
  running: 'blue',
  retry_wait: 'orange',
  succeeded: 'teal',
  failed: 'red',
  dead: 'red',
  cancelled: 'gray',
  expired: 'gray',
};

export function StateBadge({ state }: { state: JobState }) {
  const { t } = useTranslation('words');
  return (
    <Badge color={COLORS[state]} variant="light" tt="none" data-state={state}>
      {t(`state.${state}`)}
    </Badge>
  );
}
