import { Badge, Button, Group, Kbd, Stack, Text, Textarea } from '@mantine/core';
import { IconCheck, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { type RefObject, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FindingView } from '@/client';
import { feedbackOfJobOptions } from '@/client/@tanstack/react-query.gen';
import { percent } from '@/components/Decision';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import type { Giving } from './useFeedback';
import { useLabelName } from './useLabelName';

interface FeedbackProps {
  jobId: string;
  finding: FindingView;
  giving: Giving;
  comment: RefObject<HTMLTextAreaElement | null>;
}

const LONGEST = 2000;

/** What the reader says of a Finding's decision: kept at once, changed or taken back at any time. */
export function Feedback({ jobId, finding, giving, comment }: FeedbackProps) {
  const { t, i18n } = useTranslation('viewer');
  const labelName = useLabelName();
  const { data, error, refetch } = useQuery(feedbackOfJobOptions({ path: { job_id: jobId } }));
  const said = data?.items.filter(({ label }) => label === finding.label) ?? [];
  const mine = said.find((one) => one.mine);
  const [draft, setDraft] = useState('');
  const kept = mine?.comment ?? '';
  useEffect(() => setDraft(kept), [kept]);
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  const others = said.filter((one) => !one.mine);
  const verdict = mine?.verdict;
  return (
    <Stack gap="xs" data-testid="feedback">
      <Text size="sm">
        {t(`${finding.three_way?.decision === 'refer' ? 'feedback_refer' : 'feedback_question'}.${finding.decision}`, {
          label: labelName(finding.label),
          threshold: percent(finding.threshold, i18n.language),
        })}
      </Text>
      <Group gap="xs" grow>
        <Button
          variant={verdict === 'accept' ? 'filled' : 'default'}
          color="teal.9"
          leftSection={<IconCheck size={18} aria-hidden />}
          rightSection={<Kbd size="xs">A</Kbd>}
          px="xs"
          aria-keyshortcuts="A"
          aria-pressed={verdict === 'accept'}
          loading={giving.pending}
          onClick={() => giving.give('accept', draft)}
        >
          {t('accept')}
        </Button>
        <Button
          variant={verdict === 'reject' ? 'filled' : 'default'}
          color="red.9"
          leftSection={<IconX size={18} aria-hidden />}
          rightSection={<Kbd size="xs">R</Kbd>}
          px="xs"
          aria-keyshortcuts="R"
          aria-pressed={verdict === 'reject'}
          loading={giving.pending}
          onClick={() => giving.give('reject', draft)}
        >
          {t('reject')}
        </Button>
      </Group>
      <Textarea
        ref={comment}
        label={t('comment')}
        description={t('comment_hint')}
        autosize
        minRows={2}
        maxRows={6}
        maxLength={LONGEST}
        value={draft}
        onChange={(event) => setDraft(event.currentTarget.value)}
      />
      {verdict && (
        <Group justify="space-between">
          <Text size="xs" role="status">
            {t(`said.${verdict}`)} <Time at={mine?.updated_at} />
          </Text>
          <Group gap="xs">
            {draft.trim() !== kept && (
              <Button size="compact-sm" loading={giving.pending} onClick={() => giving.give(verdict, draft)}>
                {t('save_comment')}
              </Button>
            )}
            <Button size="compact-sm" variant="default" loading={giving.pending} onClick={giving.withdraw}>
              {t('withdraw')}
            </Button>
          </Group>
        </Group>
      )}
      {giving.error ? <ProblemNotice error={giving.error} /> : null}
      {others.map((one) => (
        <Group key={one.reader} gap="xs" align="baseline">
          <Badge variant="light" tt="none" color={one.verdict === 'accept' ? 'teal' : 'red'}>
            {t(`other.${one.verdict}`)}
          </Badge>
          <Text size="xs">
            <Time at={one.updated_at} />
          </Text>
          {one.comment && <Text size="sm">{one.comment}</Text>}
        </Group>
      ))}
    </Stack>
  );
}
