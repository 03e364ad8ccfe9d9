/**
 * Every way the suite can fail, with the HTTP status that stands for it (RFC 9457 in
 * `docs/openapi.yaml`) and whether the same input may succeed when it is sent again. The code is
 * also the i18n key of the message: `errors.<code>` in the catalogues of `emotion-model`.
 */
export const ERROR_CODES = {
  'input.property-missing': { status: 400, transient: false },
  'input.wrong-type': { status: 422, transient: false },
  'input.not-a-sample': { status: 422, transient: false },
  'input.too-large': { status: 413, transient: false },
  'input.unsupported-media': { status: 415, transient: false },
  'input.unusable': { status: 422, transient: false },
  'input.wrong-model': { status: 422, transient: false },
  'queue.full': { status: 429, transient: true },
  'queue.superseded': { status: 429, transient: false },
  'queue.reset': { status: 503, transient: false },
  'queue.closed': { status: 503, transient: true },
  'model.not-configured': { status: 503, transient: false },
  'model.not-found': { status: 503, transient: false },
  'model.manifest-invalid': { status: 503, transient: false },
  'model.file-missing': { status: 503, transient: false },
  'model.hash-mismatch': { status: 503, transient: false },
  'model.load-failed': { status: 503, transient: true },
  'model.inputs-mismatch': { status: 503, transient: false },
  'model.tokenizer-invalid': { status: 503, transient: false },
  'model.import-not-found': { status: 422, transient: false },
  'model.import-refused': { status: 422, transient: false },
  'model.import-unreachable': { status: 503, transient: true },
  'model.import-corrupt': { status: 422, transient: false },
  'model.import-disk': { status: 503, transient: false },
  'model.import-unsupported': { status: 422, transient: false },
  'model.import-labels': { status: 422, transient: false },
  'model.import-busy': { status: 429, transient: true },
  'engine.timeout': { status: 504, transient: true },
  'engine.crashed': { status: 503, transient: true },
  'engine.failed': { status: 500, transient: true },
  'engine.closed': { status: 503, transient: true },
  'worker.failed': { status: 500, transient: true },
  'media.ffmpeg-missing': { status: 503, transient: false },
  'media.not-found': { status: 422, transient: false },
  'media.unreadable': { status: 415, transient: false },
  'media.no-stream': { status: 422, transient: false },
  'media.empty': { status: 422, transient: false },
  'media.refused': { status: 422, transient: false },
  'media.unreachable': { status: 503, transient: true },
  'media.device': { status: 503, transient: true },
  'media.stalled': { status: 504, transient: true },
  'media.killed': { status: 503, transient: true },
  'fusion.not-a-result': { status: 422, transient: false },
  'fusion.duplicate': { status: 422, transient: false },
  'fusion.late': { status: 422, transient: false },
  'fusion.time-unusable': { status: 422, transient: false },
  'buffer.full': { status: 429, transient: true },
  'buffer.disk': { status: 503, transient: true },
  'buffer.in-use': { status: 503, transient: false },
  'buffer.damaged': { status: 500, transient: false },
  'buffer.not-acknowledged': { status: 504, transient: true },
  'buffer.given-up': { status: 422, transient: false },
  'batch.unreadable': { status: 422, transient: false },
  'batch.unknown': { status: 422, transient: false },
  'batch.busy': { status: 429, transient: true },
  'batch.disk': { status: 503, transient: true },
  'fallback.source-gone': { status: 503, transient: false },
  'fallback.exhausted': { status: 503, transient: false },
  'opinion.not-a-post': { status: 422, transient: false },
  'opinion.results-mismatch': { status: 422, transient: false },
  'opinion.rule-invalid': { status: 422, transient: false },
} as const satisfies Record<string, { status: number; transient: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * The one error class of the suite. The message says which setting or file, what was expected,
 * what came and what to do; `details` carries the same as values, for catalogues in other
 * languages.
 *
 * @example
 * throw new EmotionError('model.not-found', 'No model "x" in /models; installed: text-bilstm', {
 *   model: 'x', installed: 'text-bilstm',
 * });
 */
export class EmotionError extends Error {
  override readonly name = 'EmotionError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  /** Whether the same input may succeed when it is sent again. */
  get transient(): boolean {
    return ERROR_CODES[this.code].transient;
  }
}
