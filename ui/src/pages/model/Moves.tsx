import { Button, Group, Slider, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { ModelDetailView } from '@/client';
import {
  modelsActivateMutation,
  modelsListingOptions,
  modelsRetireMutation,
  modelsRollbackMutation,
  modelsShadowMutation,
} from '@/client/@tanstack/react-query.gen';
import { percent } from '@/components/numbers';
import { Move } from '@/pages/model/Move';

type Verb = 'activate' | 'shadow' | 'retire' | 'rollback';

/** What an operator may do with the model now; each says first what will happen. */
export function Moves({ model }: { model: ModelDetailView }) {
  const { t, i18n } = useTranslation('models');
  const allowed = useAllowed()('operate');
  const [verb, choose] = useState<Verb | null>(null);
  const [share, setShare] = useState(10);
  const { data: models } = useQuery({ ...modelsListingOptions(), enabled: allowed });
  if (!allowed || !models) return null;
  const name = `${model.name} ${model.version}`;
  const active = models.items.find(({ state }) => state === 'active');
  const before = models.items.find(({ id }) => id === models.rollback_to);
  const called = (one: typeof before) => (one ? `${one.name} ${one.version}` : '–');
  const close = () => choose(null);
  const path = { model_id: model.id };
  const isActive = model.state === 'active';
  const verbs: Verb[] = isActive
    ? before
      ? ['rollback']
      : []
    : ['activate', 'shadow', ...(model.state === 'retired' ? [] : (['retire'] as const))];
  const move = { onClose: close, name };
  return (
    <Group gap="xs">
      {verbs.map((one) => (
        <Button
          key={one}
          size="sm"
          variant={one === 'activate' ? 'filled' : 'default'}
          color={one === 'activate' ? undefined : 'gray'}
          onClick={() => choose(one)}
        >
          {t(`move.${one === 'shadow' && model.state === 'shadow' ? 'share' : one}`)}
        </Button>
      ))}
      <Move
        {...move}
        verb="activate"
        opened={verb === 'activate'}
        mutation={modelsActivateMutation()}
        options={{ path }}
      >
        <Text size="sm">{t('will.activate', { name, active: called(active) })}</Text>
      </Move>
      <Move
        {...move}
        verb="shadow"
        opened={verb === 'shadow'}
        mutation={modelsShadowMutation()}
        options={{ path, body: { share: share / 100 } }}
      >
        <Stack gap="lg" pb="md">
          <Text size="sm">{t('will.shadow', { name, share: percent(share / 100, i18n.language) })}</Text>
          <Slider
            thumbLabel={t('share')}
            min={1}
            max={100}
            value={share}
            onChange={setShare}
            label={(value) => percent(value / 100, i18n.language)}
            marks={[10, 50, 100].map((value) => ({ value, label: percent(value / 100, i18n.language) }))}
          />
        </Stack>
      </Move>
      <Move
        {...move}
        verb="retire"
        opened={verb === 'retire'}
        mutation={modelsRetireMutation()}
        options={{ path, body: {} }}
      >
        <Text size="sm">{t('will.retire', { name })}</Text>
      </Move>
      <Move
        {...move}
        verb="rollback"
        opened={verb === 'rollback'}
        mutation={modelsRollbackMutation()}
        options={{ body: { expected: before?.id ?? null } }}
      >
        <Text size="sm">{t('will.rollback', { name, before: called(before) })}</Text>
      </Move>
    </Group>
  );
}
