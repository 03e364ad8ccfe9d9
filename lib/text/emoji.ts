import type { Emotion, Locale } from '../emotion/labels';

/**
 * One meaning that emoji, emoticons and Weibo's bracket tokens share. `zh` is the token of Weibo
 * (`[允悲]`) where Weibo has one, `en` an English word that a sub-word vocabulary knows.
 */
export interface EmojiMeaning {
  readonly zh: string;
  readonly en: string;
  /** The emotion that the sign usually stands for; absent where it depends on the words around it. */
  readonly emotion?: Emotion;
  /** Often meant the other way round: 🙂 and 🐶 in Chinese, 🙃 in English. */
  readonly ironic?: true;
  /** Emoji without variation selectors, skin tones and gender signs, separated by blanks. */
  readonly emoji: string;
  /** Emoticons and kaomoji as regular expressions over NFKC text, matched without regard to case. */
  readonly emoticons?: readonly string[];
}

const NOT_AFTER_WORD = '(?<![a-z0-9])';
const NOT_BEFORE_WORD = '(?![a-z0-9])';
const EYES = "[°◕•・●๑◔'`]";

/** Written by hand for this package; the order matters only for emoticons (first match wins). */
export const EMOJI_MEANINGS: readonly EmojiMeaning[] = [
  // joy
  {
    zh: '[笑cry]',
    en: '[laughing]',
    emotion: 'happy',
    emoji: '😂 🤣 😹',
    emoticons: [`${NOT_AFTER_WORD}xd+${NOT_BEFORE_WORD}`],
  },
  {
    zh: '[哈哈]',
    en: '[grin]',
    emotion: 'happy',
    emoji: '😀 😃 😄 😁 😆 😸 😺',
    emoticons: [
      `[:=]-?d+${NOT_BEFORE_WORD}`,
      '≧[▽∇ω◡∀]≦',
      '[⌒>]▽[⌒<]',
      '~▽~',
      '\\^[o▽∇∀]\\^',
      '°∀°',
      "'▽`",
    ],
  },
  {
    zh: '[嘻嘻]',
    en: '[blush]',
    emotion: 'happy',
    emoji: '😊 ☺ 🤭',
    emoticons: [
      '(?<!\\^)\\^(?:[_.ωw-]{1,6}\\^|\\^(?![a-z0-9(/]))(?!\\^)',
      '∩_+∩',
      '◕‿+◕',
      '•̀?ω•́?',
      '・ω・',
      '°ω°',
      `${NOT_AFTER_WORD}(?:uwu|owo)${NOT_BEFORE_WORD}`,
      '>w<',
    ],
  },
  {
    zh: '[微笑]',
    en: '[smile]',
    emoji: '🙂',
    ironic: true,
    emoticons: [':-?\\)+', '(?<!\\w)=\\)+', ':-?\\](?!\\w)', '\\(:(?!\\w)'],
  },
  {
    zh: '[挤眼]',
    en: '[wink]',
    emotion: 'happy',
    emoji: '😉',
    emoticons: [';-?\\)+', `;-?d+${NOT_BEFORE_WORD}`],
  },
  {
    zh: '[做鬼脸]',
    en: '[playful]',
    emotion: 'happy',
    emoji: '😜 😝 😛 🤪',
    emoticons: [`[:;=]-?p+${NOT_BEFORE_WORD}`],
  },
  { zh: '[馋嘴]', en: '[yummy]', emotion: 'happy', emoji: '😋 🤤' },
  { zh: '[酷]', en: '[cool]', emotion: 'happy', emoji: '😎' },
  { zh: '[舒服]', en: '[relieved]', emotion: 'happy', emoji: '😌' },
  { zh: '[天使]', en: '[angel]', emotion: 'happy', emoji: '😇' },
  { zh: '[爱你]', en: '[love]', emotion: 'happy', emoji: '😍 🥰 😻 💏 💑 🤟' },
  {
    zh: '[亲亲]',
    en: '[kiss]',
    emotion: 'happy',
    emoji: '😘 😗 😙 😚 😽 💋',
    emoticons: [':-?\\*(?!\\*)', '=3=', '(?<!\\d):-?3(?=$|[\\s.,!?~])'],
  },
  { zh: '[星星眼]', en: '[starstruck]', emotion: 'happy', emoji: '🤩' },
  {
    zh: '[抱抱]',
    en: '[hug]',
    emotion: 'happy',
    emoji: '🤗 🫂',
    emoticons: ['\\([っづ][^()\\s°]{1,6}\\)[っづ]'],
  },
  { zh: '[感动]', en: '[touched]', emoji: '🥹' },
  { zh: '[庆祝]', en: '[party]', emotion: 'happy', emoji: '🎉 🎊 🥳 🎆 🎇 🍾' },
  { zh: '[欢呼]', en: '[hooray]', emotion: 'happy', emoji: '🙌 🎈' },
  { zh: '[跳舞]', en: '[dancing]', emotion: 'happy', emoji: '💃 🕺 👯' },
  { zh: '[干杯]', en: '[cheers]', emotion: 'happy', emoji: '🍺 🍻 🥂 🍷 🍸' },
  {
    zh: '[心]',
    en: '[heart]',
    emotion: 'happy',
    emoji: '❤ ♥ ♡ 💕 💖 💗 💓 💞 💘 💝 💙 💚 💛 💜 🧡 🖤 🤍 🤎 🩷 🩵 🩶 💟 ❣ ❥ 🫶 ❤‍🔥 ❤‍🩹',
    emoticons: ['<3+(?!\\d)'],
  },
  {
    zh: '[赞]',
    en: '[good]',
    emotion: 'happy',
    emoji: '👍',
    emoticons: ['\\(?๑?•̀ㅂ•́\\)?و✧?'],
  },
  { zh: '[鼓掌]', en: '[applause]', emotion: 'happy', emoji: '👏' },
  { zh: '[耶]', en: '[victory]', emotion: 'happy', emoji: '✌ 🏆 🥇' },
  { zh: '[ok]', en: '[ok]', emoji: '👌 🆗 🙆' },
  { zh: '[加油]', en: '[strong]', emoji: '💪 🦾' },
  { zh: '[满分]', en: '[perfect]', emotion: 'happy', emoji: '💯' },
  { zh: '[火]', en: '[fire]', emoji: '🔥' },
  { zh: '[鲜花]', en: '[flowers]', emotion: 'happy', emoji: '🌹 💐 🌷 🌸 🌺 🌻 🌼' },
  { zh: '[蛋糕]', en: '[cake]', emotion: 'happy', emoji: '🎂 🍰 🧁' },
  { zh: '[礼物]', en: '[gift]', emotion: 'happy', emoji: '🎁' },
  { zh: '[太阳]', en: '[sun]', emoji: '☀ 🌞 🌈' },
  { zh: '[月亮]', en: '[moon]', emoji: '🌙 🌛 🌜 🌕' },
  { zh: '[星星]', en: '[sparkles]', emoji: '✨ ⭐ 🌟 💫' },
  { zh: '[音乐]', en: '[music]', emoji: '🎵 🎶 🎼' },
  { zh: '[祈祷]', en: '[pray]', emoji: '🙏 🤲' },
  { zh: '[握手]', en: '[handshake]', emoji: '🤝' },
  { zh: '[敬礼]', en: '[salute]', emoji: '🫡' },
  { zh: '[拜拜]', en: '[bye]', emoji: '👋' },
  // sorrow
  {
    zh: '[大哭]',
    en: '[crying]',
    emotion: 'sad',
    emoji: '😭',
    emoticons: ["[:=]'-?\\(+", '[╥ಥ]_*[╥ಥ]', `${NOT_AFTER_WORD}q[aw_.]q${NOT_BEFORE_WORD}`],
  },
  {
    zh: '[泪]',
    en: '[tears]',
    emotion: 'sad',
    emoji: '😢 😿 🥲',
    emoticons: [
      `${NOT_AFTER_WORD}t[_.^-]{1,6}t${NOT_BEFORE_WORD}`,
      ';[_-]+;',
      `${NOT_AFTER_WORD}p_q${NOT_BEFORE_WORD}`,
      "[;:]?'⌒`",
    ],
  },
  {
    zh: '[悲伤]',
    en: '[sad]',
    emotion: 'sad',
    emoji: '😔 🙁 ☹ 😟 😕 🥀',
    emoticons: [':-?\\((?!\\S[^()]{0,30}\\))\\(*', '=\\((?!\\S[^()]{0,30}\\))\\(*'],
  },
  { zh: '[失望]', en: '[disappointed]', emotion: 'sad', emoji: '😞' },
  { zh: '[难过]', en: '[upset]', emotion: 'sad', emoji: '😣 😖' },
  { zh: '[累]', en: '[tired]', emotion: 'sad', emoji: '😩' },
  { zh: '[叹气]', en: '[sigh]', emotion: 'sad', emoji: '😮‍💨' },
  { zh: '[委屈]', en: '[pleading]', emotion: 'sad', emoji: '🥺' },
  {
    zh: '[伤心]',
    en: '[heartbroken]',
    emotion: 'sad',
    emoji: '💔',
    emoticons: ['<\\/3(?!\\d)'],
  },
  { zh: '[蜡烛]', en: '[candle]', emotion: 'sad', emoji: '🕯 ⚰ 🪦' },
  {
    zh: '[跪了]',
    en: '[defeated]',
    emotion: 'sad',
    emoji: '🧎 🙇',
    emoticons: [`${NOT_AFTER_WORD}(?:orz|otz)${NOT_BEFORE_WORD}`],
  },
  { zh: '[困]', en: '[sleepy]', emoji: '😪 😴 💤' },
  { zh: '[打哈欠]', en: '[yawn]', emoji: '🥱' },
  { zh: '[生病]', en: '[sick]', emotion: 'sad', emoji: '😷 🤒 🤕 🤧' },
  // anger
  {
    zh: '[怒]',
    en: '[angry]',
    emotion: 'angry',
    emoji: '😡 😠 👿 😾 💢 👺',
    emoticons: [
      '[╯ノ][^()\\s]{1,5}\\)[╯ノ](?:[(︵]\\s?┻━*┻)?',
      '>[:=]-?\\((?!\\S[^()]{0,30}\\))\\(*',
      "[`'‵]皿[`'′]",
      '눈_눈',
    ],
  },
  { zh: '[怒骂]', en: '[cursing]', emotion: 'angry', emoji: '🤬' },
  { zh: '[fuck]', en: '[fuck]', emotion: 'angry', emoji: '🖕' },
  { zh: '[哼]', en: '[hmph]', emotion: 'angry', emoji: '😤' },
  { zh: '[拳头]', en: '[fist]', emoji: '👊 ✊ 🤜 🤛' },
  {
    zh: '[抓狂]',
    en: '[frustrated]',
    emotion: 'angry',
    emoji: '😫',
    emoticons: ['>[_.﹏]{1,6}<', '> <(?!\\w)', '>人<'],
  },
  { zh: '[炸弹]', en: '[bomb]', emotion: 'angry', emoji: '💣 🔪 🔫 🪓 🧨' },
  // disgust
  { zh: '[吐]', en: '[disgusted]', emotion: 'disgust', emoji: '🤮 🤢' },
  { zh: '[便便]', en: '[poop]', emotion: 'disgust', emoji: '💩' },
  { zh: '[弱]', en: '[dislike]', emotion: 'disgust', emoji: '👎' },
  { zh: '[鄙视]', en: '[contempt]', emotion: 'disgust', emoji: '😒 😼' },
  {
    zh: '[白眼]',
    en: '[eyeroll]',
    emotion: 'disgust',
    emoji: '🙄',
    emoticons: ['[→←]_+[→←]', 'ಠ_+ಠ'],
  },
  // fear
  { zh: '[惊恐]', en: '[scared]', emotion: 'fear', emoji: '😱 🫣' },
  { zh: '[害怕]', en: '[afraid]', emotion: 'fear', emoji: '😨 😰 😧 🫨' },
  // surprise
  {
    zh: '[吃惊]',
    en: '[surprised]',
    emotion: 'surprise',
    emoji: '😲 😮 😯 😦 🙀',
    emoticons: [
      '⊙[_.o▽﹏]?⊙',
      '(?<![a-z0-9_])o[_]+o(?![a-z0-9_])',
      '(?<![a-z0-9_.])o\\.o(?![a-z0-9_.])',
      '(?<![\\d_])0_+0(?![\\d_])',
      '(?<=^|\\s)[:=]-?o(?=$|\\s)',
      '[σ∑]\\(?°[△д□]°\\)?',
      '°[△д□]°',
    ],
  },
  { zh: '[震惊]', en: '[shocked]', emotion: 'surprise', emoji: '🤯 🫢' },
  // in between
  {
    zh: '[汗]',
    en: '[sweat]',
    emoji: '😓 😥 💦',
    emoticons: ['[-=][_.]+[-=]\\|+', `[-=][_.]+[-=]b${NOT_BEFORE_WORD}`],
  },
  { zh: '[尴尬]', en: '[awkward]', emoji: '😅 😬 🫠 🫥' },
  {
    zh: '[无语]',
    en: '[speechless]',
    emoji: '😑 😐 🫤 😶‍🌫',
    emoticons: [
      '(?<![-\\w])-[_.]+-(?![-\\w])',
      '(?<![=\\w])=[_.]+=(?![=\\w])',
      '(?<=^|\\s|[^\\x00-\\x7f])= =(?=$|\\s|\\||[^\\x00-\\x7f])',
      '(?<![~\\w])~_+~',
      '(?<=^|\\s):-?\\|(?=$|\\s)',
      '@_+@',
    ],
  },
  {
    zh: '[费解]',
    en: '[confused]',
    emoji: '🤨 🧐 🥴',
    emoticons: ['(?<=^|[\\sa-z]):-?[/\\\\](?=$|[\\s.,!?])'],
  },
  { zh: '[囧]', en: '[embarrassed]', emoji: '🫩', emoticons: ['o\\(╯□╰\\)o', '╯□╰'] },
  { zh: '[思考]', en: '[thinking]', emoji: '🤔' },
  {
    zh: '[摊手]',
    en: '[shrug]',
    emoji: '🤷',
    emoticons: ['╮\\(?╯[▽_﹏.-]╰\\)?╭', '~?\\\\_\\(ツ\\)_/~?', '╯[▽_﹏.-]╰'],
  },
  { zh: '[允悲]', en: '[facepalm]', emoji: '🤦' },
  { zh: '[晕]', en: '[dizzy]', emoji: '😵 😵‍💫' },
  { zh: '[闭嘴]', en: '[silent]', emoji: '🤐 😶 🤫' },
  { zh: '[坏笑]', en: '[smirk]', emoji: '😏 🌚 🌝' },
  { zh: '[阴险]', en: '[devil]', emoji: '😈' },
  { zh: '[假笑]', en: '[sarcastic]', ironic: true, emoji: '🙃' },
  { zh: '[小丑]', en: '[clown]', ironic: true, emoji: '🤡' },
  { zh: '[doge]', en: '[dog]', ironic: true, emoji: '🐶' },
  {
    zh: '[害羞]',
    en: '[shy]',
    emotion: 'happy',
    emoji: '😳 🙈 🙊 🙉',
    emoticons: ['\\*?[/o]ω[\\\\o]\\*?', `${EYES}//+${EYES}`],
  },
  { zh: '[死了]', en: '[dead]', emoji: '💀 ☠' },
  { zh: '[鬼]', en: '[ghost]', emoji: '👻' },
  { zh: '[围观]', en: '[eyes]', emoji: '👀 👁' },
  { zh: '[吃瓜]', en: '[popcorn]', emoji: '🍉 🍿' },
  { zh: '[猪头]', en: '[pig]', emoji: '🐷' },
  { zh: '[兔子]', en: '[rabbit]', emoji: '🐰' },
  { zh: '[熊猫]', en: '[panda]', emoji: '🐼' },
  { zh: '[咖啡]', en: '[coffee]', emoji: '☕' },
  { zh: '[钱]', en: '[money]', emoji: '💰 💸 🤑 💵' },
];

