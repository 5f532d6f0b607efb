import { Button, Center, Loader, Stack, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Problem } from '@/problem';

/** While a page's code or its first data is on its way. */
export function Pending() {
  const { t } = useTranslation();
  return (
    <Center h="50vh">
      <Loader aria-label={t('loading')} />
    </Center>
  );
}

// What browsers say where a page's code cannot be fetched.
const NOT_FETCHED = /fetch|import|load/i;

/** A page that threw: its code did not arrive, or has a fault, which is no matter of the connection. */
export function Crashed({ error: thrown, reset }: { error: unknown; reset: () => void }) {
  const fault = thrown instanceof Error && !(thrown instanceof Problem) && !NOT_FETCHED.test(thrown.message);
  const error = fault ? new Problem(0, 'unknown', thrown.message, '') : thrown;
  return (
    <Stack p="xl" maw={640} mx="auto">
      <ProblemNotice error={error} onRetry={reset} />
    </Stack>
  );
}

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Stack p="xl" align="center">
      <Title order={1}>{t('not_found')}</Title>
      <Text>{t('not_found_detail')}</Text>
      <Button component={Link} to="/">
        {t('home')}
      </Button>
    </Stack>
  );
}

/** A page that the user's role does not open. */
export function Forbidden() {
  const { t } = useTranslation();
  return (
    <Page title={t('forbidden')}>
      <Text>{t('forbidden_detail')}</Text>
    </Page>
  );
}
