import { SegmentedControl, Stack, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PartView } from '@/client';
import { FigureValue } from '@/components/FigureValue';
import { whole } from '@/components/numbers';
import { WideTable } from '@/components/WideTable';
import { Intervals } from '@/pages/model/Intervals';
import { useFigureName, useLabel } from '@/pages/model/names';

const COLUMNS = ['auc', 'average_precision', 'sensitivity', 'specificity', 'precision', 'recall', 'f1'];

/** The same figures of the images of each region, view, hardware or class: a chart of one, a table of all. */
export function Parts({ by, parts }: { by: string; parts: PartView[] }) {
  const { t, i18n } = useTranslation('models');
  const figureName = useFigureName();
  const label = useLabel();
  const named = new Set(parts.flatMap(({ figures }) => figures.map(({ name }) => name)));
  const columns = COLUMNS.filter((name) => named.has(name));
  const [chosen, choose] = useState('sensitivity');
  const charted = columns.includes(chosen) ? chosen : columns[0];
  const title = i18n.exists(`models:by.${by}`) ? t(`by.${by}` as never) : by;
  const figure = (part: PartView, name: string) => part.figures.find((one) => one.name === name);
  return (
    <Stack gap="xs">
      <Title order={3} size="h4">
        {title}
      </Title>
      <Text size="sm" c="dimmed">
        {t('few')}
      </Text>
      {charted !== undefined && (
        <>
          <SegmentedControl
            size="xs"
            fullWidth
            maw={560}
            orientation="horizontal"
            aria-label={`${title}: ${t('charted')}`}
            value={charted}
            onChange={choose}
            data={columns.slice(0, 4).map((value) => ({ value, label: t(`short.${value}` as never) }))}
          />
          <Intervals
            title={`${title}: ${figureName(charted)}`}
            rows={parts.map((part) => ({ name: label(part.name), figure: figure(part, charted) }))}
          />
        </>
      )}
      <WideTable label={title} minWidth={860}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t(`part.${by}` as never)}</Table.Th>
              <Table.Th ta="right">{t('n')}</Table.Th>
              {by !== 'class' && <Table.Th ta="right">{t('n_positive')}</Table.Th>}
              {columns.map((name) => (
                <Table.Th key={name} ta="right">
                  {t(`short.${name}` as never)}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {parts.map((part) => (
              <Table.Tr key={part.name}>
                <Table.Th scope="row" fw={400}>
                  {label(part.name)}
                </Table.Th>
                <Table.Td ta="right">{part.n == null ? '–' : whole(part.n, i18n.language)}</Table.Td>
                {by !== 'class' && (
                  <Table.Td ta="right">{part.positives == null ? '–' : whole(part.positives, i18n.language)}</Table.Td>
                )}
                {columns.map((name) => (
                  <Table.Td key={name} ta="right">
                    <FigureValue value={null} {...figure(part, name)} stacked />
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </WideTable>
    </Stack>
  );
}
