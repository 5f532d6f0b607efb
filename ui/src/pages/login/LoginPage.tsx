import { Alert, Anchor, Button, Card, Center, Code, Divider, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconInfoCircle, IconLogin } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { forgetData, sessionQuery } from '@/auth/session';
import type { MethodsView, SessionView } from '@/client';
import { sessionMethodsOptions } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { chooseLanguage, LANGUAGES, type Language } from '@/i18n';
import { PasswordForm } from '@/pages/login/PasswordForm';

/** The one page without a session: by password, by single sign-on, or how the first user is made. */
export function LoginPage() {
  const { t } = useTranslation('login');
  const { t: shell } = useTranslation();
  const queries = useQueryClient();
  const router = useRouter();
  const { next, notice } = useSearch({ from: '/login' });
  const { data: session } = useQuery(sessionQuery);
  const methods = useQuery(sessionMethodsOptions());
  const target = next ?? '/';
  useEffect(() => {
    document.title = `${t('title')} · Lucency`;
  }, [t]);
  useEffect(() => {
    if (session) router.history.replace(target);
    else forgetData(queries);
  }, [session, router, target, queries]);
  const enter = (signedIn: SessionView) => queries.setQueryData(sessionQuery.queryKey, signedIn);
  return (
    <Center component="main" mih="100dvh" p="md">
      <Stack w="100%" maw={400} gap="lg">
        <Group justify="center" gap="sm">
          <img src="/icon.svg" width={40} height={40} alt="" />
          <Title order={1}>{shell('product')}</Title>
        </Group>
        <Card withBorder padding="xl">
          <Stack gap="md">
            <Title order={2} size="h3">
              {t('title')}
            </Title>
            {notice && (
              <Alert color={notice === 'ended' ? 'blue' : 'red'} icon={<IconInfoCircle aria-hidden />} role="status">
                {t(`notice.${notice}`)}
              </Alert>
            )}
            {methods.isPending && <Skeleton height={220} aria-label={shell('loading')} />}
            {methods.isError && <ProblemNotice error={methods.error} onRetry={() => void methods.refetch()} />}
            {methods.data && <Ways methods={methods.data} next={target} onEnter={enter} />}
          </Stack>
        </Card>
        <Text size="xs" c="dimmed" ta="center">
          {shell('disclaimer')} {shell('product')} {LUCENCY_VERSION}
        </Text>
        <Languages />
      </Stack>
    </Center>
  );
}

interface WaysProps {
  methods: MethodsView;
  next: string;
  onEnter: (session: SessionView) => void;
}

function Ways({ methods, next, onEnter }: WaysProps) {
  const { t } = useTranslation('login');
  if (!methods.users) return <FirstUser />;
  return (
    <>
      {methods.password && <PasswordForm onEnter={onEnter} />}
      {methods.password && methods.oidc !== null && <Divider label={t('or')} />}
      {methods.oidc !== null && (
        <Button
          component="a"
          href={`/v1/session/oidc?next=${encodeURIComponent(next)}`}
          variant="default"
          leftSection={<IconLogin size={18} aria-hidden />}
        >
          {t('oidc', { name: methods.oidc })}
        </Button>
      )}
    </>
  );
}

/** A fresh installation: nobody can sign in before somebody with a shell made the first user. */
function FirstUser() {
  const { t } = useTranslation('login');
  return (
    <Alert color="blue" variant="light" icon={<IconInfoCircle aria-hidden />} title={t('first.title')}>
      <Text size="sm">{t('first.detail')}</Text>
      <Code block my="xs" className="wrapped">
        lucency user add you@example.org --site local --operator
      </Code>
      <Text size="sm">{t('first.after')}</Text>
    </Alert>
  );
}

function Languages() {
  const { i18n } = useTranslation();
  return (
    <Group justify="center" gap="md">
      {(Object.keys(LANGUAGES) as Language[]).map((language) => (
        <Anchor
          key={language}
          component="button"
          type="button"
          size="sm"
          lang={language}
          mih={24}
          aria-current={i18n.language === language}
          fw={i18n.language === language ? 700 : 400}
          onClick={() => void chooseLanguage(language)}
        >
          {LANGUAGES[language]}
        </Anchor>
      ))}
    </Group>
  );
}
