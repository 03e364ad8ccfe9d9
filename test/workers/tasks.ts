import { answering } from '../../lib/workers/answer';
import { EmotionError } from '../../lib/emotion/error';

/** Tasks of the worker pool's tests: what can go wrong in a thread. */
export const double = answering((value: number) => value * 2);
export const defect = answering(() => {
  throw new TypeError('x is not a function');
});
export const refusal = answering(() => {
  throw new EmotionError('model.tokenizer-invalid', 'bad', { file: 'a.json' });
});
export const exit = answering(() => process.exit(3));
export const hang = answering(() => {
  for (;;);
});
export const memory = answering(() => {
  const kept: number[][] = [];
  for (;;) kept.push(Array<number>(1e5).fill(kept.length));
});
export const bytes = answering((buffer: ArrayBuffer) => buffer.byteLength);
