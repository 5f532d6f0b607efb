import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Decision, ThreeWay } from '@/client';

// The word says it; the colour only helps. Yellow on light ground is too faint to read.
const COLORS: Record<Decision | ThreeWay, string> = { positive: 'red', negative: 'teal', refer: 'violet' };

/** What is said of a finding: by the three-way decision where there is one. */
export function DecisionBadge({ decision, size = 'lg' }: { decision: Decision | ThreeWay; size?: 'md' | 'lg' }) {
  const { t } = useTranslation('words');
  return (
    <Badge color={COLORS[decision]} variant="light" tt="none" size={size} data-decision={decision}>
      {t(`decision.${decision}`)}
    </Badge>
  );
}
