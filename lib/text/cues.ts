import type { Locale } from '../emotion/labels';
import type { RuleCue, SentenceFeatures } from '../emotion/sample';
import { meaningOfToken } from './emoji';
import { emotionOfWord } from './emotion-words';
import { remembering } from './remember';

const list = (words: string): string[] => words.split(/\s+/);
const set = (words: string): ReadonlySet<string> => new Set(list(words));
/** Phrases by their first word, longest first; the words of a phrase are separated by `_`. */
const phrases = (text: string): ReadonlyMap<string, readonly (readonly string[])[]> => {
  const byFirst = new Map<string, string[][]>();
  for (const phrase of list(text)) {
    const words = phrase.split('_');
    byFirst.set(words[0]!, [...(byFirst.get(words[0]!) ?? []), words]);
  }
  for (const entries of byFirst.values()) entries.sort((a, b) => b.length - a.length);
  return byFirst;
};

interface Lexicon {
  readonly negators: ReadonlySet<string>;
  readonly negatingPhrases: ReturnType<typeof phrases>;
  /** Words and phrases that look like a negation and are none. */
  readonly affirmative: ReadonlySet<string>;
  readonly affirmativePhrases: ReturnType<typeof phrases>;
  /** Two negations in one word: they affirm. */
  readonly doubled: ReadonlySet<string>;
  readonly doubledPhrases: ReturnType<typeof phrases>;
  readonly degrees: ReadonlyMap<string, number>;
  readonly degreePhrases: ReadonlyMap<string, number>;
  /** Degree words that follow what they strengthen: 高兴极了. */
  readonly trailingDegrees: ReadonlyMap<string, number>;
  /** What follows carries the weight: but. */
  readonly adversatives: ReadonlySet<string>;
  readonly adversativePhrases: ReturnType<typeof phrases>;
  /** What follows is conceded: although. */
  readonly concessives: ReadonlySet<string>;
  readonly concessivePhrases: ReturnType<typeof phrases>;
  readonly questions: ReadonlySet<string>;
  readonly irony: ReadonlySet<string>;
  readonly ironyPhrases: ReturnType<typeof phrases>;
  /** Of the ironic words and phrases, those that are hardly ever meant as they stand. */
  readonly plainIrony: ReadonlySet<string>;
  /** How many words a negation reaches. */
  readonly reach: number;
}

