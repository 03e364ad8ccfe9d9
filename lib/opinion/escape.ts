/**
 * Ways to put the words of strangers into a page, a message or a table without their becoming
 * anything but words.
 */

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For the text and the quoted attributes of HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => HTML[character]!);
}

/** For CommonMark: every ASCII punctuation mark that could mean something; one line. */
export function escapeMarkdown(text: string): string {
  return oneLine(text)
    .replace(/[\\`*_{}[\]()#+\-.!|~<>&:@]/g, '\\$&')
    .replace(/https?\\:/gi, (scheme) => scheme.replace('\\:', '&#58;'));
}

const WIDE: Readonly<Record<string, string>> = {
  '<': '＜',
  '>': '＞',
  '[': '［',
  ']': '］',
  '(': '（',
  ')': '）',
  '*': '＊',
  '`': '｀',
  _: '＿',
  '~': '～',
  '#': '＃',
  '@': '＠',
  '!': '！',
  '|': '｜',
  '\\': '＼',
};

/**
 * For chat messages, whose markup has no escape character: marks that could mention everybody, link
 * or format become their full-width forms. One line.
 */
export function defuseMarkup(text: string): string {
  return oneLine(text).replace(/[<>[\]()*`_~#@!|\\]/g, (mark) => WIDE[mark]!);
}

/** Without line breaks and invisible characters that turn the direction of a text. */
export function oneLine(text: string): string {
  return text
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[\s\u0085\u2028\u2029]+/g, ' ')
    .trim();
}

/**
 * A cell of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula gets an
 * apostrophe before it (OWASP, "CSV Injection"); numbers stay numbers.
 *
 * @example csvCell('=1+1'); // → "'=1+1"
 */
export function csvCell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  const text = /^[\s\u0000]*[=+\-@\t\r＝＋－＠]/.test(value) ? `'${value}` : value; // eslint-disable-line no-control-regex
  return /[",\r\n;']|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows as a CSV file with a byte-order mark, without which Excel does not read UTF-8. */
export function csvFile(
  rows: readonly (readonly (string | number | null | undefined)[])[],
): string {
  return `\ufeff${rows.map((row) => row.map(csvCell).join(',')).join('\r\n')}\r\n`;
}

/** At most so many bytes of UTF-8, cut between characters, with an ellipsis where it was cut. */
export function withinBytes(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  let bytes = 3;
  let result = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > most) break;
    result += character;
  }
  return `${result}…`;
}
