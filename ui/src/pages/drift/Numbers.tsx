import { Button, Collapse, Table } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useId } from 'react';
import { useTranslation } from 'react-i18next';
import type { DriftQuantity } from '@/client';
import { decimal, percent, whole } from '@/components/numbers';
import { useBinName } from '@/pages/drift/names';

/** What the charts show, as tables: for screen readers, and for who wants the figures. */
export function Numbers({ quantity, name }: { quantity: DriftQuantity; name: string }) {
  const { t, i18n } = useTranslation('drift');
  const [opened, { toggle }] = useDisclosure(false);
  const id = useId();
  const binName = useBinName();
  const number = (value: number | null) => (value === null ? '–' : decimal(value, i18n.language));
  const share = (value: number | null) => (value === null ? '–' : percent(value, i18n.language));
  return (
    <div>
      <Button variant="subtle" size="compact-sm" aria-expanded={opened} aria-controls={id} onClick={toggle}>
        {t('numbers')}
      </Button>
      <Collapse expanded={opened} id={id}>
        {opened && (
          <>
            <Table aria-label={t('bins', { name })}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{name}</Table.Th>
                  <Table.Th ta="right">{t('reference')}</Table.Th>
                  <Table.Th ta="right">{t('recent')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {quantity.bins.map((bin) => (
                  <Table.Tr key={binName(bin)}>
                    <Table.Td>{binName(bin)}</Table.Td>
                    <Table.Td ta="right">{share(bin.reference)}</Table.Td>
                    <Table.Td ta="right">{share(bin.recent)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
            <Table aria-label={t('by_day', { name })}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('day')}</Table.Th>
                  <Table.Th ta="right">{t('n')}</Table.Th>
                  <Table.Th ta="right">{t('psi')}</Table.Th>
                  <Table.Th ta="right">{t('line')}</Table.Th>
                  <Table.Th ta="right">{t('gap')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {quantity.points
                  .filter(({ n }) => n > 0)
                  .map((point) => (
                    <Table.Tr key={point.day}>
                      <Table.Td>{point.day}</Table.Td>
                      <Table.Td ta="right">{whole(point.n, i18n.language)}</Table.Td>
                      <Table.Td ta="right">{number(point.psi)}</Table.Td>
                      <Table.Td ta="right">{number(point.line)}</Table.Td>
                      <Table.Td ta="right">{number(point.ks)}</Table.Td>
                    </Table.Tr>
                  ))}
              </Table.Tbody>
            </Table>
          </>
        )}
      </Collapse>
    </div>
  );
}
