import { Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { FeedbackFigures, ModelDetailView } from '@/client';
import { feedbackSummaryOptions } from '@/client/@tanstack/react-query.gen';
import { FigureValue } from '@/components/FigureValue';
import { whole } from '@/components/numbers';
import { ProblemNotice } from '@/components/ProblemNotice';
import { useLabel } from '@/pages/model/names';

/** What readers of this Site said of its findings, as running sensitivity and specificity. */
export function Feedback({ model }: { model: ModelDetailView }) {
  const { t } = useTranslation('models');
  const { data, error, refetch } = useQuery(feedbackSummaryOptions({ query: { model_version_id: model.id } }));
  return (
    <Stack component="section" gap="sm">
      <Title order={2} size="h3">
        {t('feedback.title')}
      </Title>
      <Text size="sm" c="dimmed" maw={720}>
        {t('feedback.about')}
      </Text>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton h={120} />}
      {data && data.items.length === 0 && <Text>{t('feedback.none')}</Text>}
      {data?.items.map((item) => (
        <Item key={item.label} item={item} />
      ))}
    </Stack>
  );
}

function Item({ item }: { item: FeedbackFigures }) {
  const { t, i18n } = useTranslation('models');
  const label = useLabel();
  const counts = [
    ['feedback.tp', item.true_positives],
    ['feedback.fp', item.false_positives],
    ['feedback.tn', item.true_negatives],
    ['feedback.fn', item.false_negatives],
  ] as const;
  return (
    <Table maw={560} captionSide="top">
      <Table.Caption ta="left">{label(item.label)}</Table.Caption>
      <Table.Tbody>
        {(['sensitivity', 'specificity'] as const).map((name) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={400}>
              {t(`figures.${name}`)}
            </Table.Th>
            <Table.Td ta="right">
              <FigureValue value={null} {...item[name]} />
            </Table.Td>
          </Table.Tr>
        ))}
        {counts.map(([name, count]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={400}>
              {t(name)}
            </Table.Th>
            <Table.Td ta="right">{whole(count, i18n.language)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
