import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Where a node answers while the app is developed: UTILIDOR_NODE=http://127.0.0.1:4680 npm run dev
const node = process.env.UTILIDOR_NODE ?? 'http://127.0.0.1:4680';
const proxy = { '/v1': { target: node, changeOrigin: true }, '/seats.json': { target: node, changeOrigin: true } };

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // The content security policy allows nothing inline.
    assetsInlineLimit: 0,
    sourcemap: false,
    modulePreload: { polyfill: false },
    // What the first page needs is one file: each further one waits for a turn.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'app', tags: ['$initial'] }] } } },
  },
  worker: { format: 'es' },
  server: { proxy },
});
