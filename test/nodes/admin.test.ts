import { join } from 'node:path';
import { expect } from 'chai';
import helper from 'node-red-node-test-helper';
import { Flow, MODELS } from './harness';

describe('the admin end points of emotion-model', () => {
  let flow: Flow;
  before(async () => {
    flow = await Flow.start([]);
  });
  after(() => flow.stop());

  const get = (path: string) => helper.request().get(`/emotion-model/${path}`);

  it('list what is installed', async () => {
    const { status, body } = await get('models');
    expect(status).to.equal(200);
    const models = body as Record<string, unknown>[];
    const tiny = models.find(({ id }) => id === 'tiny-text');
    expect(tiny).to.include({ modality: 'text', architecture: 'attention-pooling' });
    expect(tiny).to.have.deep.property('precisions', ['fp32']);
    expect(tiny).to.have.nested.property('headline.name', 'accuracy');
  });

  it('look into a folder', async () => {
    const folder = encodeURIComponent(join(MODELS, 'tiny-conv'));
    expect((await get(`inspect?folder=${folder}`)).body).to.include({ id: 'tiny-conv' });
    for (const wrong of ['', 'relative/path', '/does/not/exist']) {
      const { status, body } = await get(`inspect?folder=${encodeURIComponent(wrong)}`);
      expect(status, wrong).to.equal(422);
      expect(body)
        .to.have.property('code')
        .that.matches(/^model\./);
    }
  });

  it('give the card of a model', async () => {
    const made = await get('card?model=tiny-text');
    expect(made.status).to.equal(200);
    expect(made.text).to.contain('tiny-text').and.to.contain('| accuracy | 1 |');
    expect((await get('card?model=text-bilstm')).text).to.match(/^# text-bilstm/);
    expect((await get('card?model=nope')).status).to.equal(422);
    expect((await get('card')).status).to.equal(422);
  });

  it('name the execution providers of this machine', async () => {
    expect((await get('providers')).body).to.include('cpu');
  });
});
