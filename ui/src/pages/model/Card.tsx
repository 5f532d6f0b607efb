import { Alert, Anchor, Code, List, Stack, Table, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconDownload } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { ModelDetailView } from '@/client';
import { decimal, percent, whole } from '@/components/numbers';
import { Time } from '@/components/Time';
import { useLabel } from '@/pages/model/names';

/** What the model card says: the model's own words are English, as they were written when it was trained. */
export function Card({ model }: { model: ModelDetailView }) {
  const { t, i18n } = useTranslation('models');
  const { card } = model;
  const label = useLabel();
  return (
    <Stack gap="lg" maw={820}>
      <Alert color="gray" icon={<IconAlertTriangle aria-hidden />} title={t('disclaimer')}>
        <Text size="sm" lang="en">
          {card.disclaimer}
        </Text>
      </Alert>
      {card.leaks !== null && card.leaks.length > 0 && (
        <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={t('leaks')}>
          <Lines lines={card.leaks} />
        </Alert>
      )}
      <Section title={t('card.network')}>
        <Table>
          <Table.Tbody>
            <Row name={t('card.backbone')} value={card.backbone} />
            <Row name={t('card.input')} value={card.input_size && `${card.input_size} × ${card.input_size}`} />
            {card.heads.map((head) => (
              <Row
                key={head.name}
                name={t('card.head', { name: label(head.name) })}
                value={head.labels.map(label).join(', ')}
              />
            ))}
            <Row name={t('card.created')} value={card.created && <Time at={card.created} />} />
            <Row name={t('card.digest')} value={<Code>{model.digest.slice(0, 16)}</Code>} />
          </Table.Tbody>
        </Table>
      </Section>
      <Section title={t('card.data')}>
        <Text size="sm">
          {card.data ?? '–'} {card.licence && `(${card.licence})`}
        </Text>
        <Text size="sm">
          {Object.entries(card.images)
            .map(([split, n]) => `${split}: ${whole(n, i18n.language)}`)
            .join(' · ')}
        </Text>
        <Text size="sm" c="dimmed">
          {card.leaks === null ? t('card.not_audited') : card.leaks.length === 0 && t('card.no_leaks')}
        </Text>
      </Section>
      <Section title={t('card.operating')}>
        {card.thresholds.map((limit) => (
          <Stack key={limit.label} gap={2}>
            <Text size="sm">
              {t('card.threshold', { label: label(limit.label), value: decimal(limit.value, i18n.language, 4) })}
            </Text>
            {limit.coverage !== null && limit.lower !== null && limit.upper !== null && (
              <Text size="sm">
                {t('card.refer', {
                  lower: decimal(limit.lower, i18n.language, 4),
                  upper: decimal(limit.upper, i18n.language, 4),
                  coverage: percent(limit.coverage, i18n.language),
                })}
              </Text>
            )}
            <Text size="xs" c="dimmed" lang="en">
              {limit.rule}
            </Text>
          </Stack>
        ))}
      </Section>
      <Section title={t('card.limits')}>
        <Lines lines={card.limits} />
      </Section>
      <Section title={t('card.attribution')}>
        <Lines lines={card.attribution} />
      </Section>
      <Anchor href={model.links.card} download={`${model.name}-${model.version}.md`} size="sm">
        <IconDownload size={14} aria-hidden /> {t('card.download')}
      </Anchor>
    </Stack>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack component="section" gap={6}>
      <Title order={2} size="h4">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

function Row({ name, value }: { name: string; value: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400} w="40%">
        {name}
      </Table.Th>
      <Table.Td>{value || '–'}</Table.Td>
    </Table.Tr>
  );
}

function Lines({ lines }: { lines: string[] }) {
  if (lines.length === 0) return <Text size="sm">–</Text>;
  return (
    <List size="sm" lang="en">
      {lines.map((line) => (
        <List.Item key={line}>{line}</List.Item>
      ))}
    </List>
  );
}
