/** A part of a text: `source.slice(start, end) === text`, offsets in UTF-16 units. */
export interface Span {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Never the end of a sentence: a name or a number follows. */
const TITLES = new Set(
  'mr mrs ms dr prof rev gen sen rep gov capt lt col sgt st mt fig no nos vol pp vs cf approx dept est jr sr'.split(
    ' ',
  ),
);
/** The end of a sentence only before a capital. */
const ABBREVIATIONS = new Set(
  'etc al inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec e.g i.e a.m p.m u.s u.k u.n ph.d'.split(
    ' ',
  ),
);

/** Where a sentence can end: a run of end marks or full stops, or a line break. */
const CANDIDATE = /[。！？!?…｡︒‼⁇⁈⁉.．]+|[\r\n\u0085\u2028\u2029]+/g;
/** What belongs to the sentence that it follows: closing quotes and brackets, tokens, emoji, tildes. */
const TAIL =
  /(?:["'”’」』】）》)\]~～]+|[^\S\r\n\u2028\u2029]*(?:\[[^[\]\s]{1,12}\]|\p{Extended_Pictographic}(?:\ufe0f|\u200d|[\u{1f3fb}-\u{1f3ff}]|\p{Extended_Pictographic})*))*/uy;
const CLOSING_QUOTE = /["'”’]/;
const SMALL_LETTER = /[a-z]/;
const LAST_WORD = /[\p{L}\p{N}.]+$/u;
const BREAK = /[\r\n\u0085\u2028\u2029]/;
const WORD_OR_EMOJI = /[\p{L}\p{N}\p{Extended_Pictographic}]/u;
const NEXT_LETTER = /[\s"'“‘「『（(]*(\S)/uy;
const IDEOGRAPH = /[\u3000-\u9fff\uf900-\ufaff\uff00-\uffef]/;
const LOOK_BACK = 64;

/**
 * The sentences of a Chinese, English or mixed text, lazily and in linear time. Ends are line
 * breaks, `。！？!?`, full stops that close no abbreviation, initial, number or address, and
 * ellipses that a new sentence follows. Closing quotes, tokens and emoji stay with the sentence
 * before them; parts without a letter, digit or emoji join it.
 *
 * @example [...sentences('Dr. Who left... sadly. 真的吗？[允悲] 是的！')].map((s) => s.text);
 * // → ['Dr. Who left... sadly.', '真的吗？[允悲]', '是的！']
 */
export function* sentences(source: string): Generator<Span> {
  let held: { start: number; end: number } | undefined;
  for (const { start, end } of rawSentences(source)) {
    if (held && !WORD_OR_EMOJI.test(source.slice(start, end))) {
      held.end = end;
    } else {
      if (held) yield span(source, held.start, held.end);
      held = { start, end };
    }
  }
  if (held) yield span(source, held.start, held.end);
}

function span(source: string, start: number, end: number): Span {
  return { text: source.slice(start, end), start, end };
}

function* rawSentences(source: string): Generator<{ start: number; end: number }> {
  let from = 0;
  const candidate = new RegExp(CANDIDATE);
  for (let match = candidate.exec(source); match !== null; match = candidate.exec(source)) {
    const markEnd = match.index + match[0].length;
    if (BREAK.test(match[0])) {
      const part = trimmed(source, from, match.index);
      if (part) yield part;
      from = markEnd;
      continue;
    }
    if (!endsSentence(source, from, match.index, match[0])) continue;
    TAIL.lastIndex = markEnd;
    const tail = TAIL.exec(source)?.[0] ?? '';
    const end = markEnd + tail.length;
    // `"Really?" she said.` is one sentence.
    if (CLOSING_QUOTE.test(tail) && SMALL_LETTER.test(nextVisible(source, end) ?? '')) continue;
    const part = trimmed(source, from, end);
    if (part) yield part;
    from = end;
    candidate.lastIndex = end;
  }
  const part = trimmed(source, from, source.length);
  if (part) yield part;
}

function endsSentence(source: string, from: number, at: number, mark: string): boolean {
  const after = at + mark.length;
  if (after >= source.length) return true;
  const next = source[after]!;
  if (/^(?:[.．]{2,}|…+)$/.test(mark)) {
    // An ellipsis inside a sentence goes on in small letters or after a word or two.
    const follower = nextVisible(source, after);
    if (follower === undefined) return true;
    if (IDEOGRAPH.test(follower)) return at - from >= 3;
    return follower !== follower.toLowerCase() || /[\p{N}[]/u.test(follower);
  }
  if (/[a-z0-9=&/#%_-]/i.test(next)) {
    // Inside a number, an address, `U.S.A`, `?q=1`; but `什么?ok` and `wow!nice` do end.
    if (mark === '.' || mark === '．') return false;
    const token = /\S*$/.exec(source.slice(Math.max(from, at - LOOK_BACK * 4), at))![0];
    return !/:\/\/|^www\./i.test(token);
  }
  if (mark !== '.') return true;
  const word = LAST_WORD.exec(source.slice(Math.max(from, at - LOOK_BACK), at))?.[0].toLowerCase();
  if (word === undefined) return /[\s\p{P}]/u.test(next);
  if (TITLES.has(word)) return false;
  if (ABBREVIATIONS.has(word) || /^\p{L}$/u.test(word) || /^(?:\p{L}\.)+\p{L}$/u.test(word)) {
    if (/^[a-hj-z]$/.test(word)) return false;
    const follower = nextVisible(source, after);
    return follower !== undefined && follower !== follower.toLowerCase();
  }
  return true;
}

/** The next character that is not a blank or an opening quote. */
function nextVisible(source: string, from: number): string | undefined {
  NEXT_LETTER.lastIndex = from;
  return NEXT_LETTER.exec(source)?.[1];
}

function trimmed(
  source: string,
  from: number,
  to: number,
): { start: number; end: number } | undefined {
  let start = from;
  let end = to;
  while (start < end && isBlank(source.charCodeAt(start))) start++;
  while (end > start && isBlank(source.charCodeAt(end - 1))) end--;
  return start < end ? { start, end } : undefined;
}

function isBlank(unit: number): boolean {
  return (
    unit === 0x20 ||
    (unit >= 0x09 && unit <= 0x0d) ||
    unit === 0x85 ||
    unit === 0xa0 ||
    unit === 0x3000 ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0xfeff ||
    (unit >= 0x2000 && unit <= 0x200b)
  );
}

const CLAUSE_MARK = /[,，;；、:：。！？!?…\s]/;

/**
 * Cuts a span that is too long for a model into parts of at most `limit` UTF-16 units, after a
 * comma or blank where one stands in the second half of a part, never inside a surrogate pair.
 */
export function* parts(whole: Span, limit: number): Generator<Span> {
  let at = 0;
  const { text, start } = whole;
  while (text.length - at > limit) {
    let cut = at + limit;
    const earliest = at + Math.ceil(limit / 2);
    let seek = cut;
    while (seek > earliest && !CLAUSE_MARK.test(text[seek - 1]!)) seek--;
    if (seek > earliest) cut = seek;
    else if (isHighSurrogate(text.charCodeAt(cut - 1))) cut--;
    yield { text: text.slice(at, cut), start: start + at, end: start + cut };
    at = cut;
  }
  if (at < text.length) {
    yield { text: text.slice(at), start: start + at, end: whole.end };
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
