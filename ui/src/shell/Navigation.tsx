import { Divider, NavLink, Text } from '@mantine/core';
import {
  IconActivity,
  IconBuildingHospital,
  IconChartLine,
  IconCpu,
  IconFiles,
  IconKey,
  IconListCheck,
  IconPhotoUp,
  IconSend,
  IconShieldCheck,
  IconSkull,
  IconStack2,
  IconTopologyStar3,
  IconUsers,
} from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';

const WORK = [
  { to: '/submit', name: 'submit', icon: IconPhotoUp, needs: 'submit' },
  { to: '/jobs', name: 'jobs', icon: IconListCheck, needs: 'read' },
  { to: '/studies', name: 'studies', icon: IconFiles, needs: 'read' },
  { to: '/batches', name: 'batches', icon: IconStack2, needs: 'read' },
] as const;
const ADMINISTRATION = [
  { to: '/admin/overview', name: 'overview', icon: IconActivity, needs: 'admin' },
  { to: '/admin/workers', name: 'workers', icon: IconCpu, needs: 'operate' },
  { to: '/admin/dead', name: 'dead', icon: IconSkull, needs: 'admin' },
  { to: '/admin/models', name: 'models', icon: IconTopologyStar3, needs: 'read' },
  { to: '/admin/drift', name: 'drift', icon: IconChartLine, needs: 'admin' },
  { to: '/admin/deliveries', name: 'deliveries', icon: IconSend, needs: 'admin' },
  { to: '/admin/sites', name: 'sites', icon: IconBuildingHospital, needs: 'admin' },
  { to: '/admin/users', name: 'users', icon: IconUsers, needs: 'admin' },
  { to: '/admin/keys', name: 'keys', icon: IconKey, needs: 'admin' },
  { to: '/admin/audit', name: 'audit', icon: IconShieldCheck, needs: 'admin' },
] as const;

/** The pages that this user's role opens. */
export function Navigation() {
  const { t } = useTranslation();
  const allowed = useAllowed();
  const link = ({ to, name, icon: Icon }: (typeof WORK | typeof ADMINISTRATION)[number]) => (
    <NavLink
      key={to}
      renderRoot={(props) => <Link {...props} to={to} activeProps={{ 'data-active': true, 'aria-current': 'page' }} />}
      label={t(`nav.${name}`)}
      leftSection={<Icon size={18} stroke={1.6} aria-hidden />}
    />
  );
  const administration = ADMINISTRATION.filter(({ needs }) => allowed(needs));
  return (
    <>
      {WORK.filter(({ needs }) => allowed(needs)).map(link)}
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
