import { Alert, Button, CopyButton, Group, Stack, Text, TextInput } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';

/** A secret as it is shown the one time, with a way to take it along. */
function Secret({ label, secret, hint }: { label: string; secret: string; hint: string }) {
  const { t } = useTranslation();
  return (
    <Stack>
      <Alert color="yellow" variant="light">
        <Text size="sm">{hint}</Text>
      </Alert>
      <TextInput
        label={label}
        value={secret}
        readOnly
        onFocus={(event) => event.currentTarget.select()}
        data-autofocus
      />
      <Group justify="flex-end">
        <CopyButton value={secret}>
          {({ copied, copy }) => (
            <Button
              onClick={copy}
              color={copied ? 'teal' : undefined}
              leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
            >
              <span aria-live="polite">{copied ? t('copied') : t('copy')}</span>
            </Button>
          )}
        </CopyButton>
        <Button variant="default" onClick={() => modals.closeAll()}>
          {t('close')}
        </Button>
      </Group>
    </Stack>
  );
}

/** Show a secret once: it closes by a button alone, so that a stray click does not lose it. */
export function showSecret(shown: { title: string; label: string; secret: string; hint: string }): void {
  modals.open({
    title: shown.title,
    closeOnClickOutside: false,
    closeOnEscape: false,
    children: <Secret label={shown.label} secret={shown.secret} hint={shown.hint} />,
  });
}
