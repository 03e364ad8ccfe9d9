import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { graphFile } from '../../lib/models/model';
import { fixture } from './samples';

/** Loads a graph with a runtime of `loadOnnxRuntime`, runs nothing of ours before it. */
const SCRIPT = `
  const [module, backend, graph] = process.argv.slice(1);
  const { ort, runtime } = require(module).loadOnnxRuntime(backend, 1);
  ort.InferenceSession.create(require('node:fs').readFileSync(graph)).then(({ inputNames }) =>
    console.log(JSON.stringify({ runtime, inputNames })),
  );
`;

describe('loadOnnxRuntime', function () {
  this.timeout(120_000);
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'emotion-runtime-'));
  });
  afterEach(() => rm(home, { recursive: true }));

  for (const backend of ['onnxruntime', 'onnxruntime-web'] as const) {
    it(`keeps no id of the device and no log, whatever the environment says: ${backend}`, async () => {
      const module = require.resolve('../../lib/engine/onnx-runtime');
      const graph = graphFile(await fixture('tiny-text'));
      // Nothing else of this process's environment: ONNX Runtime is silent on a build server.
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['-e', SCRIPT, module, backend, graph],
        {
          env: {
            HOME: home,
            XDG_CACHE_HOME: join(home, '.cache'),
            TMPDIR: home,
            ORT_DISABLE_TELEMETRY: '0',
          },
        },
      );
      const { runtime, inputNames } = JSON.parse(stdout) as Record<string, unknown>;
      expect(runtime).to.equal(backend);
      expect(inputNames).to.include('input_ids');
      expect(await readdir(home, { recursive: true })).to.deep.equal([]);
    });
  }
});
