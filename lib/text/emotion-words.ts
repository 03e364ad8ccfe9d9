import type { Emotion, Locale } from '../emotion/labels';
import { meaningOfToken } from './emoji';
import { Stemmer } from './stem';

type WordsByEmotion = Readonly<Partial<Record<Emotion, string>>>;

// Written by hand for this package: words that name or show one emotion in nearly every context.
// They are evidence for the rules and protected from the stop list, not a classifier.
const CHINESE: WordsByEmotion = {
  happy: `高兴 开心 快乐 幸福 喜欢 喜爱 喜悦 欢喜 愉快 欣慰 满意 满足 兴奋 激动 感动 感谢 感激 期待 爱 热爱
    可爱 美好 美丽 漂亮 精彩 棒 很棒 真棒 太棒了 赞 完美 优秀 出色 成功 胜利 甜蜜 温暖 温馨 舒服 享受 得意 自豪
    骄傲 放心 安心 轻松 好玩 有趣 好笑 好看 好听 好吃 好 不错 挺不错 哈哈 哈哈哈 嘻嘻 嘿嘿 欢乐 欣喜 惊喜 痛快 爽 祝福 恭喜
    庆祝 微笑 笑 乐观 心动 治愈 美滋滋 乐`,
  sad: `悲伤 伤心 难过 痛苦 伤感 悲痛 悲哀 忧伤 忧郁 抑郁 沮丧 失落 失望 绝望 孤独 寂寞 孤单 委屈 心痛 心酸 心疼
    心碎 可怜 遗憾 惋惜 后悔 哭 哭泣 流泪 眼泪 泪 泪目 想哭 难受 凄凉 凄惨 悲惨 悲 郁闷 低落 消沉 无助 心累 疲惫 呜呜
    呜呜呜 不幸 想念 哀悼 逝世 去世 崩溃 苦`,
  angry: `生气 愤怒 气愤 恼火 恼怒 发火 怒 暴怒 气死 气死我了 气人 可气 可恶 可恨 恨 痛恨 烦 烦人 烦死 烦躁 不满 不爽
    抗议 谴责 混蛋 王八蛋 滚 他妈的 妈的 tmd 尼玛 傻逼 sb 操 无耻 欺负 投诉 愤慨 火大 抓狂 坑爹 过分 垃圾`,
  fear: `害怕 恐惧 惊恐 恐怖 可怕 怕 担心 担忧 忧虑 焦虑 紧张 不安 惊慌 恐慌 慌 心慌 吓 吓人 吓死 吓死我了 吓坏 发抖
    颤抖 毛骨悚然 胆战心惊 提心吊胆 惶恐 畏惧 噩梦 瑟瑟发抖 忐忑 后怕`,
  disgust: `恶心 讨厌 厌恶 厌烦 反感 嫌弃 嫌 鄙视 鄙夷 呕 呕吐 作呕 反胃 吐了 想吐 肮脏 脏 丑陋 丑恶 下流 猥琐 龌龊
    恶俗 恶劣 可憎 令人发指 看不惯 瞧不起 难吃 难闻 难看 臭 油腻 无语 呸`,
  surprise: `惊讶 吃惊 震惊 惊奇 惊叹 惊呆 惊呆了 惊 意外 诧异 惊异 没想到 想不到 竟然 居然 出乎意料 不可思议 难以置信
    天哪 天啊 天呐 我的天 哇 哇塞 我去 卧槽 我靠 目瞪口呆 突然 神奇`,
};

const ENGLISH: WordsByEmotion = {
  happy: `happy glad joy joyful delighted pleased cheerful love loving lovely like enjoy fun funny hilarious
    great good best better awesome amazing wonderful fantastic excellent brilliant perfect beautiful nice
    sweet cute excited exciting thrilled grateful thankful thanks thank appreciate proud relief relieved
    satisfied hopeful optimistic congrats congratulations yay haha hahaha lol laugh smile blessed
    celebrate adorable delicious fabulous incredible superb welcome`,
  sad: `sad unhappy sorrow sorrowful depressed depressing depression miserable heartbroken heartbreaking grief grieve
    mourn cry crying cried tears lonely alone hopeless despair disappointed disappointing disappointment
    sorry regret gloomy upset hurt tragic tragedy unfortunate unfortunately miss pity devastated bad worse
    worst terrible`,
  angry: `angry anger mad furious rage outraged annoyed annoying annoy irritated irritating pissed hate hated
    hatred stupid idiot idiotic moron asshole bastard bullshit damn fuck fucking screw ridiculous
    infuriating frustrated frustrating resent offended`,
  fear: `afraid fear fearful scared scary frightened frightening terrified terrifying terror horrified
    horror panic anxious anxiety worried worry worrying nervous nightmare creepy dread spooky threatened`,
  disgust: `disgusted disgusting disgust gross nasty revolting repulsive sickening vile yuck ew eww awful filthy
    cringe creep pathetic shameful horrible loathe detest despise`,
  surprise: `surprised surprise surprising astonished astonishing shocked shocking stunned wow whoa omg
    unexpected unexpectedly unbelievable speechless startled suddenly wtf`,
};

const stemmer = new Stemmer();

function index(lists: WordsByEmotion, language: Locale): ReadonlyMap<string, Emotion> {
  return new Map(
    Object.entries(lists).flatMap(([emotion, words]) =>
      words
        .split(/\s+/)
        .map((word): [string, Emotion] => [stemmer.stem(word, language), emotion as Emotion]),
    ),
  );
}

const EMOTION_WORDS: Readonly<Record<Locale, ReadonlyMap<string, Emotion>>> = {
  zh: index(CHINESE, 'zh'),
  en: index(ENGLISH, 'en'),
};

/**
 * The emotion that a word names or shows, of itself: negation around it is not looked at. Bracket
 * tokens count by their meaning.
 *
 * @example emotionOfWord('loved', 'en'); // → 'happy'
 */
export function emotionOfWord(word: string, language: Locale): Emotion | undefined {
  if (word.startsWith('[')) return meaningOfToken(word)?.emotion;
  return EMOTION_WORDS[language].get(stemmer.stem(word, language));
}