/** Punctuation that came as emoji. */
const EMOJI_PUNCTUATION: ReadonlyMap<string, string> = new Map([
  ['❗', '!'],
  ['❕', '!'],
  ['❓', '?'],
  ['❔', '?'],
]);

/**
 * SoftBank's private code points of the first Chinese and Japanese phones, still found in old
 * posts, as the Unicode emoji that replaced them (Unicode Consortium, EmojiSources.txt).
 */
const SOFTBANK: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '\ue056': '😊',
    '\ue057': '😃',
    '\ue058': '😞',
    '\ue059': '😠',
    '\ue05a': '💩',
    '\ue105': '😜',
    '\ue106': '😍',
    '\ue107': '😱',
    '\ue108': '😓',
    '\ue11a': '👿',
    '\ue11c': '💀',
    '\ue401': '😥',
    '\ue402': '😏',
    '\ue403': '😔',
    '\ue404': '😁',
    '\ue405': '😉',
    '\ue406': '😣',
    '\ue407': '😖',
    '\ue408': '😪',
    '\ue409': '😝',
    '\ue40a': '😌',
    '\ue40b': '😨',
    '\ue40c': '😷',
    '\ue40d': '😳',
    '\ue40e': '😒',
    '\ue40f': '😰',
    '\ue410': '😲',
    '\ue411': '😭',
    '\ue412': '😂',
    '\ue413': '😢',
    '\ue414': '☺',
    '\ue415': '😄',
    '\ue416': '😡',
    '\ue417': '😚',
    '\ue418': '😘',
    '\ue00e': '👍',
    '\ue421': '👎',
    '\ue022': '❤',
    '\ue023': '💔',
    '\ue41d': '🙏',
    '\ue41f': '👏',
    '\ue14c': '💪',
    '\ue32e': '✨',
    '\ue034': '💍',
    '\ue312': '🎉',
    '\ue11d': '🔥',
    '\ue032': '🌹',
    '\ue00d': '👊',
    '\ue011': '✌',
    '\ue420': '👌',
    '\ue41e': '👋',
    '\ue003': '💋',
    '\ue328': '💓',
    '\ue329': '💘',
  }),
);

