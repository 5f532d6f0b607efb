import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

// The contract names the release that it is of.
const { info } = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'));
const api = process.env.LUCENCY_API_URL ?? 'http://127.0.0.1:8000';

/** Beside each larger text file its gzip, so that the API serves it without packing it every time. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    writeBundle(options, bundle) {
      for (const name of Object.keys(bundle)) {
        const file = `${options.dir}/${name}`;
        if (!/\.(js|css|svg|json|wasm)$/.test(name)) continue;
        const content = readFileSync(file);
        if (content.length > 1024) writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

/**
 * Mantine's ScrollArea takes one small function of @floating-ui/react, whose module comes as a whole: 15 kB gzipped in
 * every first page. Mantine's own function does the same. Should it ever take another one, the build fails.
 */
function lightScrollArea(): Plugin {
  const own = '\0merge-refs';
  return {
    name: 'light-scroll-area',
    enforce: 'pre',
    resolveId: (source, importer) =>
      source === '@floating-ui/react' && importer?.endsWith('/ScrollArea.mjs') ? own : undefined,
    load: (id) =>
      id === own
        ? `import { useMergedRef } from '@mantine/hooks'; export const useMergeRefs = (refs) => useMergedRef(...refs);`
        : undefined,
  };
}

/**
 * `virtual:menu/<language>`: what pages are called in the menu. The menu names every page, but the words of a page are
 * fetched with the page alone; so the one word for it stands among them, and is gathered from there.
 */
function menuWords(): Plugin {
  const prefix = 'virtual:menu/';
  return {
    name: 'menu-words',
    resolveId: (source) => (source.startsWith(prefix) ? `\0${source}` : undefined),
    load(id) {
      if (!id.startsWith(`\0${prefix}`)) return undefined;
      const folder = fileURLToPath(new URL(`./src/i18n/${id.slice(prefix.length + 1)}`, import.meta.url));
      const files = readdirSync(folder).map((name) => `${folder}/${name}`);
      for (const file of files) this.addWatchFile(file);
      const menus = files.map((file) => JSON.parse(readFileSync(file, 'utf8')).menu as object | undefined);
      return `export default ${JSON.stringify(Object.assign({}, ...menus))}`;
    },
  };
}

export default defineConfig({
  plugins: [react(), lightScrollArea(), menuWords(), packed()],
  // api/web_application.py writes a fresh nonce in its place into every page.
  html: { cspNonce: '__CSP_NONCE__' },
  define: { LUCENCY_VERSION: JSON.stringify(info.version) },
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
