import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { fillTemplate, shortText, toFlowError, TranslatedError } from '../../lib/flow/failure';

const chinese = new Map([
  ['errors.model.not-found', '未找到模型“__model__”'],
  ['errors.queue.full', '队列已满(__waiting__)'],
  ['errors.engine.failed', '推理失败：__message__'],
  ['short.model.not-found', '未找到模型'],
]);
const catalogue = (key: string) => chinese.get(key);

describe('toFlowError', () => {
  it('translates, and keeps what a flow can act on where Catch looks for it', () => {
    const original = new EmotionError('model.not-found', 'No model "x"', { model: 'x' });
    const error = toFlowError(original, catalogue);
    expect(String(error)).to.equal('未找到模型“x”');
    expect(error).to.be.instanceOf(TranslatedError).and.instanceOf(EmotionError);
    expect(Object.hasOwn(error, 'code')).to.equal(true);
    expect(Object.hasOwn(error, 'cause')).to.equal(true);
    expect(error).to.include({ code: 'model.not-found', status: 503, transient: false });
    expect(error).to.have.deep.property('details', { model: 'x' });
    expect(error.cause).to.equal(original);
    expect(toFlowError(new EmotionError('engine.failed', 'NaN'), catalogue).message).to.equal(
      '推理失败：NaN',
    );
    expect(toFlowError(error, catalogue)).to.equal(error);
  });

  it('speaks in the words of the error where the catalogue has none, or needs a value that is not there', () => {
    expect(toFlowError(new EmotionError('engine.timeout', 'slow'), catalogue).message).to.equal(
      'slow',
    );
    expect(toFlowError(new EmotionError('queue.full', 'full'), catalogue).message).to.equal('full');
  });

  it('leaves other errors alone and makes an error of anything else', () => {
    const defect = new TypeError('undefined is not a function');
    expect(toFlowError(defect, catalogue)).to.equal(defect);
    expect(toFlowError('text', catalogue)).to.be.instanceOf(Error).with.property('message', 'text');
    expect(toFlowError(undefined, catalogue)).to.be.instanceOf(Error);
  });
});

describe('shortText', () => {
  it('comes from the catalogue, else it is the code', () => {
    expect(shortText(new EmotionError('model.not-found', ''), catalogue)).to.equal('未找到模型');
    expect(shortText(new EmotionError('queue.full', ''), catalogue)).to.equal('queue.full');
    expect(shortText(new Error(), catalogue)).to.equal('unexpected');
  });
});

describe('fillTemplate', () => {
  it('fills every variable or none', () => {
    expect(fillTemplate('__a__ + __b__ + __a__', { a: 1, b: 'two' })).to.equal('1 + two + 1');
    expect(fillTemplate('__a__ + __b__', { a: 1 })).to.equal(undefined);
    expect(fillTemplate('snake_case __init', {})).to.equal('snake_case __init');
    expect(fillTemplate('__a__', { a: '$& __b__' })).to.equal('$& __b__');
  });
});
