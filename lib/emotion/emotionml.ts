import { EMOTIONS, type Emotion, type Scores } from './labels';
import type { AnyResult, ResultSegment } from './result';
import type { Modality } from './sample';

const NAMESPACE = 'http://www.w3.org/2009/10/emotionml';
/** Ekman's six in W3C "Vocabularies for EmotionML" (2014), section 2.1. */
const BIG6 = 'http://www.w3.org/TR/emotion-voc/xml#big6';
const OWN_VOCABULARY = 'big6-and-neutral';

/** The names of `big6`; neutral, which it does not have, keeps its own. */
const CATEGORY: Readonly<Record<Emotion, string>> = {
  neutral: 'neutral',
  happy: 'happiness',
  sad: 'sadness',
  angry: 'anger',
  fear: 'fear',
  disgust: 'disgust',
  surprise: 'surprise',
};

/** EmotionML 1.0, section 2.4.1: how an emotion shows. */
const EXPRESSED_THROUGH: Readonly<Record<Modality, string>> = {
  text: 'text',
  audio: 'voice',
  video: 'face',
};

/**
 * A result as an EmotionML 1.0 document (W3C Recommendation, 22 May 2014): one `<emotion>` for the
 * whole, then one for each segment where there are several. The confidence of a category is its
 * calibrated probability.
 *
 * An `<emotion>` has one category set, and W3C's `big6` has no neutral. A result without a score for
 * neutral therefore refers to `big6`; any other to a vocabulary inside the document that has big6's
 * names and `neutral`. A result without a label is a document without an `<emotion>`.
 *
 * @example
 * toEmotionML(result);
 * // <emotionml version="1.0" xmlns="http://www.w3.org/2009/10/emotionml" …>
 * //   <emotion category-set="#big6-and-neutral" expressed-through="text">What a day!
 * //     <category name="happiness" confidence="0.9312"/> …
 */
export function toEmotionML(result: AnyResult): string {
  const withNeutral = [result.scores, ...(result.segments ?? []).map(({ scores }) => scores)].some(
    (scores) => scores.neutral !== undefined,
  );
  const set = withNeutral ? `#${OWN_VOCABULARY}` : BIG6;
  const through = expressedThrough(result);
  const { file } = result.source;
  const parts = (result.segments ?? []).length > 1 ? result.segments! : [];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<emotionml${attributes({ version: '1.0', xmlns: NAMESPACE, 'category-set': set })}>`,
    ...(withNeutral ? vocabulary() : []),
    ...info(result),
    ...emotion(result.scores, through, result.source.text, file),
    ...parts.flatMap((segment) => emotion(segment.scores, through, segment.text, file, segment)),
    '</emotionml>',
    '',
  ].join('\n');
}

function vocabulary(): string[] {
  return [
    `  <vocabulary type="category" id="${OWN_VOCABULARY}">`,
    ...EMOTIONS.map((emotion) => `    <item name="${CATEGORY[emotion]}"/>`),
    '  </vocabulary>',
  ];
}

/** Which model gave it; `info` may hold elements of any other namespace. */
function info({ model, runtime, reason }: AnyResult): string[] {
  const values = { xmlns: 'urn:emowire:result', name: model, runtime, ...(reason && { reason }) };
  return ['  <info>', `    <model${attributes(values)}/>`, '  </info>'];
}

function emotion(
  scores: Scores,
  through: string,
  text: string | undefined,
  file: string | undefined,
  segment?: ResultSegment,
): string[] {
  const categories = EMOTIONS.filter((one) => scores[one] !== undefined).map(
    (one) =>
      `    <category${attributes({ name: CATEGORY[one], confidence: confidence(scores[one]!) })}/>`,
  );
  if (categories.length === 0) return [];
  const open = `  <emotion${attributes({ 'expressed-through': through })}>`;
  return [
    text === undefined ? open : `${open}${escape(text)}`,
    ...categories,
    ...(file === undefined
      ? []
      : [`    <reference${attributes({ uri: fileUri(file, segment), role: 'expressedBy' })}/>`]),
    '  </emotion>',
  ];
}

function expressedThrough(result: AnyResult): string {
  const modalities =
    result.modality === 'multimodal'
      ? (Object.keys(result.weights) as Modality[])
      : [result.modality];
  return modalities.map((modality) => EXPRESSED_THROUGH[modality]).join(' ');
}

/** A relative or absolute URI reference; a segment's times are a Media Fragment (W3C, 2012). */
function fileUri(file: string, segment: ResultSegment | undefined): string {
  const uri = /^[a-z][a-z0-9+.-]+:\/\//i.test(file)
    ? encodeURI(wellFormed(file))
    : wellFormed(file).replaceAll('\\', '/').split('/').map(encodeURIComponent).join('/');
  if (segment?.start === undefined || segment.end === undefined) return uri;
  return `${uri}#t=${seconds(segment.start)},${seconds(segment.end)}`;
}

function seconds(time: number): string {
  return String(Math.round(time * 1000) / 1000);
}

/** Four decimals, as a number from 0 to 1. */
function confidence(score: number): string {
  return String(Math.round(Math.min(1, Math.max(0, score)) * 1e4) / 1e4);
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escape(value)}"`)
    .join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Text for XML 1.0: what it does not allow at all becomes U+FFFD. */
function escape(text: string): string {
  return (
    wellFormed(text)
      // eslint-disable-next-line no-control-regex -- the very characters that XML 1.0 forbids
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"\t\n\r]/g, (character) => ENTITIES[character]!)
  );
}

/** Lone surrogates become U+FFFD (`String.prototype.toWellFormed`, which our ES2023 types lack). */
function wellFormed(text: string): string {
  return text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    '\ufffd',
  );
}
