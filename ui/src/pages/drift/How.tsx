import { Accordion, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { DriftView } from '@/client';
import { decimal } from '@/components/numbers';

/** What the index and its line are, for who wants to know. */
export function How({ drift }: { drift: DriftView }) {
  const { t, i18n } = useTranslation('drift');
  return (
    <Accordion variant="contained" order={2}>
      <Accordion.Item value="how">
        <Accordion.Control>{t('how')}</Accordion.Control>
        <Accordion.Panel>
          <Text size="sm" maw={720}>
            {t('how_about', { line: decimal(drift.psi_line, i18n.language, 1), fewest: drift.fewest })}
          </Text>
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}
