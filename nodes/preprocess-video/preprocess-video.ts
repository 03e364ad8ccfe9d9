import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { VideoSample } from '../../lib/emotion/sample';
import { describeFaces } from '../../lib/flow/describe';
import type { GateOptions } from '../../lib/flow/gate';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput } from '../../lib/flow/input';
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
import type { FaceOptions } from '../../lib/workers/face-protocol';

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
  folders?: string;
  addresses?: boolean;
  queuePolicy?: string;
  queueLimit?: number | string;
}

/** Messages of one node that are with the process at a time: one is decoded while another is read. */
const CONCURRENCY = 2;

/** Registers the node type `emotion-preprocess-video`: picture, film or stream in, Sample out. */
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
      describe: (result) => describeFaces(result as VideoSample, catalogue),
      process: async (value, message, signal) => {
        const { input, source } = await readPictures(value, message, names, this.id);
        const reading = { ...options, signal };
        const sample = await access.prepareFaces(message.model, engine, input, source, reading);
        if (engine === 'auto' && sample.features?.engine === 'tensorflow') warnOfTensorFlow();
        return sample;
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

function faceOptions(definition: PreprocessVideoDefinition): FaceOptions {
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
