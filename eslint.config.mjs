import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';
import globals from 'globals';

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '.node-red/', '.cache/', 'runs/', '.venv/', 'training/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
  },
  { files: ['**/*.{mjs,cjs}'], languageOptions: { globals: globals.node } },
  { files: ['resources/**/*.js'], languageOptions: { globals: globals.browser } },
  { files: ['examples/**/dashboard/*.mjs'], languageOptions: { globals: globals.browser } },
  {
    // Bodies of Function nodes: what Node-RED puts around them, and the modules of their Setup tab.
    files: ['examples/**/{functions,sqlite,postgresql}/*.js'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: {
        ...globals.builtin,
        ...Object.fromEntries(
          ['Buffer', 'RED', 'clearInterval', 'clearTimeout', 'console', 'context', 'env', 'flow']
            .concat(['global', 'msg', 'node', 'setInterval', 'setTimeout', 'util', 'URL'])
            .concat(['Database', 'SCHEMA', 'WORDS', 'crypto', 'fs', 'os', 'path', 'pg', 'timers'])
            .map((name) => [name, 'readonly']),
        ),
      },
    },
  },
  {
    // post.js stands before the bodies of these.
    files: ['examples/**/functions/{packets,read-posts}.js'],
    languageOptions: {
      globals: { malformed: 'readonly', now: 'readonly', post: 'readonly', refusal: 'readonly' },
    },
  },
  {
    files: ['examples/**/functions/post.js'],
    rules: { 'no-unused-vars': ['error', { varsIgnorePattern: '^post$' }] },
  },
);
