import { EmotionError } from '../emotion/error';
import { Stemmer } from '../text/stem';
import { AhoCorasick } from './aho-corasick';
import { foldText, wordUnitTable } from './fold';
import { parseRule, termsOf, type Expression, type Term } from './topic-rule';

/** A topic: what posts are about, told by a Boolean rule. */
export interface TopicRule {
  /** What stands in `post.topics`. */
  readonly id: string;
  /** For people; the id where absent. */
  readonly name?: string;
  readonly rule: string;
}

const MAX_RULES = 10_000;
const MAX_ID = 200;
/** Units of all terms together: about 20 MB of automaton. */
const MAX_UNITS = 200_000;
/** Units of a text that are folded and scanned at a time. */
const SLICE = 1 << 16;
/** How far back a slice looks for the end of a word. */
const LONGEST_WORD = 256;

const APOSTROPHE = new Set([0x27, 0x2019]);

/** Whether a rule holds, given 1 at the index of each term that occurs. */
type Predicate = (occurring: Uint8Array) => boolean;

interface CompiledRule {
  readonly id: string;
  readonly holds: Predicate;
}

/**
 * Tells which of many rules a text matches. The text is read once however many rules there are:
 * literal terms by an Aho–Corasick automaton, words of alphabets by their Porter 2 stems. No regular
 * expression comes out of a rule, so none can be made to run away.
 *
 * Chinese is found anywhere. A word of an alphabet is found as a whole word and, unless it stands in
 * quotes, in all its forms: `price` finds "prices" and not "priceless".
 */
export class TopicMatcher {
  readonly #rules: readonly CompiledRule[];
  readonly #terms = new Map<string, number>();
  /** Rules by the terms that occur in them. */
  readonly #rulesOf: number[][] = [];
  readonly #byStem = new Map<string, number>();
  readonly #byLiteral = new Map<string, number>();
  /** The term of each pattern of the automaton. */
  readonly #termOf: readonly number[];
  readonly #automaton: AhoCorasick;
  readonly #overlap: number;
  readonly #stemmer = new Stemmer();
  readonly #wordUnits = wordUnitTable();

  /**
   * @throws EmotionError `opinion.rule-invalid` with the `topic` beside what {@link parseRule} tells
   */
  constructor(rules: readonly TopicRule[]) {
    this.#rules = rules.map((rule, index) => {
      const expression = parsed(rule);
      for (const term of termsOf(expression)) {
        const known = this.#rulesOf[this.#add(term)]!;
        if (known.at(-1) !== index) known.push(index);
      }
      return { id: rule.id, holds: this.#compiled(expression) };
    });
    const literals = [...this.#byLiteral.keys()];
    const units = literals.reduce((sum, text) => sum + text.length, 0);
    if (units > MAX_UNITS) {
      throw new EmotionError(
        'opinion.rule-invalid',
        `The words of all rules have ${units} characters together; at most ${MAX_UNITS} are taken`,
        { units, most: MAX_UNITS },
      );
    }
    this.#termOf = [...this.#byLiteral.values()];
    this.#automaton = new AhoCorasick(literals);
    this.#overlap = 2 * literals.reduce((most, { length }) => Math.max(most, length), 0);
  }

  /**
   * Ids of the rules that match, in the order of the rules.
   *
   * @example new TopicMatcher([{ id: 'fares', rule: '地铁 涨价' }]).match('地铁又涨价了'); // → ['fares']
   */
  match(text: string): string[] {
    const steps = this.matchInSteps(text);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  /** {@link match} that pauses between slices of a long text, for callers that have other work. */
  *matchInSteps(text: string): Generator<undefined, string[]> {
    const occurring = new Uint8Array(this.#rulesOf.length);
    for (let start = 0; start < text.length;) {
      const end = this.#wordEnd(text, start + SLICE);
      const from = start === 0 ? 0 : this.#wordEnd(text, Math.max(0, start - this.#overlap));
      this.#scan(foldText(text.slice(Math.min(from, start), end)), occurring);
      start = end;
      if (start < text.length) yield undefined;
    }
    return this.#matching(occurring);
  }

  /** The last place up to `at` where no word is cut; `at` itself in a word without end. */
  #wordEnd(text: string, at: number): number {
    if (at >= text.length) return text.length;
    for (let end = at; end > 0 && end > at - LONGEST_WORD; end -= 1) {
      const before = text.charCodeAt(end - 1);
      if (before >= 0xd800 && before <= 0xdbff) continue;
      if (this.#wordUnits[before] === 0 && !APOSTROPHE.has(before)) return end;
    }
    return at;
  }

  #scan(folded: string, occurring: Uint8Array): void {
    if (this.#byStem.size > 0) this.#scanWords(folded, occurring);
    if (this.#termOf.length > 0) {
      this.#automaton.scan(folded, (pattern, start, end) => {
        const term = this.#termOf[pattern]!;
        if (occurring[term] === 0 && this.#isWhole(folded, start, end)) occurring[term] = 1;
      });
    }
  }

  #scanWords(folded: string, occurring: Uint8Array): void {
    let start = -1;
    for (let at = 0; at <= folded.length; at += 1) {
      const unit = at < folded.length ? folded.charCodeAt(at) : 0x20;
      if (this.#wordUnits[unit] === 1) {
        if (start < 0) start = at;
      } else if (start >= 0 && !(APOSTROPHE.has(unit) && this.#continues(folded, at + 1))) {
        if (at - start <= LONGEST_WORD) {
          const term = this.#byStem.get(this.#stem(folded.slice(start, at)));
          if (term !== undefined) occurring[term] = 1;
        }
        start = -1;
      }
    }
  }

  #continues(folded: string, at: number): boolean {
    return at < folded.length && this.#wordUnits[folded.charCodeAt(at)] === 1;
  }

