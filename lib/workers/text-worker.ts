import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { Locale } from '../emotion/labels';
import type { TextSample } from '../emotion/sample';
import type { Manifest } from '../models/manifest';
import { TextPreparer, type PrepareOptions } from '../text/prepare';
import { RoutingPreparer } from '../text/route';
import { loadChineseCutter, type ChineseCutter } from '../text/segment';
import { answering, type Answer } from './answer';

export interface TextTask {
  /** Identifies manifest and folder; a thread keeps what it loaded under it. */
  readonly key: string;
  readonly folder: string;
  /** JSON of the manifest: read only when the thread does not know the key. */
  readonly manifest: string;
  /** Of a router: folder and manifest of its models. */
  readonly routes?: Readonly<Record<Locale, Pick<TextTask, 'folder' | 'manifest'>>>;
  /** Texts that share options, each group in order. */
  readonly groups: readonly TextGroup[];
}

export interface TextGroup {
  readonly texts: readonly string[];
  readonly options: PrepareOptions;
}

/** One answer a group: a bad text fails its own group only. */
export type TextAnswers = readonly Answer<TextSample[]>[];

const MODELS_PER_THREAD = 8;
/** Smaller buffers are copied faster than transferred. */
const TRANSFER_FROM_BYTES = 1 << 14;

type Preparer = Pick<TextPreparer, 'prepare'>;

const preparers = new Map<string, Promise<Preparer>>();
let cutter: Promise<ChineseCutter> | undefined;

function preparerOf(task: TextTask): Promise<Preparer> {
  const { key } = task;
  const known = preparers.get(key);
  if (known !== undefined) return known;
  cutter ??= loadChineseCutter();
  const loading = cutter.then((chinese) => load(task, chinese));
  preparers.set(key, loading);
  loading.catch(() => preparers.delete(key));
  const [oldest] = preparers.keys();
  if (preparers.size > MODELS_PER_THREAD) preparers.delete(oldest!);
  return loading;
}

async function load(
  { folder, manifest, routes }: TextTask,
  chinese: ChineseCutter,
): Promise<Preparer> {
  const front = (model: Pick<TextTask, 'folder' | 'manifest'>) =>
    TextPreparer.load(JSON.parse(model.manifest) as Manifest, model.folder, chinese);
  if (routes === undefined) return front({ folder, manifest });
  const [zh, en] = await Promise.all([front(routes.zh), front(routes.en)]);
  return new RoutingPreparer(JSON.parse(manifest) as Manifest, { zh, en });
}

/** Loads a model's front end, so that what is wrong with it is known before the first text. */
export const open = answering(async (task: TextTask): Promise<void> => {
  await preparerOf(task);
});

/** Task of the pool: samples for each group of texts. */
export async function prepare(task: TextTask): Promise<Answer<TextAnswers>> {
  const answer = await answering(async (wanted: TextTask) => {
    const preparer = await preparerOf(wanted);
    const work = answering(({ texts, options }: TextGroup) => preparer.prepare(texts, options));
    return Promise.all(wanted.groups.map(work));
  })(task);
  const transfer = answer.ok ? largeBuffers(answer.value) : [];
  if (transfer.length === 0) return answer;
  return move({
    get [transferableSymbol]() {
      return transfer;
    },
    get [valueSymbol]() {
      return answer;
    },
  }) as unknown as Answer<TextAnswers>;
}

function largeBuffers(answers: TextAnswers): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const answer of answers) {
    if (!answer.ok) continue;
    for (const { tensors } of answer.value.flatMap(({ parts, ...whole }) => parts ?? whole)) {
      for (const { data } of Object.values(tensors)) {
        if (data.byteLength >= TRANSFER_FROM_BYTES) buffers.push(data.buffer as ArrayBuffer);
      }
    }
  }
  return buffers;
}
