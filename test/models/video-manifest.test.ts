import { expect } from 'chai';
import { parseManifest } from '../../lib/models/manifest';
import { faceManifest, faceModel } from '../video/manifest';

const ANY_LENGTH = {
  preprocessing: {
    kind: 'video',
    frontEnd: 1,
    clip: { frames: 16, fill: 'none' },
    inputs: { faces: 'face-clip' },
  },
  inputs: {
    faces: { type: 'float32', shape: ['batch', 'frames', 1, 48, 48], padding: null },
  },
};

const problems = (changes: object): string[] =>
  parseManifest(faceModel(changes)).problems.map(
    ({ path, expected }) => `${path.join('.')}: ${expected}`,
  );

describe('the manifest of a model for faces', () => {
  it('fills in crops of 48 × 48 and clips of 16', () => {
    const { preprocessing } = faceManifest();
    expect(preprocessing).to.deep.include({
      crop: { side: 48, colour: 'grey' },
      clip: { frames: 16, seconds: 1.6, stepSeconds: 0.8, fill: 'repeat' },
    });
  });

  it('may take clips of any length up to a number of frames', () => {
    expect(problems(ANY_LENGTH)).to.deep.equal([]);
    const { faces } = ANY_LENGTH.inputs;
    expect(problems({ ...ANY_LENGTH, inputs: { faces: { ...faces, padding: 0 } } })).to.deep.equal([
      'inputs.faces.padding: null (clips of different length cannot share a batch)',
    ]);
  });

  it('says where shape and preprocessing contradict each other', () => {
    for (const shape of [
      ['batch', 'frames', 1, 48, 48],
      ['batch', 8, 1, 48, 48],
      ['batch', 16, 48, 48],
      ['batch', 16, 1, 64, 64],
    ]) {
      expect(problems({ inputs: { faces: { type: 'float32', shape } } })).to.deep.equal([
        'inputs.faces.shape: [batch, 16, 1, 48, 48] (preprocessing)',
      ]);
    }
    const { faces } = faceManifest().inputs;
    expect(problems({ inputs: { faces: { ...faces, type: 'uint8' } } })).to.deep.equal([
      'inputs.faces.type: float32',
    ]);
  });

  it('wants a source for each input, an input for each source, and a map as saliency', () => {
    const preprocessing = { kind: 'video', frontEnd: 1, inputs: { pictures: 'face-clip' } };
    expect(problems({ preprocessing })).to.include.members([
      'preprocessing.inputs.faces: face-clip',
      'preprocessing.inputs.pictures: one of the inputs: faces',
    ]);
    const outputs = {
      logits: { kind: 'logits', shape: ['batch', 2] },
      map: { kind: 'saliency', shape: ['batch', 2, 6, 6] },
    };
    expect(problems({ outputs })).to.deep.equal(['outputs.map.shape: [batch, height, width]']);
  });
});
