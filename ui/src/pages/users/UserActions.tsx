import { ActionIcon, Menu } from '@mantine/core';
import { IconDots } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import { type UsersChangeData, type UserView, usersChange, usersRemove, usersResetPassword } from '@/client';
import { usersListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { confirmed, refused } from '@/components/consequence';
import { showSecret } from '@/components/secret';
import { ROLES } from '@/pages/users/UserForm';

/** What may be done with a user: another role here, a new password, out. */
export function UserActions({ user }: { user: UserView }) {
  const { t } = useTranslation(['admin', 'shell', 'words']);
  const queries = useQueryClient();
  const allowed = useAllowed();
  const { data: session } = useQuery(sessionQuery);
  const here = user.roles.find(({ site_id }) => site_id === session?.site?.id);
  const path = { user_id: user.id };
  const options = {
    onError: refused,
    onSettled: () => queries.invalidateQueries({ queryKey: [{ _id: usersListingQueryKey()[0]._id }] }),
  };
  const change = useMutation({
    mutationFn: (body: UsersChangeData['body']) => usersChange({ path, body, throwOnError: true }),
    ...options,
  });
  const remove = useMutation({ mutationFn: () => usersRemove({ path, throwOnError: true }), ...options });
  const reset = useMutation({
    mutationFn: async () => (await usersResetPassword({ path, throwOnError: true })).data,
    onSuccess: ({ password }) =>
      showSecret({
        title: t('users.reset_done', { name: user.name }),
        label: t('users.password'),
        secret: password,
        hint: t('users.once'),
      }),
    ...options,
  });
  const ask = (verb: 'remove' | 'reset' | 'disable', onConfirm: () => void) =>
    confirmed({
      title: t('of', { action: t(`users.${verb}`), name: user.name }),
      detail: t(`users.${verb}_detail`),
      confirm: t(`users.${verb}`),
      cancel: t('shell:cancel'),
      onConfirm,
    });
  return (
    <Menu position="bottom-end" withInitialFocusPlaceholder={false} menuItemTabIndex={0}>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t('of', { action: t('actions'), name: user.name })}>
          <IconDots size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {here &&
          ROLES.filter((role) => role !== here.role).map((role) => (
            <Menu.Item key={role} onClick={() => change.mutate({ role })}>
              {t('users.make', { role: t(`words:role.${role}`) })}
            </Menu.Item>
          ))}
        {here && <Menu.Item onClick={() => ask('remove', () => remove.mutate())}>{t('users.remove')}</Menu.Item>}
        {user.manageable && (
          <>
            <Menu.Item onClick={() => ask('reset', () => reset.mutate())}>{t('users.reset')}</Menu.Item>
            {user.disabled ? (
              <Menu.Item onClick={() => change.mutate({ disabled: false })}>{t('users.enable')}</Menu.Item>
            ) : (
              <Menu.Item onClick={() => ask('disable', () => change.mutate({ disabled: true }))}>
                {t('users.disable')}
              </Menu.Item>
            )}
          </>
        )}
        {allowed('operate') && (
          <Menu.Item onClick={() => change.mutate({ operator: !user.operator })}>
            {user.operator ? t('users.no_operator') : t('users.make_operator')}
          </Menu.Item>
        )}
        {!user.manageable && !here && !allowed('operate') && <Menu.Label>{t('users.nothing')}</Menu.Label>}
      </Menu.Dropdown>
    </Menu>
  );
}
