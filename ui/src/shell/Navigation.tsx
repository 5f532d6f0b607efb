import { Divider, NavLink, Text } from '@mantine/core';
import { Link, type StaticDataRouteOption, useRouter } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';

/** The pages that this user's role opens: those of the router that have a place in the menu, in its order. */
export function Navigation() {
  const { t } = useTranslation(['shell', 'menu']);
  const { routesById } = useRouter();
  const allowed = useAllowed();
  const open = Object.values(routesById).flatMap(({ fullPath, options }) => {
    const { menu } = (options.staticData ?? {}) as StaticDataRouteOption;
    return menu !== undefined && allowed(menu.needs) ? [{ to: fullPath as string, ...menu }] : [];
  });
  const link = ({ to, name, icon: Icon }: (typeof open)[number]) => (
    <NavLink
      key={to}
      renderRoot={(props) => <Link {...props} to={to} activeProps={{ 'data-active': true, 'aria-current': 'page' }} />}
      label={t(`menu:${name}`)}
      leftSection={<Icon size={18} stroke={1.6} aria-hidden />}
    />
  );
  const administration = open.filter(({ to }) => to.startsWith('/admin/'));
  return (
    <>
      {open.filter((page) => !administration.includes(page)).map(link)}
      {administration.length > 0 && (
        <>
          <Divider my="xs" />
          <Text size="xs" c="dimmed" px="sm" pb={4}>
            {t('nav.administration')}
          </Text>
          {administration.map(link)}
        </>
      )}
    </>
  );
}
