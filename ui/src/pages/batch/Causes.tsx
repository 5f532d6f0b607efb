import { Anchor, Badge, Card, Table, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { BatchView, FailureView } from '@/client';
import classes from '@/pages/batch/ItemTable.module.css';
import { inWords, Problem } from '@/problem';

/** What went wrong, by cause: the commonest first, each in plain words, with its files. */
export function Causes({ batch }: { batch: BatchView }) {
  const { t } = useTranslation('batches');
  return (
    <Card withBorder component="section" aria-labelledby="causes">
      <Title order={2} size="h4" id="causes" mb="xs">
        {t('causes')}
      </Title>
      <Table>
        <Table.Tbody>
          {batch.failures.map((failure) => (
            <Cause key={`${failure.stage} ${failure.code}`} batchId={batch.id} failure={failure} />
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

function Cause({ batchId, failure: { stage, code, title, count } }: { batchId: string; failure: FailureView }) {
  const { t, i18n } = useTranslation('batches');
  const words = inWords(new Problem(422, code, title, title));
  return (
    <Table.Tr>
      <Table.Td w="1%" className={classes.narrow}>
        <Badge color="red" variant="light" size="lg" tt="none">
          {new Intl.NumberFormat(i18n.language).format(count)}
        </Badge>
      </Table.Td>
      <Table.Td>
        <Text size="sm">{words}</Text>
        <Text size="xs" c="dimmed">
          {t(stage === 'rejected' ? 'cause.rejected' : 'cause.job')} · <span translate="no">{code}</span>
        </Text>
      </Table.Td>
      <Table.Td w="1%" className={classes.narrow}>
        <Anchor
          size="sm"
          aria-label={t('cause.show_named', { cause: words })}
          renderRoot={(props) => (
            <Link {...props} to="/batches/$batchId" params={{ batchId }} search={{ code }} hash="files" />
          )}
        >
          {t('cause.show')}
        </Anchor>
      </Table.Td>
    </Table.Tr>
  );
}
