import { EmotionError } from '../emotion/error';
import { foldText } from './fold';

/** A Boolean rule over the words of a text. */
export type Expression =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Expression[] }
  | { readonly kind: 'not'; readonly part: Expression }
  | { readonly kind: 'term'; readonly term: Term };

/** What must stand in a text. */
export interface Term {
  /** Folded: NFKC, lower case, one blank between words. */
  readonly text: string;
  /** In quotes: exactly these words. Otherwise a word of an alphabet stands for all its forms. */
  readonly exact: boolean;
}

/** What is wrong with a rule. */
export type RuleProblem =
  | 'empty'
  | 'unclosed-quote'
  | 'empty-quote'
  | 'unclosed-parenthesis'
  | 'unopened-parenthesis'
  | 'empty-parenthesis'
  | 'missing-left'
  | 'missing-right'
  | 'small-operator'
  | 'separator'
  | 'wildcard'
  | 'no-word'
  | 'matches-all'
  | 'too-long'
  | 'too-deep'
  | 'too-many-terms';

export const MAX_RULE_LENGTH = 4000;
export const MAX_TERMS = 500;
const MAX_DEPTH = 50;

type Operator = 'and' | 'or' | 'not';

interface Token {
  readonly kind: Operator | 'open' | 'close' | 'term';
  /** As written. */
  readonly text: string;
  /** Offset in the rule, UTF-16 units. */
  readonly at: number;
  readonly term?: Term;
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  AND: 'and',
  '&': 'and',
  '&&': 'and',
  且: 'and',
  并且: 'and',
  並且: 'and',
  OR: 'or',
  '|': 'or',
  '||': 'or',
  或: 'or',
  或者: 'or',
  NOT: 'not',
  '!': 'not',
  非: 'not',
};
const SMALL_OPERATOR = /^(?:and|or|not)$/i;
const BLANK = /[\s\u0085\u200b\ufeff]/;
const OPENING = '(（';
const CLOSING = ')）';
/** Each opening quote with what may close it. */
const QUOTES: Readonly<Record<string, string>> = {
  '"': '"＂“”',
  '＂': '"＂“”',
  '“': '"＂“”',
  '”': '"＂“”',
  '「': '」',
  '『': '』',
};
const SEPARATOR = /[,，、;；]/;
const WILDCARD = /[*＊?？]/;

/**
 * Reads a Boolean keyword rule. AND, OR and NOT are written in capitals (or 且, 或, 非, or `&`, `|`,
 * `!`, each standing alone); words side by side must all occur; NOT binds before AND, AND before OR;
 * parentheses group; quotes hold a phrase. Full-width forms count as their narrow ones.
 *
 * A rule that a text without any of its words would match (`NOT 招聘`) is refused, and so is what
 * would silently find nothing: small `and`, commas, `*`.
 *
 * @throws EmotionError `opinion.rule-invalid`; its details are the `problem`, a {@link RuleProblem},
 * the `position` of the first wrong character from 1, and what was `found` there
 *
 * @example parseRule('(地铁 OR 公交) AND 涨价 NOT 招聘');
 * // → and( or(地铁, 公交), 涨价, not(招聘) )
 */
export function parseRule(rule: string): Expression {
  if (rule.length > MAX_RULE_LENGTH) {
    throw wrong('too-long', MAX_RULE_LENGTH, '', `at most ${MAX_RULE_LENGTH} characters`);
  }
  const tokens = [...tokensOf(rule)];
  const terms = tokens.filter(({ kind }) => kind === 'term');
  if (tokens.length === 0) throw wrong('empty', 0, '', 'write a word');
  const excess = terms[MAX_TERMS];
  if (excess) throw wrong('too-many-terms', excess.at, excess.text, `at most ${MAX_TERMS} words`);
  const expression = new Parser(rule, tokens).parse();
  if (evaluate(expression, () => false)) {
    throw wrong(
      'matches-all',
      0,
      '',
      'a text with none of its words would match; add a word that must occur',
    );
  }
  return expression;
}

/** Whether an expression holds, given which of its terms occur. */
export function evaluate(expression: Expression, occurs: (term: Term) => boolean): boolean {
  switch (expression.kind) {
    case 'term':
      return occurs(expression.term);
    case 'not':
      return !evaluate(expression.part, occurs);
    case 'and':
      return expression.parts.every((part) => evaluate(part, occurs));
    case 'or':
      return expression.parts.some((part) => evaluate(part, occurs));
  }
}

/** Every term of an expression, from left to right. */
export function* termsOf(expression: Expression): Generator<Term> {
  if (expression.kind === 'term') yield expression.term;
  else if (expression.kind === 'not') yield* termsOf(expression.part);
  else for (const part of expression.parts) yield* termsOf(part);
}

function* tokensOf(rule: string): Generator<Token> {
  let at = 0;
  while (at < rule.length) {
    const character = rule[at]!;
    if (BLANK.test(character)) {
      at += 1;
    } else if (OPENING.includes(character)) {
      yield { kind: 'open', text: character, at };
      at += 1;
    } else if (CLOSING.includes(character)) {
      yield { kind: 'close', text: character, at };
      at += 1;
    } else if (QUOTES[character] !== undefined) {
      const end = endOfQuote(rule, at);
      yield quoted(rule.slice(at, end), at);
      at = end;
    } else {
      const end = endOfWord(rule, at);
      yield word(rule.slice(at, end), at);
      at = end;
    }
  }
}

