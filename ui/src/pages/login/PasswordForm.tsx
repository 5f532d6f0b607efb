import { Alert, Button, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { SessionView } from '@/client';
import { sessionStart } from '@/client';
import { ProblemNotice } from '@/components/ProblemNotice';
import { useCountdown } from '@/pages/login/useCountdown';
import { inWords, problemOf } from '@/problem';

// What the form itself explains; anything else is told as everywhere.
const OURS = new Set(['sign_in_refused', 'sign_in_locked', 'https_needed', 'request_invalid']);

export function PasswordForm({ onEnter }: { onEnter: (session: SessionView) => void }) {
  const { t } = useTranslation('login');
  const lock = useCountdown();
  const [locked, setLocked] = useState('');
  const form = useForm({ initialValues: { email: '', password: '' } });
  const signIn = useMutation({
    mutationFn: async (body: { email: string; password: string }) =>
      (await sessionStart({ body, throwOnError: true })).data,
    onSuccess: onEnter,
    onError: (error) => {
      const problem = problemOf(error);
      form.setFieldValue('password', '');
      if (problem.code !== 'sign_in_locked') return;
      lock.start(problem.retryAfter ?? 60);
      setLocked(form.getValues().email);
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => signIn.mutate(values))}>
      <Stack gap="sm">
        {signIn.isError && <Refused error={signIn.error} wait={lock.left} />}
        <TextInput
          label={t('email')}
          type="email"
          name="email"
          autoComplete="username"
          autoFocus
          required
          withAsterisk={false}
          {...form.getInputProps('email')}
        />
        <PasswordInput
          label={t('password')}
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          visibilityToggleButtonProps={{ 'aria-label': t('show_password') }}
          {...form.getInputProps('password')}
        />
        <Button
          type="submit"
          loading={signIn.isPending}
          disabled={lock.left > 0 && form.values.email === locked}
          mt="xs"
        >
          {t('submit')}
        </Button>
      </Stack>
    </form>
  );
}

/** Why it did not work, and how long to wait where waiting is what helps. */
function Refused({ error, wait }: { error: unknown; wait: number }) {
  const { t } = useTranslation('login');
  const problem = problemOf(error);
  if (!OURS.has(problem.code)) return <ProblemNotice error={error} />;
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle aria-hidden />}>
      <Text size="sm" role="alert">
        {inWords(problem)}
      </Text>
      {problem.code === 'sign_in_locked' && (
        <Text size="sm" mt={4} role="timer">
          {wait > 0 ? t('locked', { wait: clock(wait) }) : t('unlocked')}
        </Text>
      )}
    </Alert>
  );
}

const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
