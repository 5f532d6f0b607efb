import { ActionIcon } from '@mantine/core';
import { IconUser } from '@tabler/icons-react';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';

// A menu and its positioning are a tenth of all script of a first page: they come when somebody reaches for them.
const load = () => import('@/shell/UserChoices').then(({ UserChoices }) => ({ default: UserChoices }));
const UserChoices = lazy(load);

/** Who is signed in, how the page looks and speaks, and the way out. */
export function UserMenu() {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState(false);
  const button = (
    <ActionIcon
      variant="default"
      size="lg"
      aria-label={t('nav.account')}
      aria-haspopup="menu"
      onPointerEnter={() => void load()}
      onFocus={() => void load()}
      onClick={wanted ? undefined : () => setWanted(true)}
    >
      <IconUser size={18} aria-hidden />
    </ActionIcon>
  );
  if (!wanted) return button;
  return (
    <Suspense fallback={button}>
      <UserChoices target={button} />
    </Suspense>
  );
}
