import { randomUUID } from 'node:crypto';
import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import {
  LiveWindows,
  type LiveWindowsOptions,
  type SoundWindow,
} from '../../lib/audio/live-windows';
import { EmotionError } from '../../lib/emotion/error';
import { describeCapture, type CaptureState } from '../../lib/flow/capture-state';
import { toFlowError } from '../../lib/flow/failure';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput, EMITTED } from '../../lib/flow/input';
import type { CloseListener, FlowMessage, FlowNode, InputListener } from '../../lib/flow/message';
import { Property } from '../../lib/flow/property';
import { choiceSetting, numberSetting, propertySetting } from '../../lib/flow/settings';
import { listDevices } from '../../lib/media/devices';
import {
  LiveCapture,
  nameOfSource,
  type DeviceSystem,
  type LiveFrame,
  type LiveOptions,
  type LiveSource,
  type LiveStatus,
} from '../../lib/media/live';

interface CaptureDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  source?: string;
  media?: string;
  camera?: string;
  cameraSystem?: string;
  fps?: number | string;
  maxWidth?: number | string;
  microphone?: string;
  microphoneSystem?: string;
  url?: string;
  path?: string;
  loop?: boolean;
  hz?: number | string;
  windowMs?: number | string;
  hopMs?: number | string;
  pace?: string;
  policy?: string;
  limitSeconds?: number | string;
  autostart?: boolean;
  stallSeconds?: number | string;
  maxAttempts?: number | string;
}

/** What every model for sound takes. */
const SAMPLE_RATE_HZ = 16_000;

const MICROPHONE_SYSTEMS = ['alsa', 'pulse', 'avfoundation', 'dshow'] as const satisfies readonly DeviceSystem[]; // prettier-ignore

const CAMERA_SYSTEMS = ['v4l2', 'avfoundation', 'dshow'] as const satisfies readonly DeviceSystem[];

/** The outputs: windows of sound, what becomes of the source, and pictures. */
const SOUND = 0;
const STATE = 1;
const PICTURES = 2;

/** What the button of the node in the editor does. */
interface Switchable {
  toggle(): Promise<CaptureState>;
}

