import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { graphFile, type InstalledModel } from '../lib/models/model';
import { tensorsOf } from './texts';

/** onnxruntime-node as its own documentation shows it: a session in this process. */
export class BareSession {
  private constructor(
    private readonly ort: typeof import('onnxruntime-node'),
    private readonly session: InferenceSession,
    private readonly model: InstalledModel,
  ) {}

  static async create(model: InstalledModel): Promise<BareSession> {
    process.env['ORT_DISABLE_TELEMETRY'] = '1';
    const ort = await import('onnxruntime-node');
    return new BareSession(ort, await ort.InferenceSession.create(graphFile(model)), model);
  }

  /** Runs one batch of token ids. */
  async run(rows: readonly number[][]): Promise<void> {
    const feeds: Record<string, InstanceType<typeof this.ort.Tensor>> = {};
    for (const [name, { type, dims, data }] of Object.entries(tensorsOf(rows, this.model))) {
      feeds[name] = new this.ort.Tensor(type, data as BigInt64Array, dims);
    }
    await this.session.run(feeds);
  }

  /** What a Function node needs: the session, a tensor's constructor, the model's tokenizer. */
  async forFunctionNode(): Promise<object> {
    const { Tokenizer } = (await import('@huggingface/tokenizers')) as unknown as {
      Tokenizer: new (tokenizer: object, config: object) => object;
    };
    const { folder, manifest } = this.model;
    const json = await readFile(join(folder, manifest.files.tokenizer!.path), 'utf8');
    const tokenizer = new Tokenizer(JSON.parse(json) as object, {});
    return { session: this.session, Tensor: this.ort.Tensor, tokenizer };
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
