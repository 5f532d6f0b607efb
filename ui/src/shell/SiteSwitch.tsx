import { Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { sessionQuery } from '@/auth/session';

// Few have a choice, and a list to choose from is large.
const SitePicker = lazy(() => import('@/shell/SitePicker').then(({ SitePicker }) => ({ default: SitePicker })));

/** The Site in view, and the others that the user has a role at. */
export function SiteSwitch() {
  const { data: session } = useQuery(sessionQuery);
  if (!session) return null;
  if (session.sites.length < 2) {
    return (
      <Text size="sm" truncate>
        {session.site?.name}
      </Text>
    );
  }
  return (
    <Suspense fallback={<Skeleton w={160} h={30} />}>
      <SitePicker session={session} />
    </Suspense>
  );
}
