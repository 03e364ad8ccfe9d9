import { types } from 'node:util';
import { EmotionError, type ErrorCode } from '../emotion/error';

/**
 * What a worker sends back. Errors cross threads as data: a structured clone of an EmotionError
 * would arrive as a plain Error, without code and details.
 */
export type Answer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: PlainError };

export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, string | number>>;
  /** Stack of an error that is no EmotionError: a defect, to be found in the log. */
  readonly stack?: string;
}

/** Turns a function into a task of a worker: whatever it throws becomes part of the answer. */
export function answering<Task, T>(
  work: (task: Task) => T | Promise<T>,
): (task: Task) => Promise<Answer<T>> {
  return async (task) => {
    try {
      return { ok: true, value: await work(task) };
    } catch (error) {
      return { ok: false, error: plain(error) };
    }
  };
}

function plain(error: unknown): PlainError {
  if (error instanceof EmotionError) {
    return { code: error.code, message: error.message, details: error.details };
  }
  if (types.isNativeError(error)) {
    return {
      code: 'worker.failed',
      message: `${error.name}: ${error.message}`,
      details: { reason: error.message },
      ...(error.stack === undefined ? {} : { stack: error.stack }),
    };
  }
  return { code: 'worker.failed', message: String(error), details: { reason: String(error) } };
}

/**
 * The value of an answer.
 *
 * @throws EmotionError as it was thrown in the worker
 */
export function valueOf<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  const { code, message, details, stack } = answer.error;
  throw new EmotionError(code, message, details, stack === undefined ? {} : { cause: stack });
}
