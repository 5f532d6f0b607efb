import { Badge, Button, Group, Skeleton, Switch, Table, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconUsers } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import type { UserView } from '@/client';
import { usersListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { WideTable } from '@/components/WideTable';
import { UserActions } from '@/pages/users/UserActions';
import { UserForm } from '@/pages/users/UserForm';

/** Who may come in: the members of the Site in view; for operators everyone. */
export function UsersPage() {
  const { t } = useTranslation(['admin', 'shell']);
  const allowed = useAllowed();
  const { data: session } = useQuery(sessionQuery);
  const search = useSearch({ strict: false }) as { everyone?: unknown };
  const navigate = useNavigate();
  const here = session?.scopes.includes('admin') === true;
  const everyone = allowed('operate') && (search.everyone === true || !here);
  const { data, error, refetch } = useQuery(usersListingOptions({ query: { everyone } }));
  const add = () => modals.open({ title: t('users.new'), children: <UserForm /> });
  const show = (value: boolean) => void navigate({ to: '/admin/users', search: value ? { everyone: true } : {} });
  return (
    <Page title={t('users.title')} actions={<Button onClick={add}>{t('users.new')}</Button>}>
      {allowed('operate') && here && (
        <Switch
          label={t('users.everyone')}
          checked={everyone}
          onChange={(event) => show(event.currentTarget.checked)}
        />
      )}
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={240} aria-label={t('shell:loading')} />}
      {data?.items.length === 0 && <Empty icon={<IconUsers size={40} aria-hidden />} title={t('users.empty')} />}
      {data && data.items.length > 0 && (
        <WideTable label={t('users.title')} minWidth={720} stacked>
          <Table verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('name')}</Table.Th>
                <Table.Th>{t('users.roles')}</Table.Th>
                <Table.Th>{t('users.signed_in')}</Table.Th>
                <Table.Th>{t('actions')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {data.items.map((user) => (
                <UserRow key={user.id} user={user} self={user.id === session?.user.id} />
              ))}
            </Table.Tbody>
          </Table>
        </WideTable>
      )}
    </Page>
  );
}

function UserRow({ user, self }: { user: UserView; self: boolean }) {
  const { t } = useTranslation(['admin', 'words']);
  const locked = user.locked_until !== null && Date.parse(user.locked_until) > Date.now();
  return (
    <Table.Tr>
      <Table.Td data-label={t('name')}>
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {user.name}
          </Text>
          {self && (
            <Badge variant="default" tt="none">
              {t('users.self')}
            </Badge>
          )}
          {user.disabled && (
            <Badge color="red" variant="light" tt="none">
              {t('users.disabled')}
            </Badge>
          )}
          {locked && (
            <Badge color="orange" variant="light" tt="none">
              {t('users.locked')}
            </Badge>
          )}
        </Group>
        <Text size="xs" c="dimmed">
          {user.email}
        </Text>
      </Table.Td>
      <Table.Td data-label={t('users.roles')}>
        <Group gap={4}>
          {user.operator && <Badge tt="none">{t('users.operator')}</Badge>}
          {user.roles.map((role) => (
            <Badge key={role.site_id} variant="default" tt="none">
              {t('users.role_at', { role: t(`words:role.${role.role}`), site: role.site })}
            </Badge>
          ))}
        </Group>
      </Table.Td>
      <Table.Td data-label={t('users.signed_in')}>
        <Time at={user.signed_in_at} />
      </Table.Td>
      <Table.Td data-label={t('actions')}>{!self && <UserActions user={user} />}</Table.Td>
    </Table.Tr>
  );
}
