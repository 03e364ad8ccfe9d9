import { EmotionError } from '../emotion/error';

/** What went wrong with the files of a buffer, for the person who looks after the machine. */
export function diskError(folder: string, cause: unknown): EmotionError {
  if (cause instanceof EmotionError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' ? 'no space is left on the device' : message;
  return new EmotionError(
    'buffer.disk',
    `The buffer in ${folder} cannot be written or read: ${why}`,
    { folder, cause: why },
    { cause },
  );
}