/** Registers the node type `emotion-capture`: a microphone, stream or file as a source of windows. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionCapture(this: Node, definition: CaptureDefinition): void {
    RED.nodes.createNode(this, definition);
    const source = sourceSetting(definition);
    const device = nameOfSource(source);
    const property = new Property(
      propertySetting(definition.property, definition.propertyType),
      propertyHost(RED.util, this),
    );
    let capture: LiveCapture | undefined;
    let session = { id: '', index: 0, pictures: 0 };

    const emit = (output: number, value: unknown, more: Partial<FlowMessage> = {}) => {
      const message: FlowMessage = { _msgid: RED.util.generateId(), ...more };
      property.write(message, value).then(
        () => this.send(onOutput(output, message)),
        (error: unknown) => this.error(toFlowError(error, catalogue)),
      );
    };
    const windows = new LiveWindows(windowOptions(definition), (window: SoundWindow) => {
      const { start, end, samples } = window;
      const payload = { samples, sampleRate: SAMPLE_RATE_HZ, channels: 1, start, end, device };
      emit(SOUND, payload, { parts: { id: session.id, index: session.index } });
      session.index += 1;
    });

    const onFrame = ({ time, width, height, data }: LiveFrame): void => {
      const pixels = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      const payload = { width, height, channels: 3, data: pixels, time, device };
      emit(PICTURES, payload, { parts: { id: session.id, index: session.pictures } });
      session.pictures += 1;
    };

    const state = (): CaptureState => ({
      ...plainStatus(capture?.status ?? { state: 'idle' }),
      source: device,
      waiting: windows.waitingSeconds,
      dropped: windows.droppedSeconds,
    });
    const onStatus = (now: LiveStatus): void => {
      if (now.state === 'ended') windows.end();
      status.show(describeCapture(state(), catalogue));
      emit(STATE, state());
      // Nobody sent a message that could be failed: a Catch node gets one of its own.
      if (now.state === 'failed') this.error(toFlowError(now.error, catalogue), {});
    };

    const isAway = () => ['idle', 'ended', 'failed'].includes(capture?.status.state ?? 'idle');
    const begin = async (): Promise<CaptureState> => {
      await Promise.resolve();
      if (isAway()) {
        windows.clear();
        session = { id: randomUUID(), index: 0, pictures: 0 };
        if (capture === undefined) {
          capture = new LiveCapture(source, liveOptions(definition));
          capture.on('samples', (samples) => windows.push(samples));
          capture.on('frame', onFrame);
          capture.on('status', onStatus);
        }
        capture.start();
      }
      return state();
    };
    const end = async (): Promise<CaptureState> => {
      await capture?.stop();
      windows.clear();
      return state();
    };
    const actions: Record<string, () => Promise<unknown>> = {
      start: begin,
      stop: end,
      status: () => Promise.resolve(state()),
      next: () => {
        windows.ask();
        return Promise.resolve(EMITTED);
      },
    };

    const status = acceptInput({
      node: answeringOn(this, STATE),
      property,
      catalogue,
      describe: () => describeCapture(state(), catalogue),
      actions,
      reset: () => windows.clear(),
      process: (value, message) => {
        const action = message.action ?? value;
        const act = typeof action === 'string' && Object.hasOwn(actions, action) ? actions[action] : undefined; // prettier-ignore
        if (act) return act();
        const expected = Object.keys(actions).join(', ');
        throw new EmotionError(
          'input.wrong-type',
          `Expected ${expected} in msg.action or ${property.name}, got ${JSON.stringify(action)?.slice(0, 40)}`,
          { expected },
        );
      },
      close: async () => {
        capture?.off('status', onStatus);
        await capture?.stop();
      },
    });
    status.show(describeCapture(state(), catalogue));
    const toggle = () => (isAway() ? begin() : end());
    Object.assign(this, { toggle } satisfies Switchable);

    if (definition.autostart === true) {
      begin().catch((error: unknown) => {
        this.error(toFlowError(error, catalogue), {});
      });
    }
  }

  RED.nodes.registerType('emotion-capture', EmotionCapture);

  const problem = (error: unknown) => {
    const { message } = toFlowError(error, catalogue);
    return { code: error instanceof EmotionError ? error.code : 'unexpected', message };
  };
  const mayRead = RED.auth.needsPermission('emotion-capture.read');
  RED.httpAdmin.get('/emotion-capture/devices', mayRead, (_request, response) => {
    listDevices().then(
      (devices) => response.json(devices),
      (error: unknown) => response.status(503).json(problem(error)),
    );
  });

  const mayWrite = RED.auth.needsPermission('emotion-capture.write');
  RED.httpAdmin.post('/emotion-capture/:id/toggle', mayWrite, (request, response) => {
    const node = RED.nodes.getNode(String(request.params.id)) as
      (Node & Partial<Switchable>) | null;
    if (node?.type !== 'emotion-capture' || node.toggle === undefined) {
      response.sendStatus(404);
      return;
    }
    node.toggle().then(
      (state) => response.json(state),
      (error: unknown) => response.status(422).json(problem(error)),
    );
  });
}

/** A message at one of the outputs, nothing at those before it. */
function onOutput(output: number, message: FlowMessage): (NodeMessage | null)[] {
  return [...new Array<null>(output).fill(null), message];
}

