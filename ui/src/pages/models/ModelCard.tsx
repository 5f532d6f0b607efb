import { Anchor, Card, Group, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { ModelVersionView } from '@/client';
import { modelsOneOptions } from '@/client/@tanstack/react-query.gen';
import { FigureValue } from '@/components/FigureValue';
import { ModelStateBadge } from '@/components/ModelStateBadge';
import { Time } from '@/components/Time';
import { WideTable } from '@/components/WideTable';
import { useFigureName, useLabel } from '@/pages/model/names';

const SHOWN = ['auc', 'sensitivity', 'specificity', 'accuracy'];

/** One model in a card: its state, and what was measured of it on images that nothing was chosen on. */
export function ModelCard({ model }: { model: ModelVersionView }) {
  const { t } = useTranslation('models');
  return (
    <Card withBorder component="article" aria-label={`${model.name} ${model.version}`}>
      <Stack gap="xs">
        <Group justify="space-between">
          <Anchor
            fw={600}
            size="lg"
            renderRoot={(props) => <Link {...props} to="/admin/models/$modelId" params={{ modelId: model.id }} />}
          >
            {model.name} {model.version}
          </Anchor>
          <ModelStateBadge state={model.state} share={model.shadow_share} />
        </Group>
        <Text size="sm" c="dimmed">
          {t(since(model))}
          <Time at={model.activated_at ?? model.created_at} />
        </Text>
        <Figures model={model} />
      </Stack>
    </Card>
  );
}

const since = ({ state, activated_at: activated }: ModelVersionView) =>
  activated === null ? 'registered_at' : state === 'active' ? 'active_since' : 'activated_at';

function Figures({ model }: { model: ModelVersionView }) {
  const { t } = useTranslation('models');
  const figureName = useFigureName();
  const label = useLabel();
  const { data } = useQuery(modelsOneOptions({ path: { model_id: model.id } }));
  const splits = Object.keys(model.metrics);
  const split = splits.includes('test') ? 'test' : splits[0];
  if (split === undefined) {
    return (
      <Text size="sm" c="dimmed">
        {t('no_figures')}
      </Text>
    );
  }
  const shown = (data?.evaluations ?? []).filter((one) => one.split === split).slice(0, 3);
  return (
    <WideTable label={t('measured_on', { split })} minWidth={260}>
      <Table>
        <Table.Caption>{t('measured_on', { split })}</Table.Caption>
        <Table.Tbody>
          {shown.flatMap((one) =>
            one.figures
              .filter(({ name }) => SHOWN.includes(name))
              .filter(({ name }) => one.subject === 'choice' || name !== 'accuracy')
              .map((figure) => (
                <Table.Tr key={`${one.label} ${figure.name}`}>
                  <Table.Th scope="row" fw={400}>
                    {label(one.label)}: {figureName(figure.name)}
                  </Table.Th>
                  <Table.Td ta="right">
                    <FigureValue {...figure} />
                  </Table.Td>
                </Table.Tr>
              )),
          )}
        </Table.Tbody>
      </Table>
    </WideTable>
  );
}
