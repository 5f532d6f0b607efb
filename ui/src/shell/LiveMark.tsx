import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useLiveState } from '@/live/LiveProvider';

const COLORS = { live: 'teal', polling: 'yellow', stale: 'red' } as const;

/** Whether what is shown is the present. */
export function LiveMark() {
  const { t } = useTranslation();
  const state = useLiveState();
  // A title, for Mantine's tooltip would bring its positioning into every first page.
  return (
    <Badge
      color={COLORS[state]}
      variant="dot"
      tt="none"
      role="status"
      data-live={state}
      title={t(`live.${state}_hint`)}
    >
      {t(`live.${state}`)}
    </Badge>
  );
}