const PICTOGRAPH = /[\p{Extended_Pictographic}♡❥\ue000-\uf8ff]/u;
const MODIFIER = '(?:\\ufe0e|\\ufe0f|[\\u{1f3fb}-\\u{1f3ff}])';
const SEQUENCE = new RegExp(
  `[\\p{Extended_Pictographic}♡❥](?:${MODIFIER}|\\u200d\\p{Extended_Pictographic})*|[\\ue000-\\uf8ff]`,
  'gu',
);
const MODIFIERS = new RegExp(MODIFIER, 'gu');

const MEANING_OF_EMOJI: ReadonlyMap<string, EmojiMeaning> = new Map(
  EMOJI_MEANINGS.flatMap((meaning) =>
    meaning.emoji
      .split(' ')
      .filter((emoji) => emoji !== '')
      .map((emoji): [string, EmojiMeaning] => [emoji, meaning]),
  ),
);

const MEANINGS_WITH_EMOTICONS = EMOJI_MEANINGS.filter((meaning) => meaning.emoticons);

/**
 * A face, with or without its outline and arms: `^_^`, `(^_^)`, `ヾ(≧▽≦*)o`. Groups: opening
 * outline, one per entry of MEANINGS_WITH_EMOTICONS, closing outline.
 */
const EMOTICON = new RegExp(
  '((?:[ヾヽ╰\\\\]|(?<![a-z])o)?\\([*#.,。・;~ ]{0,3})?(?:' +
    MEANINGS_WITH_EMOTICONS.map(({ emoticons }) => `(${emoticons!.join('|')})`).join('|') +
    ")([*#.,。・;'`~ ]{0,3}\\)[ノo/~۶♡]{0,2})?",
  'giu',
);
const MAY_HOLD_EMOTICON =
  /[:;=^_<>▽ω□∀人≦⊙∩皿⌒°]|xd|orz|otz|q[aw]q|t-t|t\.t|o\.o|owo|uwu|-\.-|ಠ|ツ|•/i;