const strengths = (entries: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(
    Object.entries(entries).flatMap(([words, strength]) =>
      list(words).map((word): [string, number] => [word, strength]),
    ),
  );

const CHINESE: Lexicon = {
  negators:
    set(`不 没 没有 无 非 未 别 勿 莫 毫无 从不 从未 从没 从没有 从来不 从来没 从来没有 并不 并非 并没 并没有
    绝不 决不 绝非 毫不 永不 不是 不会 不能 不要 不想 不用 不再 不太 不够 不算 不曾 不可 不可能 不敢 不必 不该 不应该
    不大 不怎么 不觉得 不认为 不愿 不愿意 不希望 无法 难以 未必 未曾 尚未 谈不上 算不上 称不上 说不上 不至于 没什么
    没啥 没那么 没人 没法 没能 甭 休想 缺乏 哪有 哪里有 无意 远非 不是很 不怎么样`),
  negatingPhrases: phrases('谈_不_上 算_不_上 称_不_上 没有_那么 一点_都_不 一点_也_不 根本_不'),
  affirmative:
    set(`不错 挺不错 不得了 了不起 不仅 不但 不只 不光 不单 不仅仅 不管 不论 不过 不如 不妨 不愧 不禁 不由得
    不由 不料 不少 不断 不久 不同 不好意思 没事 没准 没关系 没想到 想不到 别人 别的 别处 别样 别墅 特别 无论 无数 无比
    非凡 非常 非但 未来 未免 莫名 莫名其妙 莫非 对不起 无聊 无语 无奈 无敌 无情 无辜 无耻 不已 不停 忍不住 禁不住
    不可思议 不亦乐乎 不知不觉 不见不散 不要脸 不幸 不安 不满 不爽 不屑 不堪 不便 差不多 不一会儿 无意中 无所谓
    没问题 没毛病 没错 要不 要不然 不然 不管怎样 动不动 不得已 不一样 除非 莫大 无限 要不要 是不是 好不好 能不能
    会不会 有没有 可不可以 受不了 受不鸟 不忍 不舍 舍不得 来不及 不愧是`),
  affirmativePhrases: phrases(
    `不_仅 不_但 不_只 不_光 不_仅仅 不_得了 不_错 是_不是 是_不_是 要_不_要 有_没有 有_没_有 好_不_好 能_不_能 会_不_会
    没有_更 没有_比 没有_这么 没_这么 没有_什么_比 没_关系 没_事 没_问题 不_由得 不_禁 不_愧 忍_不住 受_不了 受_不_了 停_不_下来 好_不_容易 没_想到 万_没_想到 不_好意思
    说_不定 没_错 对_不起 了_不起 差_不多`,
  ),
  doubled:
    set(`不得不 不可能不 不能不 不会不 不可不 不是不 没有不 无不 莫不 无一不 未尝不 不无 不免 并非不 并不是不 未必不 无非
    无可厚非 不可否认 不无道理 不是没有 不能说不`),
  doubledPhrases: phrases(
    '不_得_不 不_能_不 不_会_不 无_不 莫_不 未尝_不 不_无 不_可_不 不_可能_不 不可能_不 不能_不 不会_不',
  ),
  degrees: strengths({
    '极 极其 极度 极为 超级 最 最为 无比 万分 完全 彻底 绝对 过于 异常 巨 爆': 1.6,
    '非常 特别 超 太 相当 格外 十分 尤其 尤为 分外 颇 极端 实在 实在是 真是 简直 真是太 太过': 1.5,
    '很 真 真的 挺 蛮 好 更 更加 越来越 多么 这么 那么 如此 够 老 怪': 1.3,
    '比较 较 较为 还算 还 还是': 0.85,
    '有点 有点儿 有些 稍微 稍 略 略微 些许 一点 一点点 一些 不太 不大 不怎么 不是很 微微': 0.65,
  }),
  degreePhrases: strengths({ 越来_越: 1.3, 有_点: 0.65, 有_一点: 0.65, 好_不: 1.5, 太_过: 1.5 }),
  trailingDegrees: strengths({
    '极了 死了 透了 坏了 爆了 透顶 至极 不得了 得很 得要命 要命 要死 得不行 不行 万分 不已 爆表 疯了': 1.6,
  }),
  adversatives: set('但 但是 可是 不过 然而 却 只是 反而 其实 偏偏 反倒 却是 只不过'),
  adversativePhrases: phrases('话_虽_如此 尽管_如此 虽然_如此'),
  concessives: set('虽然 虽 虽说 尽管 即使 即便 哪怕 就算 纵然 固然'),
  concessivePhrases: phrases('虽_说'),
  questions: set(
    '? ?? ??? 吗 嘛 呢 怎么 怎么样 怎样 为什么 为何 为啥 什么 啥 谁 哪 哪里 哪儿 几 多少 何 何时 难道 是不是 是否',
  ),
  irony: set(
    '呵呵 呵呵呵 呵 醉了 滑稽 [微笑] [假笑] [小丑] [滑稽] 活该 也是醉了 佩服佩服 好意思 真行 可真行 真会 真会玩 真有你的 好一个 可真是 真是太',
  ),
  ironyPhrases: phrases(
    '佩服_佩服 真有_你_的 真_会_玩 可真_好 可_真_好 也_是_醉 真_行 可_真_行 真_是_谢谢 我_谢谢_你 谢谢_你_全家 好_一_个 好_一个 真_会_玩 服_了 厉害_了 真_有_你_的 真_有_你 你_可_真_行 还_真_是_谢谢',
  ),
  plainIrony: set('谢谢你全家 真有你的'),
  reach: 4,
};

const ENGLISH: Lexicon = {
  negators:
    set(`not no never neither nor nothing nobody none nowhere hardly scarcely barely rarely seldom without
    cannot don't doesn't didn't isn't aren't wasn't weren't won't wouldn't can't couldn't shouldn't mustn't
    needn't haven't hasn't hadn't ain't shan't mightn't dont doesnt didnt isnt arent wasnt werent wont wouldnt cant
    couldnt shouldnt havent hasnt hadnt aint lack lacks lacking lacked`),
  negatingPhrases: phrases(
    'no_longer not_at_all far_from by_no_means not_even not_really in_no_way anything_but',
  ),
  affirmative: set('nonetheless nevertheless notwithstanding'),
  affirmativePhrases: phrases(
    `not_only not_just not_merely not_simply no_doubt no_wonder no_matter no_problem no_worries not_to_mention
    can't_help cannot_help cant_help couldn't_help couldnt_help can't_wait cannot_wait cant_wait couldn't_wait
    couldn't_agree_more can't_agree_more couldn't_be_happier couldn't_be_prouder couldn't_be_better
    couldn't_be_more can't_be_more can't_thank can't_stop couldn't_stop couldn't_care_less why_not nothing_but
    none_other never_mind never_been_this never_felt_this or_not not_sure whether_or_not if_not no_one_but why_don't why_doesn't why_didn't
    not_gonna_lie can't_believe cannot_believe couldn't_believe cant_believe don't_you_love can't_get_enough cannot_get_enough
    never_been_so never_been_more never_felt_so never_felt_more not_a_day no_kidding no_way no_joke`,
  ),
  doubled: new Set(),
  doubledPhrases: phrases("can't_not cannot_not couldn't_not"),
  degrees: strengths({
    'extremely incredibly absolutely totally utterly completely insanely ridiculously fucking insufferably beyond most unbelievably': 1.6,
    'very so really super such highly deeply truly too damn freaking awfully terribly especially particularly bloody sooo soo mad': 1.5,
    'quite pretty more even much rather genuinely': 1.2,
    'fairly mostly': 0.85,
    'slightly somewhat mildly kinda sorta partly marginally': 0.65,
  }),
  degreePhrases: strengths({
    'a_bit a_little kind_of sort_of a_tad': 0.65,
    'as_hell as_fuck to_death the_most a_lot so_much': 1.6,
  }),
  trailingDegrees: strengths({ af: 1.6 }),
  adversatives: set('but however though nevertheless nonetheless'),
  adversativePhrases: phrases('even_so that_said on_the_other_hand'),
  concessives: set('although despite albeit'),
  concessivePhrases: phrases('even_though even_if in_spite_of'),
  questions: set('? ?? ??? why what how who where when which'),
  irony: set('/s [sarcastic] [clown] riiight suuure'),
  ironyPhrases: phrases(
    `yeah_right oh_great oh_wonderful oh_perfect just_great just_perfect just_wonderful just_what_i_needed how_nice_of
    thanks_for_nothing good_for_you big_surprise what_a_surprise just_love sure_thing way_to_go nice_going great_job_ruining
    oh_joy /_s`,
  ),
  plainIrony: new Set([
    '/ s',
    '/s',
    '[sarcastic]',
    'yeah right',
    'thanks for nothing',
    'riiight',
    'suuure',
  ]),
  reach: 4,
};

const LEXICONS: Readonly<Record<Locale, Lexicon>> = { zh: CHINESE, en: ENGLISH };

const firstWords = ({ degreePhrases }: Lexicon): ReadonlySet<string> =>
  new Set([...degreePhrases.keys()].map((pair) => pair.split('_', 1)[0]!));
const FIRST_OF_DEGREES = { zh: firstWords(CHINESE), en: firstWords(ENGLISH) };

/** Degree words that are also something else: counted only close to a word of emotion. */
const AMBIGUOUS_DEGREES: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('好 更 还 还是 够 老 怪 这么 那么 比较 最 一点 一些 真 爆 巨'),
  en: set('so too pretty most more even mad much really such rather mostly beyond'),
};
/** A negation does not reach over these. */
const BARRIERS: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('而 而是 因为 所以 如果 而且 并且 又'),
  en: set('and because so if when since while unless until'),
};
const PRONOUNS = set('i you he she it they we this that');
/** Denies whoever, of whom something is denied later: two negations. */
const NOBODY: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('没有 没 没人'),
  en: set("nobody none no never not can't cannot"),
};
const RHETORICAL = set('难道 岂 何尝');
const PUNCTUATION = /^[\p{P}\p{S}]+$/u;
const CLAUSE_END = /^[,.!?;:…，。！？；：~—]+$/u;
/** Of an ironic cue that is often meant as it stands: something adverse has to be told beside it. */
const HINT_OF_IRONY = 0.5;
const WITHOUT_NEGATION = /^[不没无]/;
/** Double negations that affirm what follows, 不得不 (have to) aside. */
const AFFIRMING =
  /^(?:不能不|不会不|不可不|不可能不|没有不|无不|莫不|未尝不|无一不|can't not|cannot not|couldn't not)$/;