  /** Whether an occurrence does not begin or end inside a word of an alphabet. */
  #isWhole(folded: string, start: number, end: number): boolean {
    const isWord = (at: number): boolean =>
      at >= 0 && at < folded.length && this.#wordUnits[folded.charCodeAt(at)] === 1;
    return !(isWord(start - 1) && isWord(start)) && !(isWord(end - 1) && isWord(end));
  }

  #matching(occurring: Uint8Array): string[] {
    const candidates = new Set<number>();
    for (let term = occurring.indexOf(1); term >= 0; term = occurring.indexOf(1, term + 1)) {
      for (const rule of this.#rulesOf[term]!) candidates.add(rule);
    }
    return [...candidates]
      .filter((index) => this.#rules[index]!.holds(occurring))
      .sort((a, b) => a - b)
      .map((index) => this.#rules[index]!.id);
  }

  #compiled(expression: Expression): Predicate {
    switch (expression.kind) {
      case 'term': {
        const index = this.#terms.get(keyOf(expression.term))!;
        return (occurring) => occurring[index] === 1;
      }
      case 'not': {
        const part = this.#compiled(expression.part);
        return (occurring) => !part(occurring);
      }
      case 'and': {
        const parts = expression.parts.map((part) => this.#compiled(part));
        return (occurring) => parts.every((part) => part(occurring));
      }
      case 'or': {
        const parts = expression.parts.map((part) => this.#compiled(part));
        return (occurring) => parts.some((part) => part(occurring));
      }
    }
  }

  /** The index of a term; two forms of one word are one term. */
  #add(term: Term): number {
    const key = keyOf(term);
    const index =
      !term.exact && this.#isWord(term.text)
        ? this.#indexIn(this.#byStem, this.#stem(term.text))
        : this.#indexIn(this.#byLiteral, term.text);
    this.#terms.set(key, index);
    return index;
  }

  #indexIn(terms: Map<string, number>, text: string): number {
    const known = terms.get(text);
    if (known !== undefined) return known;
    const index = this.#rulesOf.push([]) - 1;
    terms.set(text, index);
    return index;
  }

  #isWord(text: string): boolean {
    for (let at = 0; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (this.#wordUnits[unit] === 0 && !APOSTROPHE.has(unit)) return false;
    }
    return true;
  }

  #stem(word: string): string {
    return this.#stemmer.stem(word.replaceAll('\u2019', "'"), 'en');
  }
}

function keyOf({ text, exact }: Term): string {
  return exact ? `"${text}` : text;
}

function parsed({ id, rule }: TopicRule): Expression {
  try {
    return parseRule(rule);
  } catch (cause) {
    if (!(cause instanceof EmotionError)) throw cause;
    throw new EmotionError(
      cause.code,
      `Topic "${id}": ${cause.message}`,
      { topic: id, ...cause.details },
      { cause },
    );
  }
}

/**
 * Rules out of what a message or a node's settings carry: one, or an array of them. An id may be
 * left out where there is a name.
 *
 * @throws EmotionError `opinion.rule-invalid` for what is none, and for an id that stands twice
 */
export function parseTopicRules(value: unknown): TopicRule[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > MAX_RULES) {
    throw refused(`At most ${MAX_RULES} rules are taken, got ${list.length}`, {});
  }
  const seen = new Set<string>();
  return list.map((item, index) => {
    const { id, name, rule } = (typeof item === 'object' && item !== null ? item : {}) as Partial<
      Record<keyof TopicRule, unknown>
    >;
    const own = nameOf(id) ?? nameOf(name);
    if (own === undefined || typeof rule !== 'string') {
      throw refused(
        `Rule ${index + 1}: expected { id or name, rule } with strings of up to ${MAX_ID} characters`,
        { index },
      );
    }
    if (seen.has(own)) throw refused(`Two rules have the id "${own}"`, { topic: own });
    seen.add(own);
    const shown = nameOf(name);
    return { id: own, ...(shown !== undefined && shown !== own && { name: shown }), rule };
  });
}

function nameOf(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const name = String(value).trim();
  return name === '' || name.length > MAX_ID ? undefined : name;
}

function refused(message: string, details: Record<string, string | number>): EmotionError {
  return new EmotionError('opinion.rule-invalid', message, details);
}
