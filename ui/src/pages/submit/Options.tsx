import { Button, Collapse, Skeleton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAdjustments } from '@tabler/icons-react';
import { lazy, Suspense, useId } from 'react';
import { useTranslation } from 'react-i18next';
import type { OptionsProps } from '@/pages/submit/Wanted';
import type { Wishes } from '@/upload/model';

export const AS_USUAL: Wishes = { priority: 0, explain: null, stability: false };
// Its fields are large, and hardly anybody opens it.
const Wanted = lazy(() => import('@/pages/submit/Wanted').then(({ Wanted }) => ({ default: Wanted })));

/** What hardly anybody needs: how soon, what to explain, whether to look twice. */
export function Options({ wishes, onChange }: OptionsProps) {
  const { t } = useTranslation('submit');
  const [opened, { toggle }] = useDisclosure(false);
  const id = useId();
  return (
    <div>
      <Button
        variant="subtle"
        size="compact-sm"
        leftSection={<IconAdjustments size={16} aria-hidden />}
        aria-expanded={opened}
        aria-controls={id}
        onClick={toggle}
      >
        {t('options.title')}
      </Button>
      <Collapse expanded={opened} id={id}>
        {opened && (
          <Suspense fallback={<Skeleton mt="xs" height={280} />}>
            <Wanted wishes={wishes} onChange={onChange} />
          </Suspense>
        )}
      </Collapse>
    </div>
  );
}
