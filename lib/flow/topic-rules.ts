import { EmotionError } from '../emotion/error';
import { parseTopicRules, TopicMatcher, type TopicRule } from '../opinion/topic-matcher';
import type { KeptValue } from './kept-value';
import type { FlowMessage } from './message';

/** What is kept: the rules, and the settings that they were changed from. */
interface Kept {
  readonly configured: readonly TopicRule[];
  readonly rules: readonly TopicRule[];
}

/**
 * The rules of one node: those of its settings, until a message changes them. Changes outlive a
 * restart as far as the store does, and end when somebody edits the settings.
 */
export class TopicRules {
  #rules: readonly TopicRule[] = [];
  #matcher = new TopicMatcher([]);
  #failure: Error | undefined;
  #changes: Promise<unknown> = Promise.resolve();
  /** Settles when the kept rules have been read; never rejects. */
  readonly ready: Promise<void>;

  constructor(
    private readonly configured: unknown,
    private readonly store: KeptValue,
  ) {
    this.ready = this.#start();
  }

  get rules(): readonly TopicRule[] {
    return this.#rules;
  }

  /** @throws EmotionError `opinion.rule-invalid` while the settings are wrong */
  get matcher(): TopicMatcher {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#matcher;
  }

  /** Why there are no rules; undefined when all is well. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Commands by `msg.action`; each answers with all rules. A change is made whole or not at all.
   * `list` · `add` (a rule with a known id takes its place) · `remove` (ids, or rules) · `replace`
   * · `restore` (back to the settings) · `check` (tells what is wrong and changes nothing).
   */
  get actions(): Readonly<Record<string, (message: FlowMessage) => Promise<readonly TopicRule[]>>> {
    return {
      list: () => this.ready.then(() => this.#rules),
      check: ({ payload }) => {
        const rules = parseTopicRules(payload);
        new TopicMatcher(rules);
        return Promise.resolve(rules);
      },
      add: ({ payload }) => {
        const added = parseTopicRules(payload);
        const byId = new Map(added.map((rule) => [rule.id, rule]));
        return this.#change((rules) => [
          ...rules.map((rule) => take(byId, rule.id) ?? rule),
          ...byId.values(),
        ]);
      },
      remove: ({ payload }) => {
        const ids = new Set(idsOf(payload));
        return this.#change((rules) => rules.filter(({ id }) => !ids.has(id)));
      },
      replace: ({ payload }) => {
        const replaced = parseTopicRules(payload);
        return this.#change(() => replaced);
      },
      restore: () => this.#change(() => parseTopicRules(this.configured)),
    };
  }

  async #start(): Promise<void> {
    try {
      const configured = parseTopicRules(this.configured);
      const kept = await this.store.load().catch(() => undefined);
      const same = isKept(kept) && JSON.stringify(kept.configured) === JSON.stringify(configured);
      this.#use(same ? parseTopicRules(kept.rules) : configured);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  /** One change after the other: two messages at a time do not undo each other. */
  #change(
    edit: (rules: readonly TopicRule[]) => readonly TopicRule[],
  ): Promise<readonly TopicRule[]> {
    const change = this.#changes
      .catch(() => undefined)
      .then(async () => {
        await this.ready;
        this.#use(edit(this.#rules));
        let configured: readonly TopicRule[] = [];
        try {
          configured = parseTopicRules(this.configured);
        } catch {
          // Settings that are wrong will be other ones when they are right.
        }
        await this.store.save({ configured, rules: this.#rules } satisfies Kept);
        return this.#rules;
      });
    this.#changes = change;
    return change;
  }

  #use(rules: readonly TopicRule[]): void {
    this.#matcher = new TopicMatcher(rules);
    this.#rules = rules;
    this.#failure = undefined;
  }
}

function take(rules: Map<string, TopicRule>, id: string): TopicRule | undefined {
  const rule = rules.get(id);
  rules.delete(id);
  return rule;
}

function idsOf(value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    const id: unknown =
      typeof item === 'object' && item !== null ? (item as { id?: unknown }).id : item;
    if (typeof id === 'string' || typeof id === 'number') return String(id).trim();
    throw new EmotionError(
      'opinion.rule-invalid',
      'To remove rules, send their ids: a string or an array of strings',
      { expected: 'ids' },
    );
  });
}

function isKept(value: unknown): value is Kept {
  return typeof value === 'object' && value !== null && 'configured' in value && 'rules' in value;
}
