import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { NodeMessage } from 'node-red';
import helper from 'node-red-node-test-helper';
import type { Result } from '../../lib/emotion/result';
import type { CaptureState } from '../../lib/flow/capture-state';
import { liveProcessCount } from '../../lib/media/process';
import { ffmpegChildren, make, scratchFolder, until } from '../media/fixtures';
import { Flow, type FlowNodeDefinition } from './harness';

interface WindowPayload {
  readonly samples: Float32Array;
  readonly sampleRate: number;
  readonly channels: number;
  readonly start: number;
  readonly end: number;
  readonly device: string;
}

const capture: FlowNodeDefinition = {
  id: 'capture',
  type: 'emotion-capture',
  source: 'test',
  windowMs: 400,
  hopMs: 200,
  wires: [['out'], ['aside']],
};

const windowsOf = (messages: readonly NodeMessage[]) =>
  messages.map(({ payload }) => payload as WindowPayload);
const statesOf = (messages: readonly NodeMessage[]) =>
  messages.map(({ payload }) => payload as CaptureState);

describe('emotion-capture', function () {
  this.timeout(120_000);
  const folder = scratchFolder();
  let flow: Flow | undefined;

  afterEach(async () => {
    await flow?.stop();
    flow = undefined;
    expect(liveProcessCount()).to.equal(0);
    expect(await ffmpegChildren()).to.deep.equal([]);
  });

  async function start(settings: object = {}) {
    flow = await Flow.start([{ ...capture, ...settings }]);
    return {
      flow,
      windows: flow.messages('out'),
      states: flow.messages('aside'),
      caught: flow.caught(),
      command: (action: string) => flow!.give('capture', { action }),
    };
  }

  it('sends windows of a test tone from start to stop, and its state', async () => {
    const { windows, states, command } = await start({ hz: 1000 });
    command('status');
    await until(() => states.length > 0, 'an answer');
    expect(statesOf(states)[0]).to.deep.equal({
      state: 'idle',
      source: 'test signal',
      waiting: 0,
      dropped: 0,
    });
    command('start');
    await until(() => windows.length >= 5, 'windows');
    command('stop');
    await until(() => statesOf(states).at(-1)?.state === 'idle', 'the end');
    const count = windows.length;
    const parts = windows.map((message) => message.parts as { id?: string; index?: number });
    expect(parts.map(({ index }) => index)).to.deep.equal(windows.map((_, index) => index));
    expect(new Set(parts.map(({ id }) => id)).size).to.equal(1);
    const [first, second] = windowsOf(windows);
    expect(first).to.include({ sampleRate: 16_000, channels: 1 });
    expect(first?.samples).to.be.instanceOf(Float32Array).and.to.have.length(6400);
    expect((second?.start ?? 0) - (first?.start ?? 0)).to.be.closeTo(0.2, 0.001);
    const ids = new Set(windows.map(({ _msgid }) => _msgid));
    expect(ids.size, 'each message has an id of its own').to.equal(count);
    expect(statesOf(states).map(({ state }) => state)).to.include.members(['connecting', 'running', 'idle']); // prettier-ignore

    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(windows, 'nothing after the end').to.have.length(count);
    command('start');
    await until(() => windows.length > count, 'windows after a second start');
    expect(windows[count]?.parts).to.include({ index: 0 });
    expect((windows[count]?.parts as { id?: string }).id).not.to.equal(parts[0]?.id);
  });

  it('takes its commands from the payload too, starts with the flow, and refuses others', async () => {
    const { windows, states, caught, flow: running } = await start({ autostart: true });
    await until(() => windows.length > 0, 'windows');
    running.give('capture', { payload: 'stop' });
    await until(() => statesOf(states).at(-1)?.state === 'idle', 'the end');
    for (const wrong of [{ payload: 'dance' }, { action: 'dance', payload: 1 }, { payload: 5 }]) {
      running.give('capture', wrong);
    }
    await until(() => caught.length === 3, 'errors');
    expect(new Set(caught.map(({ error }) => error.code))).to.deep.equal(new Set(['input.wrong-type'])); // prettier-ignore
    expect(caught[0]?.error.message).to.contain('start, stop, status, next');
  });

  it('plays a file in real time to its end and says so', async () => {
    const path = await make(folder, ['-f', 'lavfi', '-i', 'sine=duration=1'], 'second.wav');
    const { windows, states, command } = await start({ source: 'file', path, hopMs: 400 });
    const startedAt = performance.now();
    command('start');
    await until(() => statesOf(states).at(-1)?.state === 'ended', 'the end of the file');
    expect(performance.now() - startedAt).to.be.greaterThan(700);
    await until(() => windows.length === 2, 'two windows');
    expect(windowsOf(windows).map(({ device }) => device)[0]).to.contain('second.wav');
    command('start');
    await until(() => windows.length === 4, 'the same again');
  });

  it('lets a window leave when it is asked, and keeps what the policy says', async () => {
    const { windows, states, command } = await start({ pace: 'asked', policy: 'latest' });
    command('start');
    await until(() => windows.length === 1, 'the first window');
    const dropped = async () => {
      command('status');
      await new Promise((resolve) => setTimeout(resolve, 50));
      return statesOf(states).at(-1)?.dropped ?? 0;
    };
    await until(async () => (await dropped()) >= 4, 'newer windows');
    expect(windows).to.have.length(1);
    command('next');
    await until(() => windows.length === 2, 'the next window');
    const [first, second] = windowsOf(windows);
    expect((second?.start ?? 0) - (first?.start ?? 0)).to.be.greaterThan(0.6);
    command('status');
    await until(() => (statesOf(states).at(-1)?.dropped ?? 0) > 0, 'what was dropped');
    expect(statesOf(states).at(-1)?.waiting).to.be.lessThan(0.7);
  });

  it('comes back when FFmpeg is killed, with windows of one connection', async () => {
    const { windows, states, command } = await start();
    command('start');
    for (let kill = 1; kill <= 3; kill += 1) {
      const before = windows.length;
      await until(() => windows.length > before + 1, 'windows');
      const [pid] = await ffmpegChildren();
      expect(pid).to.be.a('number');
      const told = states.length;
      process.kill(pid!, 'SIGKILL');
      const waiting = () => statesOf(states).slice(told).find(({ state }) => state === 'waiting'); // prettier-ignore
      await until(() => waiting() !== undefined, 'the news');
      expect(waiting()?.error?.code).to.equal('media.killed');
    }
    const before = windows.length;
    await until(() => windows.length > before, 'windows after the last kill');
    expect(windowsOf(windows).every(({ samples }) => samples.length === 6400)).to.equal(true);
    expect(windows.map(({ parts }) => (parts as { index?: number }).index)).to.deep.equal(windows.map((_, index) => index)); // prettier-ignore
    const starts = windowsOf(windows).map((window) => window.start);
    expect(starts).to.deep.equal([...starts].sort((a, b) => a - b));
  });

  it('says what is wrong with a source, and still obeys', async () => {
    const wrong = { source: 'device', microphone: 'hw:99,0', microphoneSystem: 'alsa' };
    const { states, caught, command } = await start(wrong);
    command('start');
    await until(() => statesOf(states).some(({ state }) => state === 'waiting'), 'a failure');
    const waiting = statesOf(states).find(({ state }) => state === 'waiting');
    expect(waiting?.error?.code).to.equal('media.device');
    expect(waiting?.retryMs).to.be.within(300, 600);
    command('stop');
    await until(() => statesOf(states).at(-1)?.state === 'idle', 'the end');
    expect(caught).to.deep.equal([]);
  });

  it('passes on what no new attempt can mend', async () => {
    for (const [settings, code] of [
      [{ source: 'file', path: `${folder}/none.wav` }, 'media.not-found'],
      [{ source: 'device', microphone: "tee:'/tmp/x'" }, 'media.refused'],
      [{ source: 'device', microphone: '' }, 'input.unusable'],
      [{ source: 'stream', url: 'concat:/etc/passwd' }, 'media.refused'],
    ] as const) {
      const { caught, command, flow: running } = await start({ ...settings, maxAttempts: 1 });
      command('start');
      await until(() => caught.length > 0, code);
      expect(caught[0]?.error.code, JSON.stringify(settings)).to.equal(code);
      await running.stop();
    }
    flow = undefined;
  });

  describe('from a server that stalls', () => {
    let server: Server;
    let url: string;
    let isBack = false;
    before(async () => {
      const tone = ['-f', 'lavfi', '-i', 'sine=duration=20:sample_rate=16000'];
      const bytes = readFileSync(await make(folder, tone, 'long.wav'));
      server = createServer((_request, response) => {
        response.writeHead(200, { 'content-type': 'audio/wav' });
        if (isBack) response.end(bytes);
        else response.write(bytes.subarray(0, 48_000));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });

    it('connects again, and loses no command while it waits', async () => {
      const { windows, states, command } = await start({ source: 'stream', url, stallSeconds: 2 }); // prettier-ignore
      command('start');
      const codes = () => statesOf(states).map(({ error }) => error?.code);
      await until(() => codes().includes('media.stalled'), 'the news of the stall');
      for (const action of ['status', 'stop', 'status', 'start']) command(action);
      isBack = true;
      const before = windows.length;
      await until(() => windows.length > before + 10, 'sound after the stall');
      command('stop');
      await until(() => statesOf(states).at(-1)?.state === 'idle', 'the end');
      expect(await ffmpegChildren()).to.deep.equal([]);
    });
  });

  it('feeds preprocess-audio and infer', async () => {
    const tone = ['-f', 'lavfi', '-i', 'sine=frequency=6000:duration=6:sample_rate=16000'];
    const path = await make(folder, tone, 'high.wav');
    flow = await Flow.start([
      { id: 'model', type: 'emotion-model', source: 'installed', model: 'tiny-speech' },
      { ...capture, source: 'file', path, windowMs: 2600, hopMs: 700, wires: [['preprocess'], ['aside']] },
      { id: 'preprocess', type: 'emotion-preprocess-audio', model: 'model', silence: 'keep', speech: 'energy', wires: [['infer']] },
      { id: 'infer', type: 'emotion-infer', model: 'model' },
    ]); // prettier-ignore
    const results = flow.messages('out');
    flow.give('capture', { action: 'start' });
    await until(() => results.length >= 3, 'results');
    const [first, second] = results.map(({ payload }) => payload as Result);
    expect(first).to.include({ modality: 'audio', label: 'surprise' });
    expect(first?.segments).to.have.length(1);
    expect((second?.segments?.[0]?.start ?? 0) - (first?.segments?.[0]?.start ?? 0)).to.be.closeTo(0.7, 0.01); // prettier-ignore
    expect(first?.source.device).to.contain('high.wav');
    expect(results.map(({ parts }) => (parts as { index?: number }).index).slice(0, 3)).to.deep.equal([0, 1, 2]); // prettier-ignore
  });

  it('lists the devices of this machine and can be switched by its button', async () => {
    const { windows } = await start();
    const { status, body } = await helper.request().get('/emotion-capture/devices');
    expect(status).to.equal(200);
    expect(body).to.be.an('array');
    expect((await helper.request().post('/emotion-capture/nothing/toggle')).status).to.equal(404);
    const on = await helper.request().post('/emotion-capture/capture/toggle');
    expect(on.status).to.equal(200);
    await until(() => windows.length > 0, 'windows');
    const off = await helper.request().post('/emotion-capture/capture/toggle');
    expect(off.body).to.include({ state: 'idle' });
  });

  it('shows its state', async () => {
    const { flow: running, command } = await start();
    const shown = running.statuses('capture');
    command('start');
    await until(() => shown.includes('capturing'), 'the status');
    command('stop');
    await until(() => shown.at(-1) === 'stopped', 'the status after the end');
  });
});
