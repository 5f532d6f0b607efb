import { Button, Checkbox, Group, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import { type Role, usersAdd } from '@/client';
import { sitesListingOptions, usersListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { showSecret } from '@/components/secret';

export const ROLES: Role[] = ['viewer', 'submitter', 'admin'];

// As the API asks.
const EMAIL = /^[!-?A-~]{1,64}@[!-?A-~]{1,189}$/;

/** Whom to let in, and as what. */
export function UserForm() {
  const { t } = useTranslation(['admin', 'words', 'problems']);
  const queries = useQueryClient();
  const operates = useAllowed()('operate');
  const { data: session } = useQuery(sessionQuery);
  const { data: sites } = useQuery({ ...sitesListingOptions(), enabled: operates });
  const form = useForm({
    initialValues: { email: '', name: '', role: 'viewer' as Role, site: session?.site?.id ?? '', password: true },
    validate: {
      email: (email) => (EMAIL.test(email.trim()) ? null : t('problems:email_invalid')),
      site: (site) => (site ? null : t('needed')),
    },
  });
  const add = useMutation({
    mutationFn: async ({ email, name, role, site, password }: typeof form.values) =>
      (await usersAdd({ body: { email, name, role, password, site_id: site }, throwOnError: true })).data,
    onSuccess: (made) => {
      modals.closeAll();
      if (made.password === null)
        notifications.show({ color: 'teal', message: t('users.let_in', { name: made.name }) });
      else
        showSecret({
          title: t('users.made', { name: made.name }),
          label: t('users.password'),
          secret: made.password,
          hint: t('users.once'),
        });
    },
    onSettled: () => queries.invalidateQueries({ queryKey: [{ _id: usersListingQueryKey()[0]._id }] }),
  });
  return (
    <form noValidate onSubmit={form.onSubmit((values) => add.mutate(values))}>
      <Stack>
        <TextInput label={t('users.email')} type="email" data-autofocus {...form.getInputProps('email')} />
        <TextInput label={t('name')} description={t('users.name_hint')} {...form.getInputProps('name')} />
        <Select
          label={t('users.role')}
          allowDeselect={false}
          data={ROLES.map((role) => ({ value: role, label: t(`words:role.${role}`) }))}
          description={t(`users.role_hint.${form.values.role}`)}
          {...form.getInputProps('role')}
        />
        {operates && sites && (
          <Select
            label={t('users.site')}
            allowDeselect={false}
            data={sites.items.map(({ id, name }) => ({ value: id, label: name }))}
            {...form.getInputProps('site')}
          />
        )}
        <Checkbox label={t('users.with_password')} {...form.getInputProps('password', { type: 'checkbox' })} />
        {add.isError && <ProblemNotice error={add.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={add.isPending}>
            {t('users.add')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
