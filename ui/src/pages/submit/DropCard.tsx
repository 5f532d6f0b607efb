import { Alert, Badge, Button, Card, Group, Progress, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { DropButtons } from '@/pages/submit/DropButtons';
import { FileList } from '@/pages/submit/FileList';
import { SingleFile } from '@/pages/submit/SingleFile';
import { tallyOf } from '@/pages/submit/tally';
import { useItemStates } from '@/pages/submit/useItemStates';
import { inWords } from '@/problem';
import type { Drop } from '@/upload/model';

/** What was dropped in one go: how far it has come, and what can be done about it. */
export function DropCard({ drop }: { drop: Drop }) {
  const card = useRef<HTMLDivElement>(null);
  // Whoever pressed a sample's button far below should see what it did.
  useEffect(() => {
    card.current?.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  }, []);
  return (
    <Card withBorder padding="md" component="article" ref={card} data-drop={drop.phase}>
      {drop.kind === 'file' ? <SingleFile drop={drop} /> : <Several drop={drop} />}
    </Card>
  );
}

function Several({ drop }: { drop: Drop }) {
  const { t } = useTranslation('submit');
  const states = useItemStates(drop);
  const tally = tallyOf(drop, states);
  const { files, sentShare, doneShare } = tally;
  const title = drop.title ?? t('several', { count: files });
  const through = drop.phase === 'done' && tally.judged + tally.unsuccessful === tally.taken;
  return (
    <Stack gap="sm">
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Text fw={600} truncate title={title}>
          {title}
        </Text>
        <DropButtons drop={drop} unsent={tally.failed} />
      </Group>
      <Text size="sm" role="status" aria-live="polite">
        {t(through ? 'phase.through' : `phase.${drop.phase}`, { sent: tally.decided, count: files })}
      </Text>
      <Progress.Root size="lg">
        <Progress.Section value={doneShare * 100} color="teal" aria-label={t('tally.judged')} />
        <Progress.Section value={Math.max(0, sentShare - doneShare) * 100} aria-label={t('tally.sent')} />
      </Progress.Root>
      <Group gap="xs">
        <Count color="teal" word={t('tally.judged_of', { judged: tally.judged, count: tally.taken })} show />
        <Count color="blue" word={t('tally.duplicates', { count: tally.duplicates })} show={tally.duplicates > 0} />
        <Count color="red" word={t('tally.rejected', { count: tally.rejected })} show={tally.rejected > 0} />
        <Count
          color="red"
          word={t('tally.unsuccessful', { count: tally.unsuccessful })}
          show={tally.unsuccessful > 0}
        />
        <Count color="orange" word={t('tally.failed', { count: tally.failed })} show={tally.failed > 0} />
      </Group>
      {drop.leftOut > 0 && (
        <Text size="sm" c="dimmed">
          {t('tally.left_out', { count: drop.leftOut })}
        </Text>
      )}
      {drop.resumed && <Text size="sm">{t('resumed')}</Text>}
      {drop.problem !== null && (
        <Alert color="red" role="alert">
          {inWords(drop.problem)}
        </Alert>
      )}
      {drop.batch !== null && (
        <Group>
          <Button
            size="sm"
            variant={through ? 'filled' : 'light'}
            renderRoot={(props) => <Link {...props} to="/batches/$batchId" params={{ batchId: drop.batch ?? '' }} />}
          >
            {t('to_batch')}
          </Button>
        </Group>
      )}
      {files > 0 && <FileList drop={drop} states={states} />}
    </Stack>
  );
}

function Count({ color, word, show }: { color: string; word: string; show: boolean }) {
  if (!show) return null;
  return (
    <Badge variant="light" color={color} tt="none" size="lg">
      {word}
    </Badge>
  );
}
