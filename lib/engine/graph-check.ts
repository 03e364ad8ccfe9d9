import { join } from 'node:path';
import { EmotionError } from '../emotion/error';
import { MANIFEST_FILE, type InstalledModel } from '../models/model';
import type { DeclaredTensor, LoadedReply } from './protocol';

/**
 * What keeps a loaded graph from being run as its manifest says: other input names, types or
 * ranks, an output that is not there, a runtime that is too old.
 *
 * @returns EmotionError `model.inputs-mismatch` or `model.load-failed`, undefined when all is well
 */
export function checkGraph(
  { manifest, folder }: InstalledModel,
  graph: string,
  loaded: LoadedReply,
): EmotionError | undefined {
  const file = join(folder, MANIFEST_FILE);
  const mismatch = (key: string, expected: string, got: string): EmotionError =>
    new EmotionError(
      'model.inputs-mismatch',
      `${file}: ${key}: ${graph} has ${expected}, the manifest says ${got}`,
      { file, key, expected, got },
    );

  if (isOlder(loaded.version, manifest.minimumRuntime)) {
    return new EmotionError(
      'model.load-failed',
      `${file}: minimumRuntime: needs ${loaded.runtime} ${manifest.minimumRuntime}, this is ${loaded.version}`,
      { file, key: 'minimumRuntime', expected: manifest.minimumRuntime, got: loaded.version },
    );
  }

  const inputs = Object.keys(manifest.inputs);
  const graphInputs = loaded.inputs.map(({ name }) => name);
  if ([...inputs].sort().join() !== [...graphInputs].sort().join()) {
    return mismatch('inputs', graphInputs.join(', '), inputs.join(', '));
  }
  const outputs = Object.keys(manifest.outputs);
  const graphOutputs = loaded.outputs.map(({ name }) => name);
  if (!outputs.every((name) => graphOutputs.includes(name))) {
    return mismatch('outputs', graphOutputs.join(', '), outputs.join(', '));
  }

  for (const { name, type, shape } of loaded.inputs) {
    const spec = manifest.inputs[name]!;
    if (type !== undefined && type !== spec.type) {
      return mismatch(`inputs.${name}.type`, type, spec.type);
    }
    if (!fits(spec.shape, shape)) {
      return mismatch(`inputs.${name}.shape`, shown(shape), shown(spec.shape));
    }
  }
  for (const [name, { shape }] of Object.entries(manifest.outputs)) {
    const declared = loaded.outputs.find((output) => output.name === name);
    if (!fits(shape, declared?.shape)) {
      return mismatch(`outputs.${name}.shape`, shown(declared?.shape), shown(shape));
    }
  }
  return undefined;
}

/** A fixed size of the graph must be the manifest's; where the graph leaves it open, anything is. */
function fits(manifest: readonly (number | string)[], graph: DeclaredTensor['shape']): boolean {
  if (graph === undefined) return true;
  return (
    graph.length === manifest.length &&
    graph.every((dim, axis) => typeof dim !== 'number' || dim < 0 || dim === manifest[axis])
  );
}

function shown(shape: DeclaredTensor['shape']): string {
  return `[${(shape ?? []).join(', ')}]`;
}

function isOlder(version: string, minimum: string): boolean {
  const [have, want] = [version, minimum].map((text) => text.split('.').map(Number));
  for (let part = 0; part < 3; part += 1) {
    const difference = (have![part] ?? 0) - (want![part] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
