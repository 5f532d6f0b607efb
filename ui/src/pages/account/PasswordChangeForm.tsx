import { Button, Group, PasswordInput, Stack, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { sessionQuery } from '@/auth/session';
import { sessionChangePassword } from '@/client';
import { sessionListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { problemOf } from '@/problem';

const SHORTEST = 12;
const LONGEST = 1024;

/** Change one's own password; all other sessions end with it. */
export function PasswordChangeForm({ email }: { email: string }) {
  const { t } = useTranslation('account');
  const queries = useQueryClient();
  const form = useForm({
    initialValues: { current: '', fresh: '', again: '' },
    validateInputOnBlur: ['fresh', 'again'],
    validate: {
      fresh: (value) =>
        [...value].length < SHORTEST || [...value].length > LONGEST ? t('password.unfit', { count: SHORTEST }) : null,
      again: (value, values) => (value === values.fresh ? null : t('password.differs')),
    },
  });
  const change = useMutation({
    mutationFn: async ({ current, fresh }: { current: string; fresh: string }) =>
      (await sessionChangePassword({ body: { current, new: fresh }, throwOnError: true })).data,
    onSuccess: (session) => {
      queries.setQueryData(sessionQuery.queryKey, session);
      void queries.invalidateQueries({ queryKey: sessionListingQueryKey() });
      form.reset();
      notifications.show({ color: 'teal', message: t('password.changed') });
    },
    onError: (error) => {
      if (problemOf(error).code === 'password_wrong') form.setFieldError('current', t('password.wrong'));
    },
  });
  const explained = change.isError && problemOf(change.error).code === 'password_wrong';
  return (
    <form onSubmit={form.onSubmit((values) => change.mutate(values))}>
      <Stack gap="sm" maw={420}>
        {/* So that a password manager knows whose password it keeps. */}
        <input type="text" name="username" autoComplete="username" value={email} readOnly hidden />
        {change.isError && !explained && <ProblemNotice error={change.error} />}
        <PasswordInput
          label={t('password.current')}
          autoComplete="current-password"
          visibilityToggleButtonProps={{ 'aria-label': t('password.show') }}
          required
          withAsterisk={false}
          {...form.getInputProps('current')}
        />
        <PasswordInput
          label={t('password.new')}
          description={t('password.hint', { count: SHORTEST })}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('password.show') }}
          required
          withAsterisk={false}
          {...form.getInputProps('fresh')}
        />
        <PasswordInput
          label={t('password.again')}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': t('password.show') }}
          required
          withAsterisk={false}
          {...form.getInputProps('again')}
        />
        <Group>
          <Button type="submit" loading={change.isPending}>
            {t('password.change')}
          </Button>
        </Group>
        <Text size="xs" c="dimmed">
          {t('password.effect')}
        </Text>
      </Stack>
    </form>
  );
}
