import { Button, Checkbox, Group, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { type KeyMade, keysCreate, type Scope } from '@/client';
import { keysListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';

const SCOPES: Scope[] = ['read', 'submit', 'admin', 'operate'];
const DAYS = ['30', '90', '365', ''] as const;
const DAY = 86_400_000;

/** What a new key is for, what it may do, and for how long. */
export function KeyForm({ onMade }: { onMade: (made: KeyMade) => void }) {
  const { t } = useTranslation(['admin', 'shell']);
  const allowed = useAllowed();
  const queries = useQueryClient();
  const form = useForm({
    initialValues: { name: '', scopes: ['read', 'submit'] as Scope[], days: '365' },
    validate: {
      name: (name) => (name.trim() ? null : t('needed')),
      scopes: (scopes) => (scopes.length > 0 ? null : t('needed')),
    },
  });
  const create = useMutation({
    mutationFn: async ({ name, scopes, days }: typeof form.values) => {
      const expires_at = days ? new Date(Date.now() + Number(days) * DAY).toISOString() : null;
      return (await keysCreate({ body: { name, scopes, expires_at }, throwOnError: true })).data;
    },
    onSuccess: (made) => {
      modals.closeAll();
      onMade(made);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: keysListingQueryKey() }),
  });
  return (
    <form onSubmit={form.onSubmit((values) => create.mutate(values))}>
      <Stack>
        <TextInput
          label={t('name')}
          description={t('keys.name_hint')}
          data-autofocus
          maxLength={200}
          {...form.getInputProps('name')}
        />
        <Checkbox.Group label={t('keys.may')} {...form.getInputProps('scopes')}>
          <Stack gap="xs" mt={4}>
            {SCOPES.filter((scope) => scope !== 'operate' || allowed('operate')).map((scope) => (
              <Checkbox key={scope} value={scope} label={t(`scope.${scope}`)} description={t(`scope_hint.${scope}`)} />
            ))}
          </Stack>
        </Checkbox.Group>
        <Select
          label={t('keys.ends')}
          allowDeselect={false}
          data={DAYS.map((days) => ({ value: days, label: days ? t('days', { count: Number(days) }) : t('never') }))}
          {...form.getInputProps('days')}
        />
        {create.isError && <ProblemNotice error={create.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={create.isPending}>
            {t('keys.make')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
