import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { VideoSample } from '../../lib/emotion/sample';
import { describeFaces } from '../../lib/flow/describe';
import type { GateOptions } from '../../lib/flow/gate';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput, Outputs } from '../../lib/flow/input';
import { modelAccessOf } from '../../lib/flow/model-access';
import { watchModel } from '../../lib/flow/model-status';
import { readPictures } from '../../lib/flow/picture-input';
import { Property } from '../../lib/flow/property';
import {
  choiceSetting,
  linesSetting,
  numberSetting,
  propertySetting,
} from '../../lib/flow/settings';
import { STREAM_SCHEMES, type MediaAccess } from '../../lib/media/access';
import { FACE_ENGINES } from '../../lib/video/open-faces';
import { SOUND_RATE_HZ, type ReadOptions } from '../../lib/workers/face-pool';

interface PreprocessVideoDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  model?: string;
  engine?: string;
  faces?: string;
  maxFaces?: number | string;
  minSize?: number | string;
  fps?: number | string;
  maxSeconds?: number | string;
  picture?: boolean;
  sound?: boolean;
  folders?: string;
  addresses?: boolean;
  queuePolicy?: string;
  queueLimit?: number | string;
}

/** Messages of one node that are with the process at a time: one is decoded while another is read. */
const CONCURRENCY = 2;

/**
 * Registers the node type `emotion-preprocess-video`: picture, film or stream in, Sample out; on request the
 * sound of a film at a second output, as `emotion-preprocess-audio` reads it.
 */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionPreprocessVideo(this: Node, definition: PreprocessVideoDefinition): void {
    RED.nodes.createNode(this, definition);
    const access = modelAccessOf(RED.nodes.getNode(definition.model ?? ''));
    const names = allowedNames(definition);
    const options = faceOptions(definition);
    const engine = choiceSetting(definition.engine, FACE_ENGINES);
    const warnOfTensorFlow = once(() => {
      this.warn(catalogue('status.faces-by-tensorflow') ?? 'Faces are found by TensorFlow.js');
    });

    const status = acceptInput({
      node: this,
      property: new Property(
        propertySetting(definition.property, definition.propertyType),
        propertyHost(RED.util, this),
      ),
      catalogue,
      queue: queueOptions(definition, RED.settings),
      copy: (message) => RED.util.cloneMessage(message),
      describe: (result) => describeFaces(result as VideoSample, catalogue),
      process: async (value, message, signal) => {
        const { input, source } = await readPictures(value, message, names, this.id);
        const reading = { ...options, signal };
        const wanted = [message.model, engine, input, source, reading] as const;
        // Pictures of a camera, and pixels, come without sound.
        const film =
          definition.sound === true && input.kind === 'media'
            ? await access.splitFilm(...wanted)
            : undefined;
        const sample = film?.faces ?? (await access.prepareFaces(...wanted));
        if (engine === 'auto' && sample.features?.engine === 'tensorflow') warnOfTensorFlow();
        if (film === undefined) return sample;
        const sound = { samples: film.sound, sampleRate: SOUND_RATE_HZ, channels: 1 };
        return new Outputs([sample, sound]);
      },
      close: () => {
        stopWatching();
        return Promise.resolve();
      },
    });
    const stopWatching = watchModel(access, status, catalogue);
  }

  RED.nodes.registerType('emotion-preprocess-video', EmotionPreprocessVideo);
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    action();
  };
}

/** Nothing but what the node allows may be opened by its name. */
function allowedNames({ folders, addresses }: PreprocessVideoDefinition): MediaAccess {
  return { folders: linesSetting(folders), schemes: addresses === true ? STREAM_SCHEMES : [] };
}

function faceOptions(definition: PreprocessVideoDefinition): ReadOptions {
  return {
    faces: choiceSetting(definition.faces, ['largest', 'all']),
    maxFaces: Math.round(
      numberSetting(definition.maxFaces, { least: 1, most: 100, otherwise: 10 }),
    ),
    minSize: numberSetting(definition.minSize, { least: 1, most: 10_000, otherwise: 20 }),
    fps: numberSetting(definition.fps, { least: 0.1, most: 60, otherwise: 10 }),
    maxSeconds: numberSetting(definition.maxSeconds, { least: 1, most: 3_600, otherwise: 120 }),
    picture: definition.picture === true,
  };
}

/** The administrator of Node-RED may hold all nodes to a shorter queue. */
function queueOptions(
  { queuePolicy, queueLimit }: PreprocessVideoDefinition,
  settings: { nodeMessageBufferMaxLength?: number | undefined },
): GateOptions {
  const most = settings.nodeMessageBufferMaxLength || 10_000;
  const policy = choiceSetting(queuePolicy, ['queue', 'latest', 'reject']);
  return {
    concurrency: policy === 'latest' ? 1 : CONCURRENCY,
    limit: policy === 'latest' ? 1 : numberSetting(queueLimit, { least: 1, most, otherwise: 100 }),
    policy,
  };
}
