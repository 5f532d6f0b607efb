import { Badge } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconEye } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Decision, ThreeWay } from '@/client';

// The word and the sign say it; the colour only helps. Yellow on light ground is too faint to read.
const LOOKS = {
  positive: { color: 'red', Icon: IconCircleX },
  negative: { color: 'teal', Icon: IconCircleCheck },
  refer: { color: 'violet', Icon: IconEye },
} as const satisfies Record<Decision | ThreeWay, unknown>;

/** What is said of a finding: by the three-way decision where there is one. */
export function DecisionBadge({ decision, size = 'lg' }: { decision: Decision | ThreeWay; size?: 'md' | 'lg' }) {
  const { t } = useTranslation('words');
  const { color, Icon } = LOOKS[decision];
  return (
    <Badge
      color={color}
      variant="light"
      tt="none"
      size={size}
      data-decision={decision}
      leftSection={<Icon size={14} aria-hidden />}
    >
      {t(`decision.${decision}`)}
    </Badge>
  );
}
