import { AppShell, Burger, Group, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Outlet, useMatches, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { useSessionGuard } from '@/auth/guard';
import { LiveMark } from '@/shell/LiveMark';
import { Navigation } from '@/shell/Navigation';
import { SiteSwitch } from '@/shell/SiteSwitch';
import { StaleNotice } from '@/shell/StaleNotice';
import { Forbidden, Pending } from '@/shell/states';
import { UserMenu } from '@/shell/UserMenu';

// A page is shown when its questions can be: whoever presses a button right away shall be asked.
const Overlays = lazy(() => import('@/shell/Overlays').then(({ Overlays }) => ({ default: Overlays })));

/** What surrounds every page: where one can go, who and where one is, and what this is not. */
export function Shell() {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const burger = useRef<HTMLButtonElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new page closes the menu of a phone
  useEffect(close, [path]);
  useSessionGuard();
  const allowed = useAllowed();
  const { needs, plain } = useMatches({ select: (matches) => matches.at(-1)?.staticData ?? {} });
  return (
    <AppShell
      header={{ height: 56 }}
      footer={{ height: { base: 40, sm: 32 } }}
      navbar={{ width: 220, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding="md"
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !opened) return;
        close();
        burger.current?.focus();
      }}
    >
      <a href="#content" className="skip-link">
        {t('skip')}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger
              ref={burger}
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={t('nav.menu')}
              aria-expanded={opened}
              aria-controls="menu"
            />
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
      <AppShell.Navbar
        id="menu"
        p="xs"
        className={opened ? undefined : 'closed-menu'}
        aria-label={t('nav.menu')}
        onClick={close}
      >
        <AppShell.Section grow className="scrolled">
          <Navigation />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} onFocusCapture={close}>
        <StaleNotice />
        <Suspense fallback={<Pending />}>
          {!plain && <Overlays />}
          {needs === undefined || allowed(needs) ? <Outlet /> : <Forbidden />}
        </Suspense>
      </AppShell.Main>
      <AppShell.Footer>
        <Group h="100%" px="md" justify="center">
          <Text size="xs" ta="center" lh={1.15}>
            {t('disclaimer')} {t('product')} {LUCENCY_VERSION}
          </Text>
        </Group>
      </AppShell.Footer>
    </AppShell>
  );
}
