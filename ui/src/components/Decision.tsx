import { Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { ThreeWay } from '@/client';
import { DecisionBadge } from '@/components/DecisionBadge';
import { nameOf } from '@/i18n/labels';

interface Headline {
  label: string | null;
  probability: number | null;
  decision: ThreeWay | null;
  three_way: ThreeWay | null;
}

/** A result in one line, or in two where one is too short: what, how sure, and what follows. */
export function Decision({ result, wrap = false }: { result: Headline; wrap?: boolean }) {
  const { i18n } = useTranslation();
  const decision = result.three_way ?? result.decision;
  return (
    <Group gap={wrap ? '2px 6px' : 6} wrap={wrap ? 'wrap' : 'nowrap'}>
      {decision !== null && <DecisionBadge decision={decision} size="md" />}
      {result.label !== null && (
        <Text size="sm" span truncate>
          {nameOf(result.label, i18n)}
          {result.probability !== null && ` ${percent(result.probability, i18n.language)}`}
        </Text>
      )}
    </Group>
  );
}

/** A share of one as people say it; never 0 % or 100 % of what is not quite that. */
export function percent(share: number, language: string): string {
  const digits = share > 0.99 || share < 0.01 ? 1 : 0;
  const shown = Math.min(share < 1 ? 0.999 : 1, Math.max(share > 0 ? 0.001 : 0, share));
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: digits }).format(shown);
}
