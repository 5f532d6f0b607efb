import { Badge, Card, Group, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { sessionQuery } from '@/auth/session';
import type { SessionView } from '@/client';
import { Page } from '@/components/Page';
import { OwnSessions } from '@/pages/account/OwnSessions';
import { PasswordChangeForm } from '@/pages/account/PasswordChangeForm';

/** Who one is here, one's password, and where one is signed in. */
export function AccountPage() {
  const { t } = useTranslation('account');
  const { data: session } = useQuery(sessionQuery);
  if (!session) return null;
  return (
    <Page title={t('title')}>
      <Stack maw={720} gap="md">
        <Profile session={session} />
        <Card withBorder component="section" aria-labelledby="password-title">
          <Title order={2} size="h4" id="password-title" mb="sm">
            {t('password.title')}
          </Title>
          {session.user.has_password ? (
            <PasswordChangeForm email={session.user.email} />
          ) : (
            <Text size="sm">{t('password.none')}</Text>
          )}
        </Card>
        <OwnSessions />
      </Stack>
    </Page>
  );
}

function Profile({ session }: { session: SessionView }) {
  const { t } = useTranslation('account');
  const { t: words } = useTranslation('words');
  return (
    <Card withBorder component="section" aria-labelledby="profile-title">
      <Title order={2} size="h4" id="profile-title" mb="sm">
        {session.user.name}
      </Title>
      <Text size="sm">{session.user.email}</Text>
      <Group gap="xs" mt="sm" component="ul" p={0} m={0} aria-label={t('roles')}>
        {session.user.operator && (
          <Badge component="li" variant="filled" tt="none">
            {t('operator')}
          </Badge>
        )}
        {session.sites.map((site) => (
          <Badge key={site.id} component="li" variant="light" tt="none">
            {t('role_at', { role: words(`role.${site.role}`), site: site.name })}
          </Badge>
        ))}
      </Group>
    </Card>
  );
}