/** The node, with what it answers to messages going to one of its outputs. */
function answeringOn(node: Node, output: number): FlowNode {
  function on(event: 'input', listener: InputListener): unknown;
  function on(event: 'close', listener: CloseListener): unknown;
  function on(event: 'input' | 'close', listener: InputListener | CloseListener): unknown {
    if (event === 'close') return node.on('close', listener as CloseListener);
    const act = listener as InputListener;
    return node.on('input', (message, send, done) =>
      act(
        message,
        (answer) => send(Array.isArray(answer) ? answer : onOutput(output, answer)),
        done,
      ),
    );
  }
  return {
    on,
    status: (shown) => node.status(shown),
    error: (error) => node.error(error),
  };
}

/** Errors as data, so that a state can be sent, stored and shown. */
function plainStatus(
  status: LiveStatus,
): Pick<CaptureState, 'state' | 'error' | 'attempt' | 'retryMs' | 'connection'> {
  if (!('error' in status)) return status;
  const { error, ...rest } = status;
  return { ...rest, error: { code: error.code, message: error.message } };
}

/** What is captured: both come on one clock. */
function mediaSetting({ media }: CaptureDefinition): { sound: boolean; pictures: boolean } {
  const chosen = choiceSetting(media, ['sound', 'pictures', 'both']);
  return { sound: chosen !== 'pictures', pictures: chosen !== 'sound' };
}

function sourceSetting(definition: CaptureDefinition): LiveSource {
  const text = (value: unknown) => (typeof value === 'string' ? value.trim() : '');
  switch (choiceSetting(definition.source, ['device', 'stream', 'file', 'test'])) {
    case 'device': {
      const { sound, pictures } = mediaSetting(definition);
      const microphone = {
        system: choiceSetting(definition.microphoneSystem, MICROPHONE_SYSTEMS),
        name: text(definition.microphone),
      };
      const camera = {
        system: choiceSetting(definition.cameraSystem, CAMERA_SYSTEMS),
        name: text(definition.camera),
      };
      return {
        kind: 'device',
        ...(sound && microphone.name !== '' && { microphone }),
        ...(pictures && camera.name !== '' && { camera }),
      };
    }
    case 'stream':
      return { kind: 'stream', url: text(definition.url) };
    case 'file':
      return { kind: 'file', path: text(definition.path), loop: definition.loop === true };
    case 'test':
      return { kind: 'test', hz: numberSetting(definition.hz, { least: 20, most: 20_000, otherwise: 440 }) }; // prettier-ignore
  }
}

function liveOptions(definition: CaptureDefinition): LiveOptions {
  const { stallSeconds } = definition;
  const { sound, pictures } = mediaSetting(definition);
  const side = Math.round(
    numberSetting(definition.maxWidth, { least: 64, most: 1920, otherwise: 640 }),
  );
  const attempts = Math.round(numberSetting(definition.maxAttempts, { least: 0, most: 1e6, otherwise: 0 })); // prettier-ignore
  return {
    ...(sound && { audio: { sampleRateHz: SAMPLE_RATE_HZ } }),
    ...(pictures && {
      video: {
        fps: numberSetting(definition.fps, { least: 0.1, most: 60, otherwise: 10 }),
        maxWidth: side,
        maxHeight: side,
      },
    }),
    stallMs: 1000 * numberSetting(stallSeconds, { least: 0.2, most: 3600, otherwise: 8 }),
    ...(attempts > 0 && { maxAttempts: attempts }),
  };
}

function windowOptions(definition: CaptureDefinition): LiveWindowsOptions {
  const { windowMs, hopMs, limitSeconds } = definition;
  const window = numberSetting(windowMs, { least: 100, most: 60_000, otherwise: 4100 });
  return {
    sampleRateHz: SAMPLE_RATE_HZ,
    windowMs: window,
    hopMs: numberSetting(hopMs, { least: 50, most: 600_000, otherwise: window / 2 }),
    pace: choiceSetting(definition.pace, ['free', 'asked']),
    policy: choiceSetting(definition.policy, ['latest', 'all']),
    limitSeconds: numberSetting(limitSeconds, { least: 1, most: 3600, otherwise: 60 }),
  };
}
