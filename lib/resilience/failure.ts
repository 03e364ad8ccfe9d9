import { ERROR_CODES, EmotionError, type ErrorCode } from '../emotion/error';

/** The owner has stopped waiting: says nothing about anybody. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';

  constructor() {
    super('Stopped before an attempt had an outcome');
  }
}

/**
 * The code of anything that was thrown or that a Catch node describes (`msg.error` carries `code`);
 * undefined for errors of others.
 */
export function failureCode(failure: unknown): ErrorCode | undefined {
  if (failure instanceof EmotionError) return failure.code;
  if (typeof failure !== 'object' || failure === null || !('code' in failure)) return undefined;
  const { code } = failure;
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)
    ? (code as ErrorCode)
    : undefined;
}

/**
 * Whether the same input may succeed when it is sent again. What an unknown error means cannot be
 * known, so it is worth another attempt.
 */
export function isRetryable(failure: unknown): boolean {
  if (failure instanceof StoppedError) return false;
  const code = failureCode(failure);
  return code === undefined || ERROR_CODES[code].transient;
}

/**
 * Whether a failure speaks against its source, not against the input: a source is not broken because
 * somebody sent it an empty file.
 */
export function isSourceFailure(failure: unknown): boolean {
  if (failure instanceof StoppedError) return false;
  const code = failureCode(failure);
  return code === undefined || ERROR_CODES[code].status >= 500 || ERROR_CODES[code].transient;
}

/** A short name of a failure: its code, or its message. */
export function failureName(failure: unknown): string {
  const code = failureCode(failure);
  if (code !== undefined) return code;
  const message =
    typeof failure === 'object' && failure !== null && 'message' in failure
      ? failure.message
      : failure;
  return (typeof message === 'string' && message !== '' ? message : 'unknown').slice(0, 200);
}
