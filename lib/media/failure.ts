import { EmotionError, type ErrorCode } from '../emotion/error';

/** What FFmpeg said at the end, newest last; the banner and progress are switched off. */
export type LastWords = readonly string[];

/**
 * Messages of FFmpeg 4 to 8 and what they mean. The first that matches wins: a playlist that points
 * at a refused protocol also says "Invalid data", and the refusal is the cause.
 */
const MEANINGS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  // What FFmpeg makes of any text whose name ends like a picture's.
  [
    /\[image2[^\]]*\] Format not on whitelist/i,
    'media.unreadable',
    'the data is not the picture that its name promises',
  ],
  [
    /not on whitelist|not in allowed_segment_extensions|Unsafe file name/i,
    'media.refused',
    'the input refers to a protocol or format that is not allowed',
  ],
  [
    /exceeds specified max pixel count|Picture size .* is invalid|Image dimensions .* (?:are|is) (?:too large|invalid)/i,
    'input.too-large',
    'the picture has more pixels than allowed',
  ],
  [
    /matches no streams|does not contain any stream|Output file is empty, nothing was encoded.*no stream/i,
    'media.no-stream',
    'the input has no stream of the kind that was asked for',
  ],
  [
    /cannot open (?:audio|video) device|audio open error|Cannot open (?:audio|video) device|Could not find (?:audio|video) (?:only )?device|No such process|Connection refused.*pulse|pa_context|Cannot open sound device|Unknown input format|Could not open .*device|\/dev\/\S+: No such|Selected framerate .* is not supported by the device|Cannot read from device|Video device not found|Audio device not found/i,
    'media.device',
    'the device does not exist or cannot be opened',
  ],
  [
    /Connection (?:refused|reset|timed out)|Network is unreachable|No route to host|Failed to resolve hostname|Name or service not known|Server returned|HTTP error|Operation timed out|Connection to tcp:|TLS|method (?:DESCRIBE|SETUP|PLAY|OPTIONS) failed/i,
    'media.unreachable',
    'the server cannot be reached or refused the request',
  ],
  [/No such file or directory/i, 'media.not-found', 'the file does not exist'],
  [/Permission denied|Operation not permitted/i, 'media.refused', 'the file may not be read'],
];

/** The words a person needs: the last few lines, without addresses of FFmpeg's internals. */
export function summary(lines: LastWords): string {
  const cleaned = lines
    .map((line) =>
      line
        .replace(/\s*@ 0x[0-9a-f]+/gi, '')
        .replace(/(on whitelist) '[^']*'/, '$1')
        .trim(),
    )
    .filter((line) => line !== '' && !/^(?:Conversion failed|To ignore this)/i.test(line));
  return [...new Set(cleaned)].slice(-3).join(' | ').slice(0, 500);
}

/**
 * The typed error for an FFmpeg that ended by itself with a failure.
 *
 * @param name what was read, for the message: a path, a URL without its password, a device
 */
export function failureOf(name: string, lines: LastWords, exitCode: number | null): EmotionError {
  const text = lines.join('\n');
  const words = summary(lines) || `no message, exit code ${exitCode}`;
  const [, code, meaning] = MEANINGS.find(([pattern]) => pattern.test(text)) ?? [
    undefined,
    'media.unreadable' as const,
    'the data is not a sound, picture or film that FFmpeg can read',
  ];
  return new EmotionError(code, `${name}: ${meaning} (FFmpeg: ${words})`, {
    input: name,
    ffmpeg: words,
  });
}
