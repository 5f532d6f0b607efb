import { Alert, Button, Group, Progress, Stack, Text } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { jobsPollOptions } from '@/client/@tanstack/react-query.gen';
import { Bytes } from '@/components/Bytes';
import { StateBadge } from '@/components/StateBadge';
import { DropButtons } from '@/pages/submit/DropButtons';
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
          {row.stage !== 'rejected' && <Text size="sm">{wordsFor(row, job)}</Text>}
        </Group>
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
      {why !== null && (
        <Alert color="red" title={t(row.stage === 'rejected' ? 'rejected_title' : 'failed_title')}>
          {inWords(why)}
        </Alert>
      )}
    </Stack>
  );

  function wordsFor(file: Row, now: JobView | undefined): string {
    return now ? t(`job.${now.state}`) : t(`stage.${file.stage}`);
  }
}

function problemOfJob(job: JobView | undefined): Problem | null {
  if (!job?.problem) return null;
  const { status, code, title, detail } = job.problem;
  return new Problem(status, code, title, detail);
}
