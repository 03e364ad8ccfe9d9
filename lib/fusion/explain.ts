import { EMOTION_NAMES, type Locale } from '../emotion/labels';
import type { Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';
import type { Fused } from '../emotion/result';

const MODALITY_NAMES: Readonly<Record<Locale, Readonly<Record<Modality, string>>>> = {
  en: { text: 'text', audio: 'voice', video: 'face' },
  zh: { text: '文本', audio: '语音', video: '人脸' },
};

const REASONS: Readonly<Record<Locale, Readonly<Record<string, string>>>> = {
  en: {
    'empty-text': 'no text',
    silence: 'silence',
    'no-speech': 'no speech',
    'no-face': 'no face',
  },
  zh: {
    'empty-text': '没有文字',
    silence: '静音',
    'no-speech': '没有人声',
    'no-face': '没有人脸',
  },
};

/** What an explanation is made of. */
export type Explained = Pick<
  Fused,
  'label' | 'score' | 'weights' | 'modalities' | 'missing' | 'dissenting'
>;

/**
 * Why the answer is what it is, in one line for a person: the answer, then what each modality said
 * and how much it counted, then who disagrees and who is missing.
 *
 * @example
 * explain(fused).en;
 * // → 'happy 81%: text happy 92% (counts 60%), voice sad 55% (counts 40%, disagrees); missing: face'
 */
export function explain(fused: Explained): { zh: string; en: string } {
  return { zh: inChinese(fused), en: inEnglish(fused) };
}

function inEnglish({ label, score, weights, modalities, missing, dissenting }: Explained): string {
  const names = MODALITY_NAMES.en;
  const voices = voicesOf(modalities).map(([modality, result]) => {
    const notes = [`counts ${percent(weights[modality] ?? 0)}`];
    if (dissenting?.includes(modality) === true) notes.push('disagrees');
    if (result.fallback !== undefined) notes.push('by the fallback model');
    const says = result.label === null ? '' : EMOTION_NAMES.en[result.label];
    return `${names[modality]} ${says} ${percent(result.score)} (${notes.join(', ')})`;
  });
  const absent = missing.map((modality) => absence('en', modality, modalities[modality]));
  const head =
    label === null ? 'no emotion to report' : `${EMOTION_NAMES.en[label]} ${percent(score)}`;
  const body = voices.length > 0 ? `: ${voices.join(', ')}` : '';
  return head + body + (absent.length > 0 ? `; missing: ${absent.join(', ')}` : '');
}

function inChinese({ label, score, weights, modalities, missing, dissenting }: Explained): string {
  const names = MODALITY_NAMES.zh;
  const voices = voicesOf(modalities).map(([modality, result]) => {
    const notes = [`权重 ${percent(weights[modality] ?? 0)}`];
    if (dissenting?.includes(modality) === true) notes.push('与结果不一致');
    if (result.fallback !== undefined) notes.push('备用模型');
    const says = result.label === null ? '' : EMOTION_NAMES.zh[result.label];
    return `${names[modality]}为${says} ${percent(result.score)}（${notes.join('，')}）`;
  });
  const absent = missing.map((modality) => absence('zh', modality, modalities[modality]));
  const head = label === null ? '没有可报告的情绪' : `${EMOTION_NAMES.zh[label]} ${percent(score)}`;
  const body = voices.length > 0 ? `：${voices.join('，')}` : '';
  return head + body + (absent.length > 0 ? `；缺少：${absent.join('、')}` : '');
}

function voicesOf(modalities: Explained['modalities']): readonly [Modality, Result][] {
  return (['text', 'audio', 'video'] as const).flatMap((modality) => {
    const result = modalities[modality];
    return result !== undefined && result.label !== null ? [[modality, result]] : [];
  });
}

function absence(locale: Locale, modality: Modality, result: Result | undefined): string {
  const name = MODALITY_NAMES[locale][modality];
  const reason = result?.reason === undefined ? undefined : REASONS[locale][result.reason];
  if (reason === undefined) return name;
  return locale === 'zh' ? `${name}（${reason}）` : `${name} (${reason})`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}