const INNER_DEGREE = /^[好太真很超最挺]/;
const YOU: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('你 您 你们'),
  en: set('you u ya'),
};
const SELF: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('我 我们 咱 咱们'),
  en: set("i i'm i'd i've me my we"),
};
/** What is asked for when somebody asks for a fact. */
const FACTS: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('请问 几点 几号 几楼 多久 什么时候 哪天 哪里 哪个 地址 有空'),
  en: set('when where time address please'),
};
/** Words that may stand between a negation and what it denies. */
const LIGHT: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set(
    '觉得 感到 感觉 认为 那么 这么 再 让 令 人 使 叫 我 你 他 她 它 会 会有 有 什么 为 此 对 是 能 得 的 一 丝 半点 多么',
  ),
  en: set(`a an the any at all be been being am is was were it this that really very so too feel feels felt feeling find
    found think thinks thought say said even get got make makes made me you him her us them one bit much anything
    exactly particularly especially ever have has had to what i i'd call call would`),
};
/** What is only thought of. */
const HYPOTHETICAL: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set('如果 要是 假如 若 若是 只要 除非 才 就 会不会 即使 哪怕 就算 也许 可能 避免'),
  en: set(
    "if unless whether hope wish should could would might maybe perhaps wouldn't couldn't shouldn't",
  ),
};
/** Mishaps and burdens; words that name a feeling are in `emotion-words`. */
const ADVERSE: Readonly<Record<Locale, ReadonlySet<string>>> = {
  zh: set(`又 加班 迟到 堵车 堵 坏 坏了 坏掉 丢 丢了 弄丢 删 删了 全删 摔 摔坏 碎 漏 漏水 停电 断网 死机 蓝屏 卡 卡死 故障 报错 出错
    错 罚 罚款 扣 扣钱 扣分 挂科 不及格 失败 失业 裁员 辞退 取消 延误 晚点 排队 发烧 感冒 生病 住院 疼 受伤 骗 骗子
    骗钱 假货 退货 差评 拖欠 欠 借钱 涨价 抢 偷 被偷 插队 吵 吵醒 骂 挨骂 打架 消失 石头 凌晨 半夜 淋 淋湿 没票 没电 没钱`),
  en: set(`again late broken broke breaks crash crashed crashes fail failed fails failure lost lose losing stolen stole steal
    missing deleted delete cancelled canceled cancel delayed delay queue wait waiting waited stuck dead died dies sick ill
    flat leak leaking leaked wrong error errors bug bugs rain rained raining cold ignored ignore insult insulted rude lie
    lied lies fired fine fined ticket traffic bill debt overtime homework exam spilled spilt ruined ruin hurts pain
    injured accident another nothing nobody`),
};
/** Words between a negation of degree (`不太`) and its effect: weaker than a plain one. */
const WEAK_NEGATION = 0.65;

