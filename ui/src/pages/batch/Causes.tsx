import { Anchor, Badge, Card, Table, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';
import classes from '@/pages/batch/ItemTable.module.css';
import { inWords, Problem } from '@/problem';

/** What went wrong, by cause: the commonest first, each in plain words, with its files. */
export function Causes({ batch }: { batch: BatchView }) {
  const { t, i18n } = useTranslation('batches');
  return (
    <Card withBorder component="section" aria-labelledby="causes">
      <Title order={2} size="h4" id="causes" mb="xs">
        {t('causes')}
      </Title>
      <Table>
        <Table.Tbody>
          {batch.failures
            .map((failure) => ({
              ...failure,
              words: inWords(new Problem(422, failure.code, failure.title, failure.title)),
            }))
            .map(({ stage, code, words, count }) => (
              <Table.Tr key={`${stage} ${code}`}>
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
                      <Link
                        {...props}
                        to="/batches/$batchId"
                        params={{ batchId: batch.id }}
                        search={{ code }}
                        hash="files"
                      />
                    )}
                  >
                    {t('cause.show')}
                  </Anchor>
                </Table.Td>
              </Table.Tr>
            ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
