import type { Call, Expr } from './ast.js'
import { compileError } from './errors.js'

/** Cannot be written in an expression, so that no variable is called so. */
const ACCUMULATOR = '@result'
const UNUSED = '#unused'

interface MacroCall {
  readonly text: string
  readonly pos: number
  readonly target: Expr
  readonly args: readonly Expr[]
}

type Macro = (call: MacroCall) => Expr

/**
 * What a call of a macro stands for; undefined where it is none. The macros of Kubernetes: cel-go's standard ones
 * (parser/macro.go), those of optional values (cel/library.go), of two variables (ext/comprehensions.go) and sortBy
 * (ext/lists.go).
 *
 * @throws CompileError
 */
export function expandMacro(
  text: string,
  pos: number,
  name: string,
  target: Expr | undefined,
  args: readonly Expr[],
): Expr | undefined {
  if (target === undefined) return name === 'has' && args.length === 1 ? has(text, args) : undefined
  return MACROS.get(`${name}:${args.length}`)?.({ text, pos, target, args })
}

function has(text: string, args: readonly Expr[]): Expr {
  const [arg] = args as [Expr]
  if (arg.kind !== 'select') throw compileError(text, arg.pos, 'invalid argument to has() macro')
  return { ...arg, test: true }
}

/** How the fold of a macro goes on; all of them fold over `target`. */
interface Fold {
  readonly init: Expr
  readonly condition: Expr
  readonly step: Expr
  readonly result: Expr
}

type Quantifier = (pos: number, predicate: Expr) => Fold

const all: Quantifier = (pos, predicate) => ({
  init: literal(pos, true),
  condition: call(pos, '@not_strictly_false', accumulator(pos)),
  step: call(pos, '_&&_', accumulator(pos), predicate),
  result: accumulator(pos),
})

const exists: Quantifier = (pos, predicate) => ({
  init: literal(pos, false),
  condition: call(pos, '@not_strictly_false', call(pos, '!_', accumulator(pos))),
  step: call(pos, '_||_', accumulator(pos), predicate),
  result: accumulator(pos),
})

const existsOne: Quantifier = (pos, predicate) => ({
  init: literal(pos, 0n),
  condition: literal(pos, true),
  step: call(pos, '_?_:_', predicate, call(pos, '_+_', accumulator(pos), literal(pos, 1n)), accumulator(pos)),
  result: call(pos, '_==_', accumulator(pos), literal(pos, 1n)),
})

/** A list (`[]`) or a map (`{}`), to which `added` is added where the filter lets it. */
function collection(pos: number, init: Expr, filter: Expr | undefined, added: Expr): Fold {
  return {
    init,
    condition: literal(pos, true),
    step: filter === undefined ? added : call(pos, '_?_:_', filter, added, accumulator(pos)),
    result: accumulator(pos),
  }
}

function appended(pos: number, value: Expr): Expr {
  return {
    ...call(pos, '_+_', accumulator(pos), {
      kind: 'list',
      pos,
      elements: [{ value, optional: false }],
    }),
    accumulates: true,
  }
}

function inserted(pos: number, ...entry: Expr[]): Expr {
  return { ...call(pos, 'cel.@mapInsert', accumulator(pos), ...entry), accumulates: true }
}

function oneVariable(fold: (call: MacroCall) => Fold): Macro {
  return (call) => {
    const iterVar = variable(call, 0)
    return comprehension(call, iterVar, undefined, fold(call))
  }
}

function twoVariables(fold: (call: MacroCall) => Fold): Macro {
  return (call) => {
    const first = variable(call, 0)
    const second = variable(call, 1)
    if (first === second) {
      throw compileError(call.text, argument(call, 1).pos, `duplicate variable name: ${first}`)
    }
    return comprehension(call, first, second, fold(call))
  }
}

function comprehension(
  { pos, target }: MacroCall,
  iterVar: string,
  iterVar2: string | undefined,
  fold: Fold,
): Expr {
  return { kind: 'comprehension', pos, range: target, iterVar, iterVar2, accuVar: ACCUMULATOR, ...fold }
}

const mapMacro = oneVariable(({ pos, args }) => {
  const filter = args.length === 3 ? args[1] : undefined
  return collection(pos, emptyList(pos), filter, appended(pos, args.at(-1) as Expr))
})

const filterMacro = oneVariable(({ pos, args }) =>
  collection(pos, emptyList(pos), args[1], appended(pos, args[0] as Expr)),
)

const transformList = twoVariables(({ pos, args }) => {
  const filter = args.length === 4 ? args[2] : undefined
  return collection(pos, emptyList(pos), filter, appended(pos, args.at(-1) as Expr))
})

