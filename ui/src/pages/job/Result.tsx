import { Anchor, Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { FindingView, JobView, ResultView } from '@/client';
import { resultsResultOptions } from '@/client/@tanstack/react-query.gen';
import { percent } from '@/components/Decision';
import { DecisionBadge } from '@/components/DecisionBadge';
import { ProblemNotice } from '@/components/ProblemNotice';
import { nameOf } from '@/i18n/labels';
import { Findings } from '@/pages/job/Findings';
import { Overlay } from '@/pages/job/Overlay';
import { Phases } from '@/pages/job/Phases';
import { Sanity } from '@/pages/job/Sanity';

/** The result in one glance, and under it what it rests on. */
export function Result({ job }: { job: JobView }) {
  const { data: result, error, refetch } = useQuery(resultsResultOptions({ path: { job_id: job.id } }));
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!result) return <Skeleton height={420} />;
  const headline = result.findings.find((finding) => finding.label === job.result?.label);
  return (
    <Stack>
      {result.sanity && !result.sanity.accepted && <Sanity flags={result.sanity.flags} />}
      <Card withBorder>
        <Group align="flex-start" gap="xl">
          <Overlay job={job} finding={headline} />
          <Stack gap="sm" flex="1 1 18rem">
            {headline ? <Headline finding={headline} result={result} /> : <Undecided job={job} />}
            <Seen result={result} />
          </Stack>
        </Group>
      </Card>
      {result.findings.length > 1 && <Findings findings={result.findings} />}
      <Phases timings={result.timings_ms} />
    </Stack>
  );
}

function Headline({ finding, result }: { finding: FindingView; result: ResultView }) {
  const { t, i18n } = useTranslation('job');
  const decision = finding.three_way?.decision ?? finding.decision;
  const label = nameOf(finding.label, i18n);
  return (
    <>
      <Group gap="sm">
        <Title order={2}>{sentence(t(`decided.${decision}`, { label }), i18n.language)}</Title>
        <DecisionBadge decision={decision} size="lg" />
      </Group>
      <Text size="lg">{t('probability', { label, share: percent(finding.probability, i18n.language) })}</Text>
      <Text size="sm">{coverage(finding, result)}</Text>
      {finding.stability !== null && (
        <Text size="sm">{t('stability', { share: percent(finding.stability, i18n.language) })}</Text>
      )}
    </>
  );

  function coverage({ three_way, threshold }: FindingView, { routing, sanity }: ResultView): string {
    if (sanity && !sanity.accepted) return t('referred.sanity');
    if (routing?.referred) return t('referred.routing');
    if (three_way === null) return t('threshold', { share: percent(threshold, i18n.language) });
    if (three_way.coverage === null || three_way.lower === null || three_way.upper === null) return t('referred.other');
    return t('coverage', {
      share: percent(three_way.coverage, i18n.language),
      lower: percent(three_way.lower, i18n.language),
      upper: percent(three_way.upper, i18n.language),
    });
  }
}

/** Of a model without findings: the most probable of its classes. */
function Undecided({ job }: { job: JobView }) {
  const { t, i18n } = useTranslation('job');
  const { label, probability } = job.result ?? {};
  if (!label) return <Text>{t('nothing')}</Text>;
  return (
    <>
      <Title order={2}>{sentence(nameOf(label, i18n), i18n.language)}</Title>
      {typeof probability === 'number' && (
        <Text size="lg">
          {t('probability', { label: nameOf(label, i18n), share: percent(probability, i18n.language) })}
        </Text>
      )}
    </>
  );
}

/** What the model saw, and which one it was. */
function Seen({ result }: { result: ResultView }) {
  const { t, i18n } = useTranslation('job');
  const { region, routing, sanity, model_version: model } = result;
  return (
    <Stack gap={4}>
      {region.label && region.probability !== null && (
        <Text size="sm">
          {t('region', { region: nameOf(region.label, i18n), share: percent(region.probability, i18n.language) })}
        </Text>
      )}
      {routing && (
        <Text size="sm">
          {t('routing', {
            specialist: nameOf(routing.specialist, i18n),
            share: percent(routing.probability, i18n.language),
          })}
        </Text>
      )}
      {sanity?.accepted && <Text size="sm">{t('sanity.fine')}</Text>}
      <Text size="sm">
        {t('by')}{' '}
        <Anchor
          inherit
          underline="always"
          renderRoot={(rest) => <Link {...rest} to="/admin/models/$modelId" params={{ modelId: model.id }} />}
        >
          {model.name} {model.version}
        </Anchor>
      </Text>
    </Stack>
  );
}

const sentence = (words: string, language: string) => words.charAt(0).toLocaleUpperCase(language) + words.slice(1);
