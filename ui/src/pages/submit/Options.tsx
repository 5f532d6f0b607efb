import { Button, Collapse, Skeleton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAdjustments } from '@tabler/icons-react';
import { lazy, Suspense, useId } from 'react';
import { useTranslation } from 'react-i18next';
import type { OptionsProps } from '@/pages/submit/OptionFields';
import type { SubmitOptions } from '@/upload/model';

export const AS_USUAL: SubmitOptions = { priority: 0, explain: null, stability: false };
// Its fields are large, and hardly anybody opens it.
const OptionFields = lazy(() =>
  import('@/pages/submit/OptionFields').then(({ OptionFields }) => ({ default: OptionFields })),
);

/** What hardly anybody needs: how soon, what to explain, whether to look twice. */
export function Options({ options, onChange }: OptionsProps) {
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
            <OptionFields options={options} onChange={onChange} />
          </Suspense>
        )}
      </Collapse>
    </div>
  );
}