function endOfQuote(rule: string, at: number): number {
  const closing = QUOTES[rule[at]!]!;
  for (let end = at + 1; end < rule.length; end += 1) {
    if (closing.includes(rule[end]!)) return end + 1;
  }
  throw wrong('unclosed-quote', at, rule.slice(at), 'the quote is never closed');
}

function endOfWord(rule: string, at: number): number {
  let end = at;
  while (end < rule.length) {
    const character = rule[end]!;
    const ends =
      BLANK.test(character) ||
      OPENING.includes(character) ||
      CLOSING.includes(character) ||
      QUOTES[character] !== undefined;
    if (ends) break;
    end += 1;
  }
  return end;
}

function quoted(text: string, at: number): Token {
  const folded = foldText(text.slice(1, -1)).trim();
  if (folded === '') throw wrong('empty-quote', at, text, 'there is nothing in the quotes');
  return { kind: 'term', text, at, term: { text: folded, exact: true } };
}

function word(text: string, at: number): Token {
  const plain = text.normalize('NFKC');
  if (Object.hasOwn(OPERATORS, plain)) return { kind: OPERATORS[plain]!, text, at };
  if (SMALL_OPERATOR.test(plain)) {
    throw wrong(
      'small-operator',
      at,
      text,
      `write ${plain.toUpperCase()} in capitals, or put the word in quotes`,
    );
  }
  const separator = SEPARATOR.exec(text);
  if (separator) {
    throw wrong(
      'separator',
      at + separator.index,
      separator[0],
      'write AND or OR between words, or put them in quotes',
    );
  }
  const wildcard = WILDCARD.exec(text);
  if (wildcard) {
    throw wrong(
      'wildcard',
      at + wildcard.index,
      wildcard[0],
      'there are no wildcards: a word stands for its forms, Chinese is found inside words; put the mark in quotes to look for it',
    );
  }
  const folded = foldText(text).trim();
  if (folded === '') throw wrong('no-word', at, text, 'there is no visible character');
  return { kind: 'term', text, at, term: { text: folded, exact: false } };
}

/** Recursive descent; `depth` bounds what a hostile rule can make of the stack. */
class Parser {
  #next = 0;
  #depth = 0;

  constructor(
    private readonly rule: string,
    private readonly tokens: readonly Token[],
  ) {}

  parse(): Expression {
    const expression = this.#or();
    const rest = this.#peek();
    if (rest) {
      throw wrong('unopened-parenthesis', rest.at, rest.text, 'there is no parenthesis to close');
    }
    return expression;
  }

  #or(): Expression {
    const parts = [this.#and()];
    while (this.#take('or')) parts.push(this.#and());
    return parts.length === 1 ? parts[0]! : { kind: 'or', parts };
  }

  #and(): Expression {
    const parts = [this.#not()];
    for (;;) {
      const next = this.#peek();
      if (this.#take('and')) parts.push(this.#not());
      else if (next && (next.kind === 'term' || next.kind === 'open' || next.kind === 'not')) {
        parts.push(this.#not());
      } else break;
    }
    return parts.length === 1 ? parts[0]! : { kind: 'and', parts };
  }

  #not(): Expression {
    const operator = this.#take('not');
    if (!operator) return this.#primary();
    this.#enter(operator);
    const part = this.#not();
    this.#depth -= 1;
    return { kind: 'not', part };
  }

  #primary(): Expression {
    const token = this.#peek();
    const before = this.tokens[this.#next - 1];
    if (token?.kind === 'term') {
      this.#next += 1;
      return { kind: 'term', term: token.term! };
    }
    if (token?.kind === 'open') return this.#group(token);
    if (before && isOperator(before)) {
      throw wrong(
        'missing-right',
        before.at,
        before.text,
        `"${before.text}" needs a word after it`,
      );
    }
    if (token?.kind === 'and' || token?.kind === 'or') {
      throw wrong('missing-left', token.at, token.text, `"${token.text}" needs a word before it`);
    }
    if (token?.kind === 'close') {
      throw before?.kind === 'open'
        ? wrong('empty-parenthesis', before.at, before.text, 'there is nothing in the parentheses')
        : wrong('unopened-parenthesis', token.at, token.text, 'there is no parenthesis to close');
    }
    throw wrong(
      'unclosed-parenthesis',
      before?.at ?? this.rule.length,
      before?.text ?? '',
      'the parenthesis is never closed',
    );
  }

  #group(open: Token): Expression {
    this.#enter(open);
    this.#next += 1;
    const expression = this.#or();
    if (!this.#take('close')) {
      throw wrong('unclosed-parenthesis', open.at, open.text, 'the parenthesis is never closed');
    }
    this.#depth -= 1;
    return expression;
  }

  #enter({ at, text }: Token): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw wrong('too-deep', at, text, `at most ${MAX_DEPTH} parentheses inside each other`);
    }
  }

  #peek(): Token | undefined {
    return this.tokens[this.#next];
  }

  #take(kind: Token['kind']): Token | undefined {
    const token = this.#peek();
    if (token?.kind !== kind) return undefined;
    this.#next += 1;
    return token;
  }
}

function isOperator({ kind }: Token): boolean {
  return kind === 'and' || kind === 'or' || kind === 'not';
}

function wrong(problem: RuleProblem, at: number, found: string, advice: string): EmotionError {
  const shown = found.length > 20 ? `${found.slice(0, 20)}…` : found;
  return new EmotionError(
    'opinion.rule-invalid',
    `Position ${at + 1}${shown === '' ? '' : `, at ${JSON.stringify(shown)}`}: ${advice}`,
    { problem, position: at + 1, found: shown },
  );
}
