import { defineConfig } from '@hey-api/openapi-ts';

// The typed client, from the contract that the API's own tests keep: `make client` writes it, CI fails where it differs.
export default defineConfig({
  input: '../openapi.json',
  output: { path: 'src/client', clean: true },
  plugins: [
    '@hey-api/client-fetch',
    '@hey-api/typescript', // The cookie signs in; what each operation would take besides it is of no use here, and long.
    { name: '@hey-api/sdk', auth: false },
    '@tanstack/react-query',
  ],
});