/**
 * The emotion of a word that may carry its own negation, as segmentation often leaves it:
 * 不开心 is 开心 negated.
 */
export function emotionInside(word: string, language: Locale): ReturnType<typeof emotionOfWord> {
  return (
    emotionOfWord(word, language) ??
    (isStrengthened(word, language) || hasInnerNegation(word, language)
      ? emotionOfWord(word.slice(1), language)
      : undefined)
  );
}

/** 好开心, 太过分: a degree word that segmentation left with its word. */
function isStrengthened(word: string, language: Locale): boolean {
  return language === 'zh' && word.length > 2 && INNER_DEGREE.test(word);
}

/** Whether a word has so little weight that a negation reaches what stands behind it. */
export function isLightWord(word: string, language: Locale): boolean {
  return LIGHT[language].has(word);
}

/** Whether a sentence speaks of what might be. */
export function isHypothetical({
  words,
  language,
}: Pick<SentenceFeatures, 'words' | 'language'>): boolean {
  return words.some((word) => HYPOTHETICAL[language].has(word));
}

/** Whether a word tells of something that is nobody's wish, without naming a feeling. */
export function isAdverseWord(word: string, language: Locale): boolean {
  return ADVERSE[language].has(word);
}

/** `are you sad`, 你是不是生气了: whether a question asks the other person for a feeling. */
export function asksYou({
  words,
  language,
}: Pick<SentenceFeatures, 'words' | 'language'>): boolean {
  return (
    !words.some((word) => word.includes('!')) &&
    !words.some((word) => SELF[language].has(word)) &&
    words.some((word, at) => {
      if (emotionInside(word, language) === undefined) return false;
      return words.slice(Math.max(0, at - 4), at).some((before) => YOU[language].has(before));
    })
  );
}