/**
 * Replaces emoji and emoticons that have a known meaning by its token, `[笑cry]` in Chinese and
 * `[laughing]` in English. Skin tones, gender signs and variation selectors are ignored; an emoji
 * without an entry stays as it is.
 *
 * @param text after NFKC, variation selectors and joiners included
 *
 * @example spellOutEmoji('太好笑了😂', 'zh'); // → '太好笑了[笑cry]'
 * @example spellOutEmoji('so funny :D', 'en'); // → 'so funny  [grin] '
 */
export function spellOutEmoji(text: string, language: Locale): string {
  const token = (meaning: EmojiMeaning) => (language === 'zh' ? meaning.zh : ` ${meaning.en} `);
  let result = text;
  if (PICTOGRAPH.test(result)) {
    result = result.replace(SEQUENCE, (sequence) => {
      const bare = (SOFTBANK.get(sequence) ?? sequence).replace(MODIFIERS, '');
      const whole = EMOJI_PUNCTUATION.get(bare);
      if (whole !== undefined) return whole;
      const known = MEANING_OF_EMOJI.get(bare);
      if (known) return token(known);
      const parts = bare.split('\u200d');
      const part = parts.find((candidate) => MEANING_OF_EMOJI.has(candidate));
      return part === undefined ? bare : token(MEANING_OF_EMOJI.get(part)!);
    });
  }
  if (MAY_HOLD_EMOTICON.test(result)) {
    result = result.replace(EMOTICON, (_: string, ...groups: (string | undefined)[]) => {
      const open = groups[0];
      const close = groups[MEANINGS_WITH_EMOTICONS.length + 1];
      const index = MEANINGS_WITH_EMOTICONS.findIndex((_, at) => groups[at + 1] !== undefined);
      const said = token(MEANINGS_WITH_EMOTICONS[index]!);
      // Some faces hold their own closing outline: `(╯°□°)╯`.
      const outlined = close !== undefined || groups[index + 1]!.includes(')');
      return open !== undefined && outlined ? said : `${open ?? ''}${said}${close ?? ''}`;
    });
  }
  return result;
}

