import { Anchor, Badge, Group, Progress, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import type { HeadlineView, JobState } from '@/client';
import { Bytes } from '@/components/Bytes';
import { Decision } from '@/components/Decision';
import { StateBadge } from '@/components/StateBadge';
import classes from '@/pages/submit/FileList.module.css';
import { inWords, Problem } from '@/problem';
import type { Stage } from '@/upload/model';

interface FileRowProps {
  name: string;
  size: number;
  stage: Stage;
  /** Of the bytes, how many have left: 0 to 1. */
  share: number;
  job: string | null;
  jobState: JobState | null;
  /** What was found, once its job succeeded. */
  result: HeadlineView | null;
  problem: Problem | null;
  /** Why its job ended without a result. */
  code: string | null;
  detail: string | null;
}

const COLORS: Record<Stage, string> = {
  waiting: 'gray',
  hashing: 'gray',
  sending: 'blue',
  accepted: 'gray',
  duplicate: 'blue',
  rejected: 'red',
  failed: 'orange',
  cancelled: 'gray',
};

/** One file on its way, in a line or two. */
export const FileRow = memo(function FileRow(props: FileRowProps) {
  const { name, size, stage, share, job, jobState, result, problem, code, detail } = props;
  const { t } = useTranslation('submit');
  const why = problem ?? (code !== null ? new Problem(422, code, detail ?? code, detail ?? '') : null);
  return (
    <li className={classes.row} data-stage={stage} data-job-state={jobState ?? undefined}>
      <div className={classes.line}>
        <Text size="sm" className={classes.name}>
          {name}
        </Text>
        <Group gap="xs" className={classes.signs}>
          <Text size="xs" c="dimmed" visibleFrom="sm">
            <Bytes count={size} />
          </Text>
          {stage === 'sending' && <Progress value={share * 100} w={80} aria-label={t('sending_named', { name })} />}
          {jobState === null || stage === 'duplicate' ? (
            <Badge color={COLORS[stage]} variant="light" tt="none">
              {t(`stage.${stage}`)}
            </Badge>
          ) : null}
          {jobState !== null && <StateBadge state={jobState} />}
          {result !== null && <Decision result={result} wrap />}
          {job !== null && (
            <Anchor
              size="sm"
              aria-label={t('open_named', { name })}
              renderRoot={(rest) => <Link {...rest} to="/jobs/$jobId" params={{ jobId: job }} />}
            >
              {t('open')}
            </Anchor>
          )}
        </Group>
      </div>
      {why !== null && <Text size="sm">{inWords(why)}</Text>}
    </li>
  );
});