/** A question that is marked once, without outcry, as one asks for a fact. */
export function isPlainQuestion({
  words,
  language,
}: Pick<SentenceFeatures, 'words' | 'language'>): boolean {
  const choice = words.indexOf('是');
  const asks =
    words.some((word) => FACTS[language].has(word)) ||
    (choice >= 0 && words.indexOf('还是') > choice);
  return asks && !words.some((word) => /!|\?\?|\?.*\?/.test(word) || word.startsWith('['));
}

function hasInnerNegation(word: string, language: Locale): boolean {
  return (
    language === 'zh' &&
    word.length > 1 &&
    WITHOUT_NEGATION.test(word) &&
    !CHINESE.affirmative.has(word) &&
    !CHINESE.negators.has(word) &&
    emotionOfWord(word, language) === undefined &&
    emotionOfWord(word.slice(1), language) !== undefined
  );
}

/**
 * What in one sentence turns, strengthens, weakens or undermines an emotion. Pure, over the words
 * of `segment`, in the order of the words; it changes nothing by itself (see `applyRules`).
 *
 * - `negation`: `scope` are the words it reaches; two negations over one word affirm it, and a
 *   double negation in one word (不得不) yields none, one with content (不是不) yields two cues.
 * - `degree`: `strength` above or below 1 on the words in `scope`.
 * - `contrast`: `scope` is the part that carries the weight, after 但是, outside 虽然.
 * - `emoji`, `question`, `irony`: `scope` is empty.
 *
 * @example findCues(['我', '不', '是', '很', '开心'], 'zh');
 * // → negation 不 at 1 over [2, 3, 4]; degree 很 at 3 over [4], strength 1.3
 */
