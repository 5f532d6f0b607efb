import { Accordion, Table, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { MeasureView } from '@/client';
import { FigureValue } from '@/components/FigureValue';
import { WideTable } from '@/components/WideTable';
import { useFigureName, useLabel } from '@/pages/model/names';

const KINDS = ['localisation', 'sanity', 'stability', 'variations', 'hardware'] as const;

/** Figures of trust: where heatmaps point, what strange images raise, what small shifts change. */
export function Measures({ measures }: { measures: MeasureView[] }) {
  const { t } = useTranslation('models');
  const kinds = KINDS.filter((kind) => measures.some((one) => one.kind === kind));
  if (kinds.length === 0) return null;
  return (
    <Accordion variant="separated" multiple order={2}>
      {kinds.map((kind) => (
        <Accordion.Item key={kind} value={kind}>
          <Accordion.Control>
            <Text fw={600}>{t(`measures.${kind}`)}</Text>
            <Text size="sm" c="dimmed">
              {t(`measures_about.${kind}`)}
            </Text>
          </Accordion.Control>
          <Accordion.Panel>
            <Kind title={t(`measures.${kind}`)} measures={measures.filter((one) => one.kind === kind)} />
          </Accordion.Panel>
        </Accordion.Item>
      ))}
    </Accordion>
  );
}

function Kind({ title, measures }: { title: string; measures: MeasureView[] }) {
  const { t } = useTranslation('models');
  const figureName = useFigureName();
  const label = useLabel();
  return (
    <WideTable label={title} minWidth={480}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('part.any')}</Table.Th>
            <Table.Th ta="right">{t('n')}</Table.Th>
            <Table.Th>{t('figure')}</Table.Th>
            <Table.Th ta="right">{t('value')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {measures.flatMap((measure) =>
            measure.figures.map((figure, index) => (
              <Table.Tr key={`${measure.path} ${figure.name}`}>
                <Table.Td>{index === 0 && (measure.path.split(' ').map(label).join(', ') || t('all'))}</Table.Td>
                <Table.Td ta="right">{index === 0 && (measure.n ?? '')}</Table.Td>
                <Table.Td>{figureName(figure.name)}</Table.Td>
                <Table.Td ta="right">
                  <FigureValue {...figure} />
                </Table.Td>
              </Table.Tr>
            )),
          )}
        </Table.Tbody>
      </Table>
    </WideTable>
  );
}
