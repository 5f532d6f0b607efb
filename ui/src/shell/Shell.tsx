import { AppShell, Burger, Group, ScrollArea, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useSessionGuard } from '@/auth/guard';
import { LiveMark } from '@/shell/LiveMark';
import { Navigation } from '@/shell/Navigation';
import { SiteSwitch } from '@/shell/SiteSwitch';
import { StaleNotice } from '@/shell/StaleNotice';
import { UserMenu } from '@/shell/UserMenu';

/** What surrounds every page: where one can go, who and where one is, and what this is not. */
export function Shell() {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page closes the menu of a phone
  useEffect(close, [path]);
  useSessionGuard();
  return (
    <AppShell
      header={{ height: 56 }}
      footer={{ height: 32 }}
      navbar={{ width: 220, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding="md"
    >
      <a href="#content" className="skip-link">
        {t('skip')}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t('nav.menu')} />
            <img src="/icon.svg" width={28} height={28} alt="" />
            <Text fw={700} visibleFrom="xs">
              {t('product')}
            </Text>
          </Group>
          <Group gap="sm" wrap="nowrap">
            <LiveMark />
            <SiteSwitch />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <AppShell.Section grow component={ScrollArea}>
          <Navigation />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <StaleNotice />
        <Outlet />
      </AppShell.Main>
      <AppShell.Footer>
        <Group h="100%" px="md" justify="center">
          <Text size="xs" ta="center" truncate>
            {t('disclaimer')}
          </Text>
        </Group>
      </AppShell.Footer>
    </AppShell>
  );
}