export function findCues(words: readonly string[], language: Locale): RuleCue[] {
  const lexicon = LEXICONS[language];
  const cues: RuleCue[] = [];
  let question: RuleCue | undefined;

  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (isPlain(word, language)) continue;
    if (word.startsWith('[')) {
      const meaning = meaningOfToken(word);
      if (meaning?.emotion) cues.push({ rule: 'emoji', cue: word, at, scope: [] });
      if (meaning?.ironic && !(language === 'en' && word === '[smile]')) {
        cues.push({ rule: 'irony', cue: word, at, scope: [], strength: HINT_OF_IRONY });
      }
      continue;
    }
    if (PUNCTUATION.test(word)) {
      if (word.includes('?')) question = { rule: 'question', cue: word, at, scope: [] };
      if (word !== '/') continue;
    }
    const ironic = matchedPhrase(words, at, lexicon.ironyPhrases);
    if (ironic > 0 || lexicon.irony.has(word)) {
      const cue = joined(words, at, ironic || 1, language);
      const opening = at === 0 && word === '呵呵';
      const strength = opening || lexicon.plainIrony.has(cue) ? {} : { strength: HINT_OF_IRONY };
      cues.push({ rule: 'irony', cue, at, scope: [], ...strength });
    }
    const plain = matchedPhrase(words, at, lexicon.affirmativePhrases);
    if (plain > 0) {
      at += plain - 1;
      continue;
    }
    if (lexicon.questions.has(word) && language === 'zh' && isLast(words, at)) {
      question ??= { rule: 'question', cue: word, at, scope: [] };
    }
    const contrast = adversativeLength(words, at, lexicon, language);
    if (contrast > 0) {
      const scope = wordsBetween(words, at + contrast, words.length);
      if (scope.length > 0) {
        cues.push({ rule: 'contrast', cue: joined(words, at, contrast, language), at, scope });
      }
      at += contrast - 1;
      continue;
    }
    const concession =
      matchedPhrase(words, at, lexicon.concessivePhrases) || Number(lexicon.concessives.has(word));
    if (concession > 0 && !holdsAdversative(words, lexicon, language)) {
      const scope = outsideConcession(words, at, concession);
      if (scope.length > 0) {
        cues.push({ rule: 'contrast', cue: joined(words, at, concession, language), at, scope });
      }
      at += concession - 1;
      continue;
    }
    const isDegree = lexicon.degrees.has(word) || lexicon.trailingDegrees.has(word);
    if (lexicon.affirmative.has(word) && !isDegree) continue;
    const doubled =
      matchedPhrase(words, at, lexicon.doubledPhrases) || Number(lexicon.doubled.has(word));
    if (doubled > 0) {
      const cue = joined(words, at, doubled, language);
      if (AFFIRMING.test(cue)) {
        const scope = reachOf(words, at + doubled, lexicon, language);
        // Two negations: they affirm.
        cues.push({ rule: 'negation', cue, at, scope }, { rule: 'negation', cue, at, scope });
      }
      at += doubled - 1;
      continue;
    }
    const negation =
      matchedPhrase(words, at, lexicon.negatingPhrases) || Number(lexicon.negators.has(word));
    if (negation > 0) {
      if (!isRhetorical(words, at, language) && !isAnswer(words, at)) {
        const strength = lexicon.degrees.get(word);
        cues.push({
          rule: 'negation',
          cue: joined(words, at, negation, language),
          at,
          scope: reachOf(words, at + negation, lexicon, language),
          ...(strength === undefined ? {} : { strength: WEAK_NEGATION }),
        });
      }
      at += negation - 1;
      continue;
    }
    if (hasInnerNegation(word, language)) {
      cues.push({ rule: 'negation', cue: word[0]!, at, scope: [at] });
      continue;
    }
    const pair = `${word}_${words[at + 1] ?? ''}`;
    const length = lexicon.degreePhrases.has(pair) ? 2 : 1;
    const strength = lexicon.degreePhrases.get(pair) ?? lexicon.degrees.get(word);
    const trailing = lexicon.trailingDegrees.get(word) ?? trailingStrength(pair, lexicon);
    if (trailing !== undefined && at > 0) {
      const target = nearestEmotion(words, at - 1, -1, language) ?? at - 1;
      cues.push({ rule: 'degree', cue: word, at, scope: [target], strength: trailing });
    } else if (strength !== undefined) {
      const target = nearestEmotion(words, at + length, 1, language);
      const next = at + length;
      const nextIsWord = next < words.length && !PUNCTUATION.test(words[next]!);
      if (target !== undefined || (nextIsWord && !AMBIGUOUS_DEGREES[language].has(word))) {
        cues.push({
          rule: 'degree',
          cue: joined(words, at, length, language),
          at,
          scope: [target ?? next],
          strength,
        });
      }
      at += length - 1;
    }
  }
  if (question) cues.push(question);
  return withNobody(cues, words, language);
}

