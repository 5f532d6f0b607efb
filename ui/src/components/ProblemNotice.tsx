import { Alert, Button, Group, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { inWords, problemOf } from '@/problem';

/** What went wrong, in plain words, and the way to try it again where that may help. */
export function ProblemNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const problem = problemOf(error);
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle aria-hidden />} title={t('error_title')} role="alert">
      <Text size="sm">{inWords(problem)}</Text>
      <Group mt="xs" justify="space-between">
        <Text size="xs" ff="monospace">
          {problem.code}
        </Text>
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            {t('retry')}
          </Button>
        )}
      </Group>
    </Alert>
  );
}
