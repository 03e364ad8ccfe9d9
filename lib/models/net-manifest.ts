import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { EmotionError } from '../emotion/error';
import { FileHashes } from './file-hashes';

/** The file that describes a helper net; an emotion model has a `model.yaml` instead. */
export const NET_FILE = 'net.yaml';

/**
 * The schema of `net.yaml`: a net that prepares a sample, such as a face detector, and has no labels
 * of its own.
 */
const netSchema = z.strictObject({
  schema: z.literal(1),
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, dots, dashes'),
  title: z.strictObject({ en: z.string(), zh: z.string() }),
  file: z.strictObject({
    path: z.string().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hexadecimal'),
    bytes: z.int().positive(),
  }),
  licence: z.strictObject({ weights: z.string(), attribution: z.string() }),
});

export type NetManifest = z.infer<typeof netSchema>;

/**
 * Reads `net.yaml` in a folder and checks the file that it names.
 *
 * @returns the manifest and the path of the ONNX file
 * @throws EmotionError `model.not-found` without net.yaml, `model.manifest-invalid`,
 *   `model.file-missing`, `model.hash-mismatch`
 */
export async function loadNet(
  folder: string,
  hashes = new FileHashes(),
): Promise<{ readonly manifest: NetManifest; readonly path: string }> {
  const described = join(folder, NET_FILE);
  const text = await readFile(described, 'utf8').catch((cause: unknown) => {
    throw new EmotionError('model.not-found', `No ${described}`, { file: described }, { cause });
  });
  const read = netSchema.safeParse(parse(text));
  if (!read.success) {
    const [issue] = read.error.issues;
    const key = issue?.path.join('.') ?? '';
    throw new EmotionError(
      'model.manifest-invalid',
      `${described}: ${key}: ${issue?.message ?? 'invalid'}`,
      { file: described, key },
      { cause: read.error },
    );
  }
  const manifest = read.data;
  const path = join(folder, manifest.file.path);
  const found = await stat(path).catch((cause: unknown) => {
    throw new EmotionError('model.file-missing', `No ${path}`, { file: path }, { cause });
  });
  const sha256 = await hashes.sha256(path, found);
  if (sha256 !== manifest.file.sha256) {
    throw new EmotionError(
      'model.hash-mismatch',
      `${path} has SHA-256 ${sha256}, ${described} says ${manifest.file.sha256}; install it again`,
      { file: path, expected: manifest.file.sha256, found: sha256 },
    );
  }
  return { manifest, path };
}
