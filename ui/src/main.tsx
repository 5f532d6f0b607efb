import '@mantine/core/styles.layer.css';
import './style.css';
import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { configureClient } from '@/auth/session';
import { startLanguage } from '@/i18n';
import { LiveProvider } from '@/live/LiveProvider';
import { queryClient } from '@/queries';
import { router } from '@/router';
import { theme } from '@/theme';

// The API puts a fresh nonce into every page; the styles that Mantine writes at run time carry it.
const nonce = () => document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
// What locks the page's scrolling behind a dialog writes a style too, and looks for its nonce under this name.
Object.assign(globalThis, { __webpack_nonce__: nonce() });

// And those of react-remove-scroll, which every dialogue brings: its library asks for the nonce by this name.
Object.assign(globalThis, { __webpack_nonce__: nonce() });

async function start(): Promise<void> {
  await startLanguage();
  configureClient(queryClient);
  const root = document.getElementById('root');
  if (root === null) throw new Error('index.html has no #root');
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce}>
        <QueryClientProvider client={queryClient}>
          <LiveProvider>
            <RouterProvider router={router} />
          </LiveProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}

void start();
