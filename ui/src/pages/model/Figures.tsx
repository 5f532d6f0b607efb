import { SegmentedControl, Stack, Table, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { EvaluationView, ModelDetailView } from '@/client';
import { Empty } from '@/components/Empty';
import { FigureValue } from '@/components/FigureValue';
import { WideTable } from '@/components/WideTable';
import { Confusion } from '@/pages/model/Confusion';
import { Measures } from '@/pages/model/Measures';
import { useFigureName, useLabel } from '@/pages/model/names';
import { Parts } from '@/pages/model/Parts';

interface FiguresProps {
  model: ModelDetailView;
  split: string | undefined;
  onSplit: (split: string) => void;
}

/** All that was measured on one split of the data. */
export function Figures({ model, split, onSplit }: FiguresProps) {
  const { t, i18n } = useTranslation('models');
  const splits = [...new Set(model.evaluations.map((one) => one.split))];
  const chosen = [split, 'test', splits[0]].find((one) => one !== undefined && splits.includes(one));
  if (chosen === undefined) {
    return (
      <Empty title={t('no_figures')}>
        <Text c="dimmed">{t('no_figures_about')}</Text>
      </Empty>
    );
  }
  const known = (name: string) => (i18n.exists(`models:splits.${name}`) ? t(`splits.${name}` as never) : name);
  return (
    <Stack gap="lg">
      <div>
        <SegmentedControl
          aria-label={t('split')}
          value={chosen}
          onChange={onSplit}
          data={splits.map((value) => ({ value, label: known(value) }))}
        />
        <Text size="sm" c="dimmed" mt={4}>
          {t('intervals')}
        </Text>
      </div>
      {model.evaluations
        .filter((one) => one.split === chosen)
        .map((one) => (
          <Evaluation key={`${one.subject} ${one.label}`} evaluation={one} />
        ))}
      <Measures measures={model.measures.filter((one) => one.split === chosen)} />
    </Stack>
  );
}

function Evaluation({ evaluation }: { evaluation: EvaluationView }) {
  const { t } = useTranslation('models');
  const figureName = useFigureName();
  const label = useLabel();
  const { n, positives } = evaluation;
  const count = positives == null ? t('images', { count: n ?? 0 }) : t('positives', { n, positives });
  return (
    <Stack component="section" gap="sm">
      <Title order={2} size="h3">
        {label(evaluation.label)}{' '}
        <Text span c="dimmed" size="sm" fw={400}>
          {count}
        </Text>
      </Title>
      <WideTable label={label(evaluation.label)} minWidth={300} maw={560}>
        <Table striped>
          <Table.Tbody>
            {[...evaluation.figures, ...evaluation.three_way].map((figure) => (
              <Table.Tr key={figure.name}>
                <Table.Th scope="row" fw={400}>
                  {figureName(figure.name)}
                </Table.Th>
                <Table.Td ta="right">
                  <FigureValue {...figure} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </WideTable>
      <Confusion evaluation={evaluation} />
      {[...new Set(evaluation.parts.map(({ by }) => by))].map((by) => (
        <Parts key={by} by={by} parts={evaluation.parts.filter((part) => part.by === by)} />
      ))}
    </Stack>
  );
}
