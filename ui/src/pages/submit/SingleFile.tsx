import { Alert, Button, Group, Progress, Stack, Text } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { HeadlineView, JobView } from '@/client';
import { jobsPollOptions } from '@/client/@tanstack/react-query.gen';
import { Bytes } from '@/components/Bytes';
import { DecisionBadge } from '@/components/DecisionBadge';
import { StateBadge } from '@/components/StateBadge';
import { nameOf } from '@/i18n/labels';
import { DropButtons } from '@/pages/submit/DropButtons';
import { JobButtons } from '@/pages/submit/JobButtons';
import { inWords, Problem } from '@/problem';
import type { Drop, Row } from '@/upload/model';

/** A drop of one file: its way in, and its job as it goes on. */
export function SingleFile({ drop }: { drop: Drop }) {
  const { t } = useTranslation('submit');
  const [row] = drop.rows;
  const { data: job } = useQuery({
    ...jobsPollOptions({ path: { job_id: row?.job ?? '' } }),
    enabled: row?.job !== null && row !== undefined,
  });
  if (row === undefined) return null;
  const title = drop.title ?? row.source.path;
  const why = row.problem ?? problemOfJob(job);
  return (
    <Stack gap="sm">
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div>
          <Text fw={600}>{title}</Text>
          <Text size="xs" c="dimmed">
            <Bytes count={row.source.size} />
          </Text>
        </div>
        <DropButtons drop={drop} unsent={Number(row.stage === 'failed')} />
      </Group>
      {row.stage === 'sending' && (
        <Progress
          value={row.source.size === 0 ? 0 : (row.sent / row.source.size) * 100}
          aria-label={t('sending_named', { name: title })}
        />
      )}
      <Group justify="space-between" role="status" aria-live="polite">
        <Group gap="sm">
          {job ? <StateBadge state={job.state} /> : null}
          {job?.result && <Headline result={job.result} />}
          {row.stage !== 'rejected' && !job?.result && <Text size="sm">{wordsFor(row, job)}</Text>}
        </Group>
        <Group gap="xs">
          {job && <JobButtons row={row} job={job} />}
          {row.job !== null && (
            <Button
              variant={job?.state === 'succeeded' ? 'filled' : 'default'}
              rightSection={<IconArrowRight size={16} aria-hidden />}
              renderRoot={(props) => <Link {...props} to="/jobs/$jobId" params={{ jobId: row.job ?? '' }} />}
            >
              {job?.state === 'succeeded' ? t('see_result') : t('see_job')}
            </Button>
          )}
        </Group>
      </Group>
      {why !== null && (
        <Alert
          color="red"
          title={t(
            row.stage === 'sending' ? 'waiting_title' : row.stage === 'rejected' ? 'rejected_title' : 'failed_title',
          )}
        >
          {inWords(why)}
        </Alert>
      )}
    </Stack>
  );

  function wordsFor(file: Row, now: JobView | undefined): string {
    return now ? t(`job.${now.state}`) : t(`stage.${file.stage}`);
  }
}

/** The result in a line, so that the page itself answers. */
function Headline({ result }: { result: HeadlineView }) {
  const { i18n } = useTranslation();
  const { label, probability, decision, three_way, region } = result;
  const said = three_way ?? decision;
  const percent = new Intl.NumberFormat(i18n.language, { style: 'percent' });
  const parts = [
    label === null ? null : nameOf(label, i18n),
    probability === null ? null : percent.format(probability),
    region === null ? null : `· ${nameOf(region, i18n)}`,
  ];
  return (
    <>
      {said !== null && <DecisionBadge decision={said} />}
      <Text size="sm">{parts.filter((part) => part !== null).join(' ')}</Text>
    </>
  );
}

function problemOfJob(job: JobView | undefined): Problem | null {
  if (!job?.problem) return null;
  const { status, code, title, detail } = job.problem;
  return new Problem(status, code, title, detail);
}
