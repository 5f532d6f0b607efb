import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { ModelState } from '@/client';
import { percent } from '@/components/numbers';

const COLORS: Record<ModelState, string> = { candidate: 'gray', active: 'teal', shadow: 'violet', retired: 'gray' };

/** A model's state in a word; of a shadow the share of jobs that it judges too. */
export function ModelStateBadge({ state, share }: { state: ModelState; share?: number | null }) {
  const { t, i18n } = useTranslation('words');
  return (
    <Badge color={COLORS[state]} variant="dot" tt="none">
      {t(`model_state.${state}`)}
      {share != null && ` ${percent(share, i18n.language)}`}
    </Badge>
  );
}
