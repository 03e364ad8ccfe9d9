import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { AudioSample } from '../../lib/emotion/sample';
import {
  readSounds,
  type AudioInputSettings,
  type Declared,
  type Sound,
} from '../../lib/flow/audio-input';
import { describeSample } from '../../lib/flow/describe';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput, EMITTED, type Emit } from '../../lib/flow/input';
import { modelAccessOf } from '../../lib/flow/model-access';
import { watchModel } from '../../lib/flow/model-status';
import { Property } from '../../lib/flow/property';
import {
  choiceSetting,
  linesSetting,
  numberSetting,
  optionalNumberSetting,
  propertySetting,
  queueLimitSetting,
} from '../../lib/flow/settings';
import { STREAM_SCHEMES, type StreamScheme } from '../../lib/media/access';
import { PCM_FORMATS } from '../../lib/media/input';
import type { AudioInputOptions, AudioPreparation } from '../../lib/workers/audio-pool';

interface PreprocessAudioDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  model?: string;
  output?: string;
  windowMs?: number | string;
  hopMs?: number | string;
  silence?: string;
  speech?: string;
  spectrogram?: string;
  mfcc?: boolean;
  input?: string;
  format?: string;
  sampleRate?: number | string;
  channels?: number | string;
  folders?: string;
  addresses?: string;
  maxSeconds?: number | string;
  queuePolicy?: string;
  queueLimit?: number | string;
}

/** Sounds of a node that are decoded or computed at a time; the others wait. */
const CONCURRENCY = 4;

const SCHEMES: Readonly<Record<'none' | 'web' | 'all', readonly StreamScheme[]>> = {
  none: [],
  web: ['http', 'https'],
  all: STREAM_SCHEMES,
};

/** Registers the node type `emotion-preprocess-audio`: sound in, audio Sample out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionPreprocessAudio(this: Node, definition: PreprocessAudioDefinition): void {
    RED.nodes.createNode(this, definition);
    const access = modelAccessOf(RED.nodes.getNode(definition.model ?? ''));
    const settings = inputSettings(definition);
    const options = prepareOptions(definition);
    const perWindow = definition.output === 'windows';
    const speech = choiceSetting(definition.speech, ['silero', 'energy']);

    const status = acceptInput({
      node: this,
      property: new Property(
        propertySetting(definition.property, definition.propertyType),
        propertyHost(RED.util, this),
      ),
      catalogue,
      queue: {
        concurrency: CONCURRENCY,
        limit: queueLimitSetting(definition.queueLimit, RED.settings, 100),
        policy: choiceSetting(definition.queuePolicy, ['queue', 'latest', 'reject']),
      },
      copy: (message) => RED.util.cloneMessage(message),
      describe: (sample) => describeSample(sample, catalogue),
      process: async (value, message, signal, emit) => {
        const { sounds, many } = await readSounds(value, message as Declared, settings);
        return access.prepareSound(message.model, speech, async (front) => {
          const wanted = { ...options, signal };
          if (perWindow) return emitWindows(front, sounds, wanted, emit);
          const samples = await Promise.all(sounds.map((sound) => whole(front, sound, wanted)));
          return many ? samples : samples[0];
        });
      },
      close: () => {
        stopWatching();
        return Promise.resolve();
      },
    });
    const stopWatching = watchModel(access, status, catalogue);
  }

  RED.nodes.registerType('emotion-preprocess-audio', EmotionPreprocessAudio);
}

async function whole(
  front: AudioPreparation,
  { input, source, startTime }: Sound,
  options: AudioInputOptions,
): Promise<AudioSample> {
  const at = startTime === undefined ? {} : { startTime };
  return withBuffer(await front.prepare(input, source, { ...options, ...at }));
}

/** One message a window; the next one is decided on before a window leaves, so that the last is known. */
async function emitWindows(
  front: AudioPreparation,
  sounds: readonly Sound[],
  options: AudioInputOptions,
  emit: Emit,
): Promise<typeof EMITTED> {
  // Not held as a whole, so of any length.
  const unlimited = { ...options, maxSeconds: Infinity };
  let held: AudioSample | undefined;
  for (const { input, source, startTime } of sounds) {
    const at = startTime === undefined ? {} : { startTime };
    for await (const window of front.windows(input, source, { ...unlimited, ...at })) {
      if (held !== undefined) await emit(withBuffer(held), false);
      held = window;
    }
  }
  if (held !== undefined) await emit(withBuffer(held), true);
  return EMITTED;
}

/** A picture came from another thread as bare bytes; other nodes look for a Buffer. */
function withBuffer(sample: AudioSample): AudioSample {
  const picture = sample.features?.spectrogram;
  if (sample.features === undefined || picture === undefined) return sample;
  const spectrogram = Buffer.from(picture.buffer, picture.byteOffset, picture.byteLength);
  return { ...sample, features: { ...sample.features, spectrogram } };
}

function inputSettings(definition: PreprocessAudioDefinition): AudioInputSettings {
  return {
    access: {
      folders: linesSetting(definition.folders),
      schemes: SCHEMES[choiceSetting(definition.addresses, ['none', 'web', 'all'])],
    },
    isPcm: definition.input === 'pcm',
    format: choiceSetting(definition.format, ['s16le', ...PCM_FORMATS]),
    sampleRateHz: Math.round(
      numberSetting(definition.sampleRate, { least: 4000, most: 768_000, otherwise: 16_000 }),
    ),
    channels: Math.round(numberSetting(definition.channels, { least: 1, most: 32, otherwise: 1 })),
  };
}

function prepareOptions(definition: PreprocessAudioDefinition): AudioInputOptions {
  const windowMs = optionalNumberSetting(definition.windowMs, { least: 1, most: 600_000 });
  const hopMs = optionalNumberSetting(definition.hopMs, { least: 1, most: 600_000 });
  const spectrogram = choiceSetting(definition.spectrogram, ['none', 'plain', 'axes']);
  return {
    silence: choiceSetting(definition.silence, ['skip', 'keep']),
    maxSeconds: numberSetting(definition.maxSeconds, { least: 1, most: 86_400, otherwise: 600 }),
    ...(windowMs !== undefined && { windowMs }),
    ...(hopMs !== undefined && { hopMs }),
    ...(spectrogram !== 'none' && { spectrogram: { axes: spectrogram === 'axes' } }),
    ...(definition.mfcc === true && { mfcc: true }),
  };
}
