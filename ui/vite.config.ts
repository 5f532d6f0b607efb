import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const api = process.env.LUCENCY_API_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2023',
    // Our own pages are small; the viewer's engine is the large chunk, and is loaded with the viewer alone.
    chunkSizeWarningLimit: 4096,
    manifest: true,
    // A data: URL would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
  },
  // `npx vite` beside a running `lucency up`: pages from the sources, everything else from the API.
  server: { proxy: Object.fromEntries(['/v1', '/dicom-web', '/docs', '/openapi.json'].map((path) => [path, api])) },
});
