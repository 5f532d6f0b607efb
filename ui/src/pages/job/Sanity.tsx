import { Alert, List, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { SanityFlagView } from '@/client';

/** What is wrong with the image, and what to do about it. */
export function Sanity({ flags }: { flags: SanityFlagView[] }) {
  const { t, i18n } = useTranslation('job');
  const number = new Intl.NumberFormat(i18n.language, { maximumSignificantDigits: 3 });
  return (
    <Alert color="orange" variant="light" icon={<IconAlertTriangle aria-hidden />} title={t('sanity.title')}>
      <Text size="sm">{t('sanity.detail')}</Text>
      <List size="sm" mt="xs">
        {flags.map(({ code, score, limit }) => (
          <List.Item key={code}>
            {t(`sanity.${code}`)} {t('sanity.figures', { score: number.format(score), limit: number.format(limit) })}
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
