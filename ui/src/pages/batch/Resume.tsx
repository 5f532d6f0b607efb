import { ActionIcon, Alert, Button, Code, CopyButton, Group, Stack, Text } from '@mantine/core';
import { IconCheck, IconCopy, IconPlugConnectedX } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';
import { batchesCompleteMutation, batchesLookQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import classes from '@/pages/batch/ItemTable.module.css';

/** How to go on with a batch whose files have not all come. */
export function Resume({ batch }: { batch: BatchView }) {
  const { t } = useTranslation(['batches', 'shell']);
  const queries = useQueryClient();
  const end = useMutation({
    ...batchesCompleteMutation(),
    onSuccess: (data) => queries.setQueryData(batchesLookQueryKey({ path: { batch_id: batch.id } }), data),
  });
  const command = `lucency batch ${t('resume.folder')} --recursive --resume`;
  return (
    <Alert
      variant="default"
      icon={<IconPlugConnectedX aria-hidden />}
      title={t('resume.title', { count: batch.counts.awaiting ?? 0 })}
    >
      <Stack gap="xs">
        <Text size="sm">{t('resume.browser')}</Text>
        <Text size="sm">{t('resume.command')}</Text>
        <Group gap="xs" wrap="nowrap">
          <Code className={classes.command}>{command}</Code>
          <CopyButton value={command}>
            {({ copied, copy }) => (
              <ActionIcon
                variant="default"
                size="lg"
                onClick={copy}
                aria-label={t(copied ? 'shell:copied' : 'shell:copy')}
              >
                {copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
              </ActionIcon>
            )}
          </CopyButton>
        </Group>
        <Group>
          <Button size="xs" renderRoot={(props) => <Link {...props} to="/submit" />}>
            {t('submit')}
          </Button>
          <Button
            size="xs"
            variant="default"
            loading={end.isPending}
            onClick={() => end.mutate({ path: { batch_id: batch.id } })}
          >
            {t('resume.end')}
          </Button>
        </Group>
        {end.isError && <ProblemNotice error={end.error} />}
      </Stack>
    </Alert>
  );
}
