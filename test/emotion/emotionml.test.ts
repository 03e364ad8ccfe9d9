import { DOMParser, onErrorStopParsing, type Document, type Element } from '@xmldom/xmldom';
import { expect } from 'chai';
import { toEmotionML } from '../../lib/emotion/emotionml';
import type { Fused, Result } from '../../lib/emotion/result';

const NAMESPACE = 'http://www.w3.org/2009/10/emotionml';

function parse(xml: string): Document {
  return new DOMParser({ onError: onErrorStopParsing }).parseFromString(xml, 'text/xml');
}

function elements(parent: Document | Element, name: string): Element[] {
  return [...parent.getElementsByTagNameNS(NAMESPACE, name)];
}

const result: Result = {
  modality: 'text',
  label: 'happy',
  score: 0.7,
  scores: { neutral: 0.1, happy: 0.7, sad: 0.2 },
  model: 'text-bilstm',
  runtime: 'onnxruntime',
  cached: false,
  latencyMs: 3,
  source: { text: 'What a day!' },
};

describe('toEmotionML', () => {
  it('names the categories, their confidences and where they show', () => {
    const document = parse(toEmotionML(result));
    const root = document.documentElement!;
    expect(root.namespaceURI).to.equal(NAMESPACE);
    expect(root.localName).to.equal('emotionml');
    expect(root.getAttribute('version')).to.equal('1.0');
    const [emotion, ...others] = elements(document, 'emotion');
    expect(others).to.deep.equal([]);
    expect(emotion!.getAttribute('expressed-through')).to.equal('text');
    expect(emotion!.textContent).to.contain('What a day!');
    const categories = elements(emotion!, 'category').map((category) => [
      category.getAttribute('name'),
      Number(category.getAttribute('confidence')),
    ]);
    expect(categories).to.deep.equal([
      ['neutral', 0.1],
      ['happiness', 0.7],
      ['sadness', 0.2],
    ]);
  });

  it('declares every category that it uses, neutral included', () => {
    const document = parse(toEmotionML(result));
    const set = document.documentElement!.getAttribute('category-set')!;
    const [vocabulary] = elements(document, 'vocabulary');
    expect(`#${vocabulary!.getAttribute('id')}`).to.equal(set);
    expect(vocabulary!.getAttribute('type')).to.equal('category');
    const declared = elements(vocabulary!, 'item').map((item) => item.getAttribute('name'));
    for (const category of elements(document, 'category')) {
      expect(declared).to.include(category.getAttribute('name'));
    }
  });

  it('refers to W3C’s big6 when there is no neutral', () => {
    const document = parse(toEmotionML({ ...result, scores: { angry: 0.9, disgust: 0.1 } }));
    expect(document.documentElement!.getAttribute('category-set')).to.equal(
      'http://www.w3.org/TR/emotion-voc/xml#big6',
    );
    expect(elements(document, 'vocabulary')).to.deep.equal([]);
  });

  it('keeps any text well-formed', () => {
    const text = '<b>&"\'\u0000\u0008]]>\ud800 \udc00 😀 \u202e\ufffe \r\n';
    const document = parse(toEmotionML({ ...result, model: 'a"<&\n', source: { text } }));
    const expected = '<b>&"\'\ufffd\ufffd]]>\ufffd \ufffd 😀 \u202e\ufffd \r\n';
    const { nodeValue } = elements(document, 'emotion')[0]!.firstChild!;
    expect(nodeValue!.slice(0, expected.length)).to.equal(expected);
    expect(document.getElementsByTagName('model')[0]!.getAttribute('name')).to.equal('a"<&\n');
  });

  it('gives each of several segments an emotion with its time in the file', () => {
    const segment = { label: 'sad' as const, score: 1, scores: { sad: 1 } };
    const document = parse(
      toEmotionML({
        ...result,
        modality: 'audio',
        segments: [
          { ...segment, start: 0, end: 1.5 },
          { ...segment, start: 1.5, end: 3 },
        ],
        source: { file: '录音 #1.wav' },
      }),
    );
    expect(elements(document, 'emotion')).to.have.length(3);
    const uris = elements(document, 'reference').map((one) => one.getAttribute('uri')!);
    expect(uris.map(decodeURIComponent)).to.deep.equal([
      '录音 #1.wav',
      '录音 #1.wav#t=0,1.5',
      '录音 #1.wav#t=1.5,3',
    ]);
    expect(uris[1]!.match(/#/g)).to.have.length(1);
  });

  it('says which modalities a fused result was expressed through', () => {
    const fused: Fused = {
      ...result,
      modality: 'multimodal',
      weights: { text: 0.6, video: 0.4 },
      modalities: {},
      missing: ['audio'],
      agreement: 1,
      explanation: { zh: '', en: '' },
    };
    const [emotion] = elements(parse(toEmotionML(fused)), 'emotion');
    expect(emotion!.getAttribute('expressed-through')).to.equal('text face');
  });

  it('is a document without an emotion when there is no label', () => {
    const xml = toEmotionML({ ...result, label: null, score: 0, scores: {}, reason: 'empty-text' });
    expect(elements(parse(xml), 'emotion')).to.deep.equal([]);
    expect(xml).to.contain('reason="empty-text"');
  });
});
