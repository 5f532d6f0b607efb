import '@mantine/charts/styles.layer.css';
import { Badge, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { DriftQuantity } from '@/client';
import { decimal, whole } from '@/components/numbers';
import { BinsChart } from '@/pages/drift/BinsChart';
import { DaysChart } from '@/pages/drift/DaysChart';
import { Numbers } from '@/pages/drift/Numbers';
import { useQuantityName } from '@/pages/drift/names';

const COLORS = { steady: 'teal', shifted: 'red', few: 'gray' } as const;

/** One quantity: its shift by day with the alert line, and how often its values come now and came then. */
export function QuantityCard({ quantity, recentDays }: { quantity: DriftQuantity; recentDays: number }) {
  const { t, i18n } = useTranslation('drift');
  const name = useQuantityName()(quantity.name);
  const { recent, state } = quantity;
  const n = whole(recent.n, i18n.language);
  const short = (value: number) => decimal(value, i18n.language, 2);
  return (
    <Card withBorder component="section" aria-label={name}>
      <Stack gap="xs">
        <Group justify="space-between">
          <Title order={2} size="h4">
            {name}
          </Title>
          <Badge color={COLORS[state]} variant={state === 'shifted' ? 'filled' : 'dot'} tt="none">
            {t(`state.${state}`)}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed">
          {recent.psi === null || recent.line === null
            ? t('now_few', { days: recentDays, n })
            : t('now', { days: recentDays, psi: short(recent.psi), line: short(recent.line), n })}
          {recent.ks !== null && ` · ${t('ks', { ks: short(recent.ks) })}`}
        </Text>
        <DaysChart quantity={quantity} name={name} />
        <BinsChart bins={quantity.bins} name={name} />
        <Numbers quantity={quantity} name={name} />
      </Stack>
    </Card>
  );
}
