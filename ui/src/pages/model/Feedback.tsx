import { Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { FeedbackFigures, IntervalView, ModelDetailView } from '@/client';
import { feedbackSummaryOptions } from '@/client/@tanstack/react-query.gen';
import { FigureValue } from '@/components/FigureValue';
import { decimal, whole } from '@/components/numbers';
import { ProblemNotice } from '@/components/ProblemNotice';
import { useLabel } from '@/pages/model/names';

// Of fewer, three decimals would be read as a finding: they are counted instead.
const FEW = 30;

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
  const shares = [
    ['sensitivity', item.sensitivity, item.true_positives, item.false_negatives],
    ['specificity', item.specificity, item.true_negatives, item.false_positives],
  ] as const;
  return (
    <Table maw={560} captionSide="top">
      <Table.Caption ta="left">{label(item.label)}</Table.Caption>
      <Table.Tbody>
        {shares.map(([name, interval, right, wrong]) => (
          <Table.Tr key={name} data-figure={name}>
            <Table.Th scope="row" fw={400}>
              {t(`figures.${name}`)}
              {interval !== null && right + wrong < FEW && (
                <Text size="xs" c="dimmed">
                  {t('feedback.few', { count: right + wrong })}
                </Text>
              )}
            </Table.Th>
            <Table.Td ta="right">
              <Share interval={interval} right={right} n={right + wrong} />
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

/** A measured share with its interval; of few as what it is, so many of so many. */
function Share({ interval, right, n }: { interval: IntervalView | null; right: number; n: number }) {
  const { t, i18n } = useTranslation('models');
  if (interval === null) return <FigureValue value={null} />;
  const { value, lower, upper } = interval;
  if (n >= FEW) return <FigureValue value={value} low={lower} high={upper} />;
  return (
    <>
      {t('feedback.of', { right: whole(right, i18n.language), n: whole(n, i18n.language) })}{' '}
      <Text span size="xs" c="dimmed" className="figure">
        ({decimal(lower, i18n.language)}–{decimal(upper, i18n.language)})
      </Text>
    </>
  );
}