/** Words that are remembered to be plain, or not. */
const REMEMBERED_WORDS = 20_000;
const MAY_BE_CUE = {
  zh: remembering((word) => mayBeCue(word, 'zh'), REMEMBERED_WORDS),
  en: remembering((word) => mayBeCue(word, 'en'), REMEMBERED_WORDS),
};

/** Whether no cue can be or begin at a word, whatever stands around it: nearly all words are so. */
function isPlain(word: string, language: Locale): boolean {
  return !MAY_BE_CUE[language](word);
}

function mayBeCue(word: string, language: Locale): boolean {
  const lexicon = LEXICONS[language];
  return (
    word.startsWith('[') ||
    PUNCTUATION.test(word) ||
    hasInnerNegation(word, language) ||
    FIRST_OF_DEGREES[language].has(word) ||
    [
      lexicon.irony,
      lexicon.ironyPhrases,
      lexicon.affirmative,
      lexicon.affirmativePhrases,
      lexicon.questions,
      lexicon.adversatives,
      lexicon.adversativePhrases,
      lexicon.concessives,
      lexicon.concessivePhrases,
      lexicon.doubled,
      lexicon.doubledPhrases,
      lexicon.negators,
      lexicon.negatingPhrases,
      lexicon.degrees,
      lexicon.trailingDegrees,
    ].some((known) => known.has(word))
  );
}

function holdsAdversative(words: readonly string[], lexicon: Lexicon, language: Locale): boolean {
  return words.some((_, at) => adversativeLength(words, at, lexicon, language) > 0);
}

/**
 * 没有人…不开心, `nobody … is not happy`: who is denied stands far before what is denied of them. The
 * words under the later negation are under both.
 */
function withNobody(cues: RuleCue[], words: readonly string[], language: Locale): RuleCue[] {
  return cues.map((cue) => {
    if (cue.rule !== 'negation' || !isNobody(words, cue, language)) return cue;
    const later = cues.filter(
      (other) =>
        other.rule === 'negation' && other.at > cue.at && !hasBreak(words, cue.at, other.at),
    );
    const scope = new Set([...cue.scope, ...later.flatMap((other) => other.scope)]);
    return { ...cue, scope: [...scope].sort((a, b) => a - b) };
  });
}

function isNobody(words: readonly string[], { cue, at }: RuleCue, language: Locale): boolean {
  if (!NOBODY[language].has(cue)) return false;
  const next = words[at + 1] ?? '';
  if (language === 'zh') return cue === '没人' || /^(?:人|谁|一个|哪个|哪)/.test(next);
  if (cue === 'not')
    return (
      /^(?:one|a|that|because)$/.test(next) || (next === 'know' && /^any/.test(words[at + 2] ?? ''))
    );
  return cue === "can't" || cue === 'cannot' ? next === 'say' : true;
}

function hasBreak(words: readonly string[], from: number, to: number): boolean {
  return words.slice(from, to).some((word) => CLAUSE_END.test(word));
}

function trailingStrength(pair: string, lexicon: Lexicon): number | undefined {
  return /^(?:as_|to_)/.test(pair) ? lexicon.degreePhrases.get(pair) : undefined;
}

function joined(words: readonly string[], at: number, length: number, language: Locale): string {
  return words.slice(at, at + length).join(language === 'zh' ? '' : ' ');
}

/** Number of words of the longest phrase that starts at `at`; 0 when none does. */
function matchedPhrase(
  words: readonly string[],
  at: number,
  known: ReturnType<typeof phrases>,
): number {
  const candidates = known.get(words[at]!);
  const found = candidates?.find((phrase) =>
    phrase.every((word, offset) => words[at + offset] === word),
  );
  return found?.length ?? 0;
}

