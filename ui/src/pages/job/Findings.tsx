import { Card, Progress, Table, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { FindingView } from '@/client';
import { percent } from '@/components/Decision';
import { DecisionBadge } from '@/components/DecisionBadge';
import { nameOf } from '@/i18n/labels';

/** Every finding of the model, in its own order. */
export function Findings({ findings }: { findings: FindingView[] }) {
  const { t, i18n } = useTranslation('job');
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        {t('findings')}
      </Title>
      <Table.ScrollContainer minWidth={420}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('finding')}</Table.Th>
              <Table.Th>{t('share')}</Table.Th>
              <Table.Th>{t('decision')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {findings.map(({ label, probability, decision, three_way }) => (
              <Table.Tr key={label}>
                <Table.Td>{nameOf(label, i18n)}</Table.Td>
                <Table.Td>
                  {percent(probability, i18n.language)}
                  <Progress value={probability * 100} aria-hidden />
                </Table.Td>
                <Table.Td>
                  <DecisionBadge decision={three_way?.decision ?? decision} size="md" />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}
