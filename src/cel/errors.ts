/** An expression that cannot be used. The message is one line, with line and column as cel-go counts them. */
export class CompileError extends Error {
  override name = 'CompileError'
}

/** An expression that has no value for this input: `no such key`, `no such overload`, an overflow. */
export class EvaluationError extends Error {
  override name = 'EvaluationError'
}

/** An evaluation that would take too long or too much. Nothing in an expression absorbs it. */
export class CostLimitExceeded extends Error {
  override name = 'CostLimitExceeded'
}

/** @param pos where in the text, in UTF-16 units */
export function compileError(text: string, pos: number, message: string): CompileError {
  const before = text.slice(0, pos).split('\n')
  const column = [...(before.at(-1) ?? '')].length + 1
  return new CompileError(`${before.length}:${column}: ${message}`)
}

export function noSuchOverload(name: string): EvaluationError {
  return new EvaluationError(`no such overload: ${name}`)
}