function adversativeLength(
  words: readonly string[],
  at: number,
  lexicon: Lexicon,
  language: Locale,
): number {
  const phrase = matchedPhrase(words, at, lexicon.adversativePhrases);
  if (phrase > 0) return phrase;
  const word = words[at]!;
  if (!lexicon.adversatives.has(word)) return 0;
  const opensClause = at === 0 || CLAUSE_END.test(words[at - 1]!);
  // 不过 and 只是 inside a clause mean "only"; 但 and but stand anywhere.
  if (language === 'zh' && (word === '不过' || word === '只是' || word === '其实')) {
    return opensClause ? 1 : 0;
  }
  return 1;
}

function wordsBetween(words: readonly string[], from: number, to: number): number[] {
  const scope: number[] = [];
  for (let at = from; at < to; at++) if (!PUNCTUATION.test(words[at]!)) scope.push(at);
  return scope;
}

/** `although A, B`: B; `B although A`: B. */
function outsideConcession(words: readonly string[], at: number, length: number): number[] {
  for (let end = at + length; end < words.length - 1; end++) {
    if (CLAUSE_END.test(words[end]!)) return wordsBetween(words, end + 1, words.length);
  }
  return wordsBetween(words, 0, at);
}

function reachOf(
  words: readonly string[],
  from: number,
  lexicon: Lexicon,
  language: Locale,
): number[] {
  const scope: number[] = [];
  const reach = words[from - 1] === 'without' ? 2 : lexicon.reach;
  for (let at = from; at < words.length && scope.length < reach; at++) {
    const word = words[at]!;
    if (PUNCTUATION.test(word) || word.startsWith('[') || BARRIERS[language].has(word)) break;
    if (adversativeLength(words, at, lexicon, language) > 0) break;
    scope.push(at);
  }
  return scope;
}

/** 难道不…, 谁不…, 恶不恶心, `isn't she`: the negation of a question, which denies nothing. */
function isRhetorical(words: readonly string[], at: number, language: Locale): boolean {
  if (language === 'en') {
    return /n'?t$/.test(words[at]!) && PRONOUNS.has(words[at + 1] ?? '');
  }
  const [before, after] = [words[at - 1] ?? '', words[at + 1] ?? ''];
  if (before === '谁' || (before !== '' && before.at(-1) === after[0])) return true;
  for (let before = at - 1; before >= 0 && !CLAUSE_END.test(words[before]!); before--) {
    if (RHETORICAL.has(words[before]!)) return true;
  }
  return false;
}

/** `No it works`, `no haha`: an answer, not a denial of what follows. */
function isAnswer(words: readonly string[], at: number): boolean {
  const next = words[at + 1] ?? '';
  return words[at] === 'no' && (PRONOUNS.has(next) || /^(?:not|ha(?:ha)+|lol)$/.test(next));
}

function nearestEmotion(
  words: readonly string[],
  from: number,
  step: 1 | -1,
  language: Locale,
): number | undefined {
  for (let at = from, seen = 0; at >= 0 && at < words.length && seen < 3; at += step, seen++) {
    const word = words[at]!;
    if (PUNCTUATION.test(word)) return undefined;
    if (!word.startsWith('[') && emotionInside(word, language) !== undefined) return at;
  }
  return undefined;
}

function isLast(words: readonly string[], at: number): boolean {
  for (let after = at + 1; after < words.length; after++) {
    if (!PUNCTUATION.test(words[after]!) && !words[after]!.startsWith('[')) return false;
  }
  return true;
}

/** Whether a word takes part in a rule: no stop list may remove it. */
export function isCueWord(word: string, language: Locale): boolean {
  const lexicon = LEXICONS[language];
  const opens = (known: ReturnType<typeof phrases>) => known.has(word);
  return (
    lexicon.negators.has(word) ||
    lexicon.affirmative.has(word) ||
    lexicon.doubled.has(word) ||
    lexicon.degrees.has(word) ||
    lexicon.trailingDegrees.has(word) ||
    lexicon.adversatives.has(word) ||
    lexicon.concessives.has(word) ||
    lexicon.questions.has(word) ||
    lexicon.irony.has(word) ||
    [lexicon.negatingPhrases, lexicon.doubledPhrases, lexicon.concessivePhrases].some(opens)
  );
}
