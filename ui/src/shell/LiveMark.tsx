import { Badge, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useLiveState } from '@/live/LiveProvider';

const COLORS = { live: 'teal', polling: 'yellow', stale: 'red' } as const;

/** Whether what is shown is the present. */
export function LiveMark() {
  const { t } = useTranslation();
  const state = useLiveState();
  return (
    <Tooltip label={t(`live.${state}_hint`)}>
      <Badge color={COLORS[state]} variant="dot" tt="none" role="status" data-live={state}>
        {t(`live.${state}`)}
      </Badge>
    </Tooltip>
  );
}
