import { Group, Kbd, Modal, Stack, Switch, Table, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { SHORTCUTS } from './shortcuts';

interface HelpCardProps {
  opened: boolean;
  onClose: () => void;
  enabled: boolean;
  onEnabled: (enabled: boolean) => void;
}

/** Keys and gestures; and the switch that turns single keys off, for those who press them by accident (WCAG 2.1.4). */
export function HelpCard({ opened, onClose, enabled, onEnabled }: HelpCardProps) {
  const { t } = useTranslation('viewer');
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('help_title')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('close') }}
    >
      <Stack>
        <Text size="sm">{t('help_mouse')}</Text>
        <Text size="sm">{t('help_touch')}</Text>
        <Switch checked={enabled} onChange={(event) => onEnabled(event.currentTarget.checked)} label={t('keys_on')} />
        <Table withRowBorders={false} verticalSpacing={2}>
          <Table.Tbody>
            {SHORTCUTS.map(({ id, keys }) => (
              <Table.Tr key={id}>
                <Table.Td w={150}>
                  <Group gap={4}>
                    {keys.map((key) => (
                      <Kbd key={key}>{key}</Kbd>
                    ))}
                  </Group>
                </Table.Td>
                <Table.Td>{t(`do.${id}`)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Stack>
    </Modal>
  );
}
