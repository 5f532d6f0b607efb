import { Chip, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { type FiltersProps, STATES } from '@/pages/jobs/search';

/** Jobs of which states; of all while none is chosen. */
export function States({ filters, onChange }: FiltersProps) {
  const { t } = useTranslation(['jobs', 'words']);
  return (
    <Chip.Group
      multiple
      value={filters.state ?? []}
      onChange={(state) => onChange({ ...filters, state: STATES.filter((one) => state.includes(one)) })}
    >
      <Group gap={6} role="group" aria-label={t('state')}>
        {STATES.map((one) => (
          <Chip key={one} value={one} size="xs" variant="outline">
            {t(`words:state.${one}`)}
          </Chip>
        ))}
      </Group>
    </Chip.Group>
  );
}
