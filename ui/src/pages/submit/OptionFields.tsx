import { Fieldset, MultiSelect, SegmentedControl, Stack, Switch, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { useTranslation } from 'react-i18next';
import { modelsListingOptions } from '@/client/@tanstack/react-query.gen';
import { nameOf } from '@/i18n/labels';
import type { SubmitOptions } from '@/upload/model';

const PRIORITIES = { later: -5, normal: 0, urgent: 5 } as const;

export interface OptionsProps {
  options: SubmitOptions;
  onChange: (options: SubmitOptions) => void;
}

/** The fields of the options. */
export function OptionFields({ options, onChange }: OptionsProps) {
  const { t, i18n } = useTranslation('submit');
  const { data: models } = useQuery(modelsListingOptions());
  const explainable = models?.items.find(({ state }) => state === 'active')?.explainable ?? [];
  const label = useId();
  return (
    <Fieldset mt="xs" legend={t('options.legend')}>
      <Stack gap="md" maw={520}>
        <div>
          <Text size="sm" fw={500} id={label}>
            {t('options.priority')}
          </Text>
          <SegmentedControl
            aria-labelledby={label}
            value={String(options.priority)}
            onChange={(value) => onChange({ ...options, priority: Number(value) })}
            data={(Object.keys(PRIORITIES) as (keyof typeof PRIORITIES)[]).map((name) => ({
              value: String(PRIORITIES[name]),
              label: t(`options.priorities.${name}`),
            }))}
          />
        </div>
        <MultiSelect
          label={t('options.explain')}
          description={t('options.explain_hint')}
          placeholder={options.explain === null ? t('options.explain_usual') : undefined}
          data={explainable.map((name) => ({ value: name, label: nameOf(name, i18n) }))}
          value={options.explain ?? []}
          onChange={(explain) => onChange({ ...options, explain: explain.length > 0 ? explain : null })}
          clearable
        />
        <Switch
          label={t('options.stability')}
          description={t('options.stability_hint')}
          checked={options.stability}
          onChange={(event) => onChange({ ...options, stability: event.currentTarget.checked })}
        />
      </Stack>
    </Fieldset>
  );
}
