import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { FACE_ENGINES, openFaces, type FaceOpeners, type Faces } from '../../lib/video/open-faces';

const faces = (name: Faces['name']): Faces => ({
  name,
  finder: () => ({ reset: () => undefined, find: () => Promise.resolve([]) }),
});
const failing = (code: 'model.load-failed' | 'model.hash-mismatch', message: string) => () =>
  Promise.reject(new EmotionError(code, message));

describe('openFaces', () => {
  const working: FaceOpeners = {
    onnxruntime: () => Promise.resolve(faces('onnxruntime')),
    tensorflow: () => Promise.resolve(faces('tensorflow')),
  };
  const broken = { ...working, onnxruntime: failing('model.load-failed', 'no ONNX Runtime') };
  const named = async (engine: (typeof FACE_ENGINES)[number], openers: FaceOpeners) =>
    (await openFaces(engine, 1, openers)).name;

  it('opens what is asked for', async () => {
    expect(await named('onnxruntime', working)).to.equal('onnxruntime');
    expect(await named('tensorflow', working)).to.equal('tensorflow');
    expect(await named('auto', working)).to.equal('onnxruntime');
  });

  it('opens TensorFlow.js where ONNX Runtime cannot be loaded, unless only that is wanted', async () => {
    expect(await named('auto', broken)).to.equal('tensorflow');
    const error: unknown = await named('onnxruntime', broken).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'model.load-failed', message: 'no ONNX Runtime' });
  });

  it('says what is wrong with both where neither can be opened', async () => {
    const neither: FaceOpeners = {
      onnxruntime: failing('model.hash-mismatch', 'the nets were changed'),
      tensorflow: failing('model.load-failed', 'npm install it'),
    };
    const error: unknown = await named('auto', neither).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(EmotionError).with.property('code', 'model.hash-mismatch');
    expect((error as EmotionError).message).to.match(/nets were changed.*npm install it/);
    expect((error as EmotionError).cause).to.be.instanceOf(AggregateError);
  });
});
