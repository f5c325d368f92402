import js from '@eslint/js'
import tseslint from 'typescript-eslint'

/**
 * The rooms of src, from the ground up. A room may import from the floors below its own, and from src itself; never from
 * its own floor or from above. ARCHITECTURE.md says what each is about.
 */
const FLOORS = [
  ['cel', 'yaml'],
  ['cli', 'live', 'request', 'systemd', 'events'],
  ['audit', 'kubeconfig'],
  ['cluster', 'audit/capture', 'audit/policy', 'audit/seal'],
  ['audit/backend', 'authentication', 'sessions', 'upstream'],
  ['audit/sink', 'server'],
  ['proxy'],
  ['workers', 'commands'],
]
/** No part of what is installed. */
const NOT_INSTALLED = ['**/demo/**', '**/test/**', '**/bench/**', '**/scripts/**']
/** What puts the rooms together: no room knows of it. */
const COMPOSITION = ['main', 'worker-main', 'options', 'service', 'uncaught']

function floorRules() {
  return FLOORS.flatMap((floor, i) =>
    floor.map((room) => {
      const others = FLOORS.slice(i)
        .flat()
        .filter((other) => other !== room && !room.startsWith(`${other}/`))
      // audit is both a room and the folder of others.
      const files = room === 'audit' ? ['src/audit/*.ts'] : [`src/${room}/**/*.ts`]
      const group = [
        ...others.map((other) => (other === 'audit' ? '**/audit/*.js' : `**/${other}/**`)),
        ...COMPOSITION.map((name) => `**/../${name}.js`),
        ...NOT_INSTALLED,
      ]
      const message = `${room} may import only from the floors below it (FLOORS in eslint.config.js).`
      return { files, rules: { 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] } }
    }),
  )
}

export default tseslint.config(
  { ignores: ['build/', 'node_modules/', '.tap/'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked.map((c) => ({ ...c, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  ...floorRules(),
  {
    files: ['src/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: NOT_INSTALLED }] },
  },
  {
    // A tap test returns its promise to the parent test, which awaits it.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [] }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', Buffer: 'readonly' } },
  },
)
