import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const globalSetup = './test/support/global-setup.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: existsSync(globalSetup) ? [globalSetup] : [],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 60_000,
    watch: false,
  },
});