const transformMap = twoVariables(({ pos, args }) => {
  const filter = args.length === 4 ? args[2] : undefined
  return collection(pos, emptyMap(pos), filter, inserted(pos, args[0] as Expr, args.at(-1) as Expr))
})

const transformMapEntry = twoVariables(({ pos, args }) => {
  const filter = args.length === 4 ? args[2] : undefined
  return collection(pos, emptyMap(pos), filter, inserted(pos, args.at(-1) as Expr))
})

/** A variable for the value, and an expression that uses it. */
function bind(pos: number, name: string, value: Expr, result: Expr): Expr {
  return {
    kind: 'comprehension',
    pos,
    range: emptyList(pos),
    iterVar: UNUSED,
    iterVar2: undefined,
    accuVar: name,
    init: value,
    condition: literal(pos, false),
    step: ident(pos, name),
    result,
  }
}

function optionalMap(wrap: (pos: number, value: Expr) => Expr): Macro {
  return (macro) => {
    const { pos, target, args } = macro
    const name = argument(macro, 0)
    if (name.kind !== 'ident')
      throw compileError(macro.text, name.pos, 'the variable name must be a simple identifier')
    return call(
      pos,
      '_?_:_',
      member(pos, target, 'hasValue'),
      wrap(pos, bind(pos, name.name, member(pos, target, 'value'), args[1] as Expr)),
      call(pos, 'optional.none'),
    )
  }
}

const sortBy: Macro = (macro) => {
  const { pos, target } = macro
  if (target.kind === 'literal' || target.kind === 'map') {
    throw compileError(
      macro.text,
      target.pos,
      'sortBy can only be applied to a list, identifier, comprehension, call or select expression',
    )
  }
  const input = ident(pos, '@__sortBy_input__')
  const keys = mapMacro({ ...macro, target: input })
  return bind(pos, input.name, target, member(pos, input, '@sortByAssociatedKeys', keys))
}

const MACROS: ReadonlyMap<string, Macro> = new Map([
  ['all:2', oneVariable(({ pos, args }) => all(pos, args[1] as Expr))],
  ['exists:2', oneVariable(({ pos, args }) => exists(pos, args[1] as Expr))],
  ['exists_one:2', oneVariable(({ pos, args }) => existsOne(pos, args[1] as Expr))],
  ['map:2', mapMacro],
  ['map:3', mapMacro],
  ['filter:2', filterMacro],
  ['optMap:2', optionalMap((pos, value) => call(pos, 'optional.of', value))],
  ['optFlatMap:2', optionalMap((_pos, value) => value)],
  ['all:3', twoVariables(({ pos, args }) => all(pos, args[2] as Expr))],
  ['exists:3', twoVariables(({ pos, args }) => exists(pos, args[2] as Expr))],
  ['existsOne:3', twoVariables(({ pos, args }) => existsOne(pos, args[2] as Expr))],
  ['exists_one:3', twoVariables(({ pos, args }) => existsOne(pos, args[2] as Expr))],
  ['transformList:3', transformList],
  ['transformList:4', transformList],
  ['transformMap:3', transformMap],
  ['transformMap:4', transformMap],
  ['transformMapEntry:3', transformMapEntry],
  ['transformMapEntry:4', transformMapEntry],
  ['sortBy:2', sortBy],
])

function variable(call: MacroCall, index: number): string {
  const expr = argument(call, index)
  if (expr.kind !== 'ident') throw compileError(call.text, expr.pos, 'argument must be a simple name')
  if (expr.name === '__result__') {
    throw compileError(call.text, expr.pos, 'iteration variable overwrites accumulator variable')
  }
  return expr.name
}

function argument({ args }: MacroCall, index: number): Expr {
  return args[index] as Expr
}

function literal(pos: number, value: boolean | bigint): Expr {
  return { kind: 'literal', pos, value }
}

function ident(pos: number, name: string): Expr & { kind: 'ident' } {
  return { kind: 'ident', pos, name }
}

function accumulator(pos: number): Expr {
  return ident(pos, ACCUMULATOR)
}

function call(pos: number, name: string, ...args: Expr[]): Call {
  return { kind: 'call', pos, function: name, target: undefined, args }
}

function member(pos: number, target: Expr, name: string, ...args: Expr[]): Call {
  return { kind: 'call', pos, function: name, target, args }
}

function emptyList(pos: number): Expr {
  return { kind: 'list', pos, elements: [] }
}

function emptyMap(pos: number): Expr {
  return { kind: 'map', pos, entries: [] }
}