type TokenMeaning = Pick<EmojiMeaning, 'emotion' | 'ironic'>;

/** More tokens of Weibo, without an emoji of their own. */
const WEIBO_TOKENS: Readonly<Partial<Record<Emotion | 'ironic', string>>> = {
  happy: `太开心 偷笑 可爱 good 笑哈哈 噢耶 得意地笑 好爱哦 给你小心心 好喜欢 偷乐 大笑 开心 憧憬 爱心 花心 色 haha
    飞吻 花痴 喜 中国赞 赞啊 给力 威武 帅 许愿 笑 乐乐 欢欣鼓舞 心形礼物 爱心发光 爱心传递 得意 胜利 花 玫瑰 mua`,
  sad: '泪流满面 失望 可怜 衰 悲催 眼泪 淚 感冒 心碎 泪奔 惊哭 困死了 黑线 好囧',
  angry: '左哼哼 右哼哼 别烦我 躁狂症 怒吼 愤怒 草泥马 咆哮 打脸',
  fear: '恐惧',
  disgust: '挖鼻屎 挖鼻 抠鼻屎 懒得理你 呕吐 恶心',
  surprise: '惊讶 傻眼 目瞪口呆',
  ironic: '呵呵 滑稽 并不简单 笑而不语',
};

const MEANING_OF_TOKEN: ReadonlyMap<string, TokenMeaning> = new Map([
  ...Object.entries(WEIBO_TOKENS).flatMap(([kind, names]) =>
    names
      .split(/\s+/)
      .map((name): [string, TokenMeaning] => [
        `[${name}]`,
        kind === 'ironic' ? { ironic: true } : { emotion: kind as Emotion },
      ]),
  ),
  ...EMOJI_MEANINGS.flatMap((meaning): [string, TokenMeaning][] => [
    [meaning.en, meaning],
    [meaning.zh, meaning],
  ]),
]);

/** What a token such as `[泪]` or `[crying]` stands for; undefined when it is not known. */
export function meaningOfToken(token: string): TokenMeaning | undefined {
  return MEANING_OF_TOKEN.get(token.toLowerCase());
}
