import { tmpdir } from 'node:os';
import { expect } from 'chai';
import { EmotionError } from '../../lib/emotion/error';
import { FaceReader } from '../../lib/video/face-reader';
import { openFaceNets, type FaceNets } from '../../lib/video/open-face-nets';
import {
  INSTALL_LINE,
  openTensorFlowFaces,
  type TensorFlowFaces,
} from '../../lib/video/tensorflow-faces';
import { drawFaces } from './drawn-face';

/** Where `INSTALL_LINE` was run; the packages are 400 MB, so the suite is also tested without them. */
const FOLDER = process.env['EMOTION_TENSORFLOW'];

describe('faces by TensorFlow.js', function () {
  this.timeout(120_000);

  it('say how to install what is missing', async () => {
    const error: unknown = await openTensorFlowFaces({ folders: [tmpdir()] }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(EmotionError);
    const { code, message } = error as EmotionError;
    expect(code).to.equal('model.load-failed');
    expect(message).to.contain(INSTALL_LINE);
  });

  if (FOLDER === undefined) return;

  describe('where it is installed', () => {
    let tensorFlow: TensorFlowFaces;
    let nets: FaceNets;
    before(async () => {
      tensorFlow = await openTensorFlowFaces({ folders: [FOLDER] });
      nets = await openFaceNets();
    });
    after(() => nets.close());

    for (const face of [{}, { mouth: 0.9 }, { angle: 0.3 }]) {
      it(`have the same 68 points as those by ONNX Runtime: ${JSON.stringify(face)}`, async () => {
        const picture = drawFaces(300, 260, [{ x: 150, y: 135, size: 85, ...face }]);
        const [a] = await new FaceReader(tensorFlow.finder({ maxFaces: 1 })).readStill(picture);
        const [b] = await new FaceReader(nets).readStill(picture);
        const off = a!.landmarks.map(([x, y], i) =>
          Math.hypot(x - b!.landmarks[i]![0], y - b!.landmarks[i]![1]),
        );
        expect(off.reduce((sum, value) => sum + value, 0) / off.length).to.be.below(2);
        expect(Math.max(...off)).to.be.below(4);
      });
    }

    it('are those that are large enough, and nobody in an empty picture', async () => {
      const finder = tensorFlow.finder({ maxFaces: 3, minSize: 400 });
      const picture = drawFaces(300, 260, [{ x: 150, y: 135, size: 85 }]);
      expect(await finder.find(picture, 0)).to.deep.equal([]);
      const empty = drawFaces(200, 160, []);
      expect(await tensorFlow.finder({}).find(empty, 0)).to.deep.equal([]);
    });
  });
});
