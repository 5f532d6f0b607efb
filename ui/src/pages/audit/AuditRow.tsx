import { Code, Table, Text, UnstyledButton } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { AuditView } from '@/client';
import { whole } from '@/components/numbers';
import { Time } from '@/components/Time';

interface AuditRowProps {
  item: AuditView;
  onChoose: (chosen: { actor?: string; subject?: string }) => void;
}

/** One record; its actor and its subject are ways to their other records. */
export function AuditRow({ item, onChoose }: AuditRowProps) {
  const { t, i18n } = useTranslation('audit');
  const detail = Object.keys(item.detail).length > 0 ? JSON.stringify(item.detail) : '';
  return (
    <Table.Tr>
      <Table.Td data-label={t('number')}>{whole(item.number, i18n.language)}</Table.Td>
      <Table.Td data-label={t('at')}>
        <Text size="sm" component="span" display="block" miw={170}>
          <Time at={item.at} exact />
        </Text>
      </Table.Td>
      <Table.Td data-label={t('actor')}>
        <UnstyledButton mih={24} onClick={() => onChoose({ actor: item.actor })} title={t('only_actor')}>
          <Text size="sm" td="underline">
            {item.actor_name ?? item.actor}
          </Text>
        </UnstyledButton>
      </Table.Td>
      <Table.Td data-label={t('action')}>
        <Text size="sm">{t(`actions.${item.action}`)}</Text>
      </Table.Td>
      <Table.Td data-label={t('subject')} maw={220}>
        <UnstyledButton mih={24} onClick={() => onChoose({ subject: item.subject })} title={t('only_subject')}>
          <Text size="xs" td="underline" ff="monospace">
            {item.subject}
          </Text>
        </UnstyledButton>
      </Table.Td>
      <Table.Td data-label={t('detail')} maw={320}>
        {detail && <Code>{detail}</Code>}
      </Table.Td>
    </Table.Tr>
  );
}
