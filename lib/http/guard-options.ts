/** `emotionHttp` of Node-RED's settings.js. */
export interface GuardOptions {
  /**
   * Longest body of a request, in bytes, by path below `httpNodeRoot`. A path stands for all below
   * it that have no entry of their own; paths that no entry covers are none of the guard's business.
   */
  readonly maxBytes: Readonly<Record<string, number>>;
  /** Bytes of all bodies that are open at once. */
  readonly maxBytesTogether: number;
  /** Of one client, on average; 0 for no limit. */
  readonly requestsPerMinute: number;
  /** Of one client, at once. */
  readonly burst: number;
  /** Whether a proxy of yours, and nobody else, reaches Node-RED: its `X-Forwarded-For` counts. */
  readonly trustProxy: boolean;
  /** After which a request that no flow has answered is answered with 504. */
  readonly timeoutSeconds: number;
}

/** What the example flows take. */
export const GUARD_DEFAULTS: GuardOptions = {
  maxBytes: {
    '/emotion': 100_000_000,
    '/emotion/text': 1_000_000,
    '/emotion/audio': 50_000_000,
    '/emotion/video': 100_000_000,
    '/opinion': 10_000_000,
    '/opinion/batches': 200_000_000,
  },
  maxBytesTogether: 500_000_000,
  requestsPerMinute: 0,
  burst: 60,
  trustProxy: false,
  timeoutSeconds: 300,
};

type Check = (value: unknown) => boolean;

const isCount = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isPositive: Check = (value) => isCount(value) && (value as number) > 0;

const EXPECTED: Readonly<Record<keyof GuardOptions, readonly [string, Check]>> = {
  maxBytes: [
    'an object of paths, each beginning with "/", and bytes',
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.entries(value).every(([path, bytes]) => path.startsWith('/') && isCount(bytes)),
  ],
  maxBytesTogether: ['a number of bytes', isPositive],
  requestsPerMinute: ['a number, 0 for no limit', isCount],
  burst: ['a number of at least 1', (value) => isCount(value) && (value as number) >= 1],
  trustProxy: ['true or false', (value) => typeof value === 'boolean'],
  timeoutSeconds: ['a number of seconds', isPositive],
};

/**
 * Reads `emotionHttp` as a person wrote it. What is wrong is named, and its default holds: a
 * mistyped limit must not mean that there is none.
 *
 * @param value `true` for the defaults, or an object of what differs
 */
export function readGuardOptions(value: unknown): { options: GuardOptions; problems: string[] } {
  if (value === true) return { options: GUARD_DEFAULTS, problems: [] };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const problem = `emotionHttp: expected true or an object, got ${JSON.stringify(value)}`;
    return { options: GUARD_DEFAULTS, problems: [problem] };
  }
  const options: Record<string, unknown> = { ...GUARD_DEFAULTS };
  const problems: string[] = [];
  for (const [name, setting] of Object.entries(value)) {
    const known = Object.hasOwn(EXPECTED, name) ? EXPECTED[name as keyof GuardOptions] : undefined;
    if (!known) {
      problems.push(`emotionHttp.${name}: no such setting; there are ${list(EXPECTED)}`);
    } else if (!known[1](setting)) {
      problems.push(`emotionHttp.${name}: expected ${known[0]}, got ${JSON.stringify(setting)}`);
    } else {
      options[name] = setting;
    }
  }
  return { options: options as unknown as GuardOptions, problems };
}

const list = (settings: object): string => Object.keys(settings).join(', ');
