import { Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { ModelDetailView, ShadowFinding } from '@/client';
import { modelsComparisonOptions } from '@/client/@tanstack/react-query.gen';
import { decimal, percent, whole } from '@/components/numbers';
import { ProblemNotice } from '@/components/ProblemNotice';
import { useLabel } from '@/pages/model/names';

/** What it said, unseen, beside the results that were given; for operators. */
export function ShadowReport({ model }: { model: ModelDetailView }) {
  const { t } = useTranslation('models');
  const allowed = useAllowed()('operate');
  const asked = modelsComparisonOptions({ path: { model_id: model.id } });
  const { data, error, refetch } = useQuery({ ...asked, enabled: allowed });
  if (!allowed) return null;
  return (
    <Stack component="section" gap="sm">
      <Title order={2} size="h3">
        {t('shadow.title')}
      </Title>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton h={120} />}
      {data && data.against.length === 0 && <Text c="dimmed">{t('shadow.none')}</Text>}
      {data?.against.map(({ active, findings }) => (
        <Stack key={active.id} gap="xs">
          <Title order={3} size="h4">
            {t('shadow.against', { model: `${active.name} ${active.version}` })}
          </Title>
          {findings.map((finding) => (
            <Finding key={finding.label} finding={finding} />
          ))}
        </Stack>
      ))}
    </Stack>
  );
}

function Finding({ finding }: { finding: ShadowFinding }) {
  const { t, i18n } = useTranslation('models');
  const label = useLabel();
  const number = (value: number | null, digits = 3) => (value === null ? '–' : decimal(value, i18n.language, digits));
  const rows: [string, string][] = [
    [t('shadow.n'), whole(finding.n, i18n.language)],
    [t('shadow.agreement'), percent(finding.agreement, i18n.language)],
    [t('figures.kappa'), number(finding.kappa)],
    [t('shadow.difference'), number(finding.mean_difference)],
    [t('shadow.correlation'), number(finding.correlation)],
    [t('shadow.gained'), whole(finding.negative_to_positive, i18n.language)],
    [t('shadow.lost'), whole(finding.positive_to_negative, i18n.language)],
    [t('shadow.speed'), `${number(finding.active_ms, 1)} / ${number(finding.shadow_ms, 1)} ms`],
  ];
  return (
    <Table maw={560} captionSide="top">
      <Table.Caption ta="left">{label(finding.label)}</Table.Caption>
      <Table.Tbody>
        {rows.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th scope="row" fw={400}>
              {name}
            </Table.Th>
            <Table.Td ta="right">{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
