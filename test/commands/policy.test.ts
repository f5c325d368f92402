import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../support/command.js'

const dir = t.testdir({
  'policy.yaml': `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, users: [bob]}
- {level: Metadata, userGroups: ['system:serviceaccounts:ops']}
- {level: RequestResponse, verbs: [watch], resources: [{resources: [pods/log]}]}
- {level: None, nonResourceURLs: ['/healthz*']}
- {level: Request, userGroups: ['system:authenticated'], resources: [{group: apps}]}
- {level: None, users: [bob], verbs: [get]}
`,
  'unknown.yaml': 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: None\n  verb: [get]\n',
  'broken.yaml': 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Everything}]\n',
})
const policy = join(dir, 'policy.yaml')
const explained = async (...args: string[]) => {
  const { code, stdout, stderr } = await runCommand(['policy', 'explain', policy, ...args])
  return { code, stderr, lines: stdout.split('\n') }
}

void t.test('check', async (t) => {
  const good = await runCommand(['policy', 'check', policy])
  t.same([good.code, good.stderr], [0, ''])
  t.equal(
    good.stdout,
    `${policy}: valid, 6 rules\n${policy}: warning: rule 6 can never match: rule 1 covers it\n`,
  )
  t.equal((await runCommand(['policy', 'check', policy, '--strict'])).code, 1)

  const unknown = join(dir, 'unknown.yaml')
  const lenient = await runCommand(['policy', 'check', unknown])
  t.same([lenient.code, lenient.stderr], [0, ''])
  t.equal(
    lenient.stdout,
    `${unknown}: valid, 1 rule
${unknown}: warning: rules[0] (rule 1, line 5): the unknown field "verb" is ignored, as kube-apiserver does; did you mean verbs?
`,
  )
  t.equal((await runCommand(['policy', 'check', unknown, '--strict'])).code, 1)
  const told = await runCommand(['policy', 'explain', unknown, '--path=/'])
  t.equal(told.code, 0)
  t.match(told.stderr, /^kube-audit-proxy: warning: .*unknown field "verb"/)

  const bad = await runCommand(['policy', 'check', join(dir, 'broken.yaml')])
  t.same([bad.code, bad.stdout], [2, ''])
  t.match(
    bad.stderr,
    /broken\.yaml: rules\[0\]\.level \(rule 1, line 3\): found "Everything", expected one of/,
  )
})

void t.test('explain a resource', async (t) => {
  const { code, lines } = await explained(
    '--user',
    'alice',
    '--verb=create',
    '--resource=deployments',
    '--api-group=apps',
    '-n',
    'shop',
  )
  t.equal(code, 0)
  t.same(lines, [
    'Request:  create "deployments" of API group "apps" in namespace "shop"',
    'User:     "alice", groups "system:authenticated"',
    'Rule:     5',
    'Level:    Request',
    'Stages:   ResponseComplete, Panic (Panic only where the request fails that way)',
    'Objects:  without metadata.managedFields',
    '',
    'rule 1  no       user "alice" is not one of ["bob"]',
    'rule 2  no       none of the groups ["system:authenticated"] is one of ["system:serviceaccounts:ops"]',
    'rule 3  no       verb "create" is not one of ["watch"]',
    'rule 4  no       the rule is for nonResourceURLs, and the request is for a resource',
    'rule 5  matches  userGroups, resources match',
    'The rule after it no longer matters.',
    '',
  ])
})

void t.test('explain', async (t) => {
  const has = async (args: string[], ...expected: string[]) => {
    const { lines } = await explained(...args)
    for (const line of expected) t.ok(lines.includes(line), `${args.join(' ')}: ${line}`)
  }
  await has(
    ['--path', '/healthz/etcd'],
    'User:     "system:anonymous", groups "system:unauthenticated"',
    'Rule:     4',
    'Level:    None',
  )
  await has(['--path', '/version'], 'Rule:     none matches', 'Level:    None')
  await has(
    ['--user=system:serviceaccount:ops:bot', '--verb=get', '--resource=pods'],
    'Rule:     2',
    'Level:    Metadata',
  )
  await has(
    ['--user=alice', '--group=a,b', '--verb=watch', '--resource=pods/log'],
    'User:     "alice", groups "a", "b", "system:authenticated"',
    'Stages:   ResponseStarted, ResponseComplete, Panic (Panic only where the request fails that way)',
  )
})

void t.test('bad usage', async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /^kube-audit-proxy: error: policy: expected check or explain\n$/],
    [['chek'], /unknown command "chek"; did you mean check\?/],
    [['check'], /policy check: no FILE/],
    [['check', 'a', 'b'], /unexpected argument "b"/],
    [['check', join(dir, 'none.yaml')], /none\.yaml: no such file/],
    [['check', '--stric', policy], /unknown flag: --stric; did you mean --strict\?/],
    [['explain', policy], /neither --resource nor --path is set/],
    [['explain', policy, '--resource=pods'], /--verb is not set/],
    [['explain', policy, '--resource=pods', '--path=/x'], /--path and --resource are both set/],
    [['explain', policy, '--path=x'], /--path: found "x"/],
    [
      ['explain', policy, '--verb=get', '--resource=pods/log', '--subresource=exec'],
      /different subresources/,
    ],
  ]
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await runCommand(['policy', ...args])
    t.same([code, stdout], [2, ''], args.join(' '))
    t.match(stderr, expected)
    t.equal(stderr.split('\n').length, 2, 'one line')
  }
})

void t.test('help', async (t) => {
  for (const args of [['--help'], ['check', '--help'], ['explain', '-h']]) {
    const { code, stdout } = await runCommand(['policy', ...args])
    t.equal(code, 0)
    t.match(stdout, /^Usage:$/m)
  }
})

void t.test('explain says what is recorded of a session', async (t) => {
  const dir = t.testdir({
    'policy.yaml': 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n',
    'sessions.yaml':
      'apiVersion: kube-audit-proxy.io/v1alpha1\nkind: SessionRecordingPolicy\nrules: [{record: InputAndOutput, namespaces: [shop]}]\n',
  })
  const explain = async (resource: string, namespace: string): Promise<string> => {
    const sessions = `--session-recording-policy-file=${join(dir, 'sessions.yaml')}`
    const request = ['--user=alice', '--verb=create', `--resource=${resource}`, `--namespace=${namespace}`]
    const { code, stdout } = await runCommand([
      'policy',
      'explain',
      join(dir, 'policy.yaml'),
      ...request,
      sessions,
    ])
    t.equal(code, 0)
    return stdout
  }
  t.match(
    await explain('pods/exec', 'shop'),
    /^Session: {2}InputAndOutput \(rule 1 in .*sessions\.yaml\); input only/m,
  )
  t.match(await explain('pods/exec', 'other'), /^Session: {2}None \(no rule matches in /m)
  t.match(await explain('pods', 'shop'), /^Session: {2}none: the request is neither exec nor attach$/m)
})
