import { MantineThemeProvider } from '@mantine/core';
import { ModalsProvider } from '@mantine/modals';
import { Notifications } from '@mantine/notifications';
import '@mantine/notifications/styles.layer.css';
import { useTranslation } from 'react-i18next';

/** Where questions and notices of pages appear; both packages speak to it by events, from wherever they are called. */
export function Overlays() {
  const { t } = useTranslation();
  // The cross that closes one has no words of its own.
  const theme = { components: { CloseButton: { defaultProps: { 'aria-label': t('close') } } } };
  return (
    <MantineThemeProvider theme={theme} inherit>
      <ModalsProvider>
        <Notifications position="bottom-right" />
      </ModalsProvider>
    </MantineThemeProvider>
  );
}
