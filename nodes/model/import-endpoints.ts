import { isAbsolute } from 'node:path';
import type { Request, RequestHandler, Response, Router } from 'express';
import { z } from 'zod';
import { EmotionError } from '../../lib/emotion/error';
import { EMOTIONS } from '../../lib/emotion/labels';
import type { ImportJob, ImportJobs, ImportRequest } from '../../lib/flow/import-jobs';
import { usualEndpoint } from '../../lib/models/import/hub';
import { proposeImport, type ImportProposal } from '../../lib/models/import/import-model';
import type { ModelRegistry } from '../../lib/models/registry';

export interface ImportEndpointsOptions {
  readonly router: Pick<Router, 'get' | 'post' | 'delete'>;
  readonly mayImport: RequestHandler;
  readonly jobs: ImportJobs;
  readonly registry: Pick<ModelRegistry, 'list'>;
  /** Where models are installed. */
  readonly models: string;
  /** The token that a configuration keeps as a credential. */
  readonly tokenOf: (configuration: string) => string | undefined;
  /** An error as the editor shows it. */
  readonly problem: (error: unknown) => { code?: string; message: string };
}

const text = (most: number) => z.string().trim().max(most);
const optional = (most: number) =>
  text(most)
    .transform((value) => value || undefined)
    .optional();

const requestSchema = z.strictObject({
  source: text(500).min(1),
  id: optional(100),
  endpoint: optional(500),
  /** What a person typed; without it the configuration's credential is used. */
  token: optional(500),
  configuration: optional(100),
  precision: z.enum(['fp32', 'fp16', 'int8']).optional(),
  multiLabel: z.enum(['refuse', 'softmax']).optional(),
  mapping: z
    .record(z.string().max(200), z.enum(EMOTIONS).nullable())
    .refine((mapping) => Object.keys(mapping).length <= 1_000, 'at most 1000 labels')
    .optional(),
});

/** A proposal is made of small files: nobody waits as long for it as for a download. */
const PROPOSAL = { attempts: 3, stallMs: 15_000 };

/**
 * The admin end points of the import dialog, below `/emotion-model/import`:
 *
 * - `POST …/propose`: labels and what they probably mean, licence, id, of a source
 * - `POST …`: starts an import, 202 with the job
 * - `GET …`: the jobs, and the address that is used where none is given
 * - `GET …/:job`, `DELETE …/:job`: how far it is; cancels it
 *
 * A problem is `{ code, message }`, translated: 400 for a malformed request, 404 for no such job, 422
 * for a source that cannot be imported.
 */
export function addImportEndpoints(options: ImportEndpointsOptions): void {
  const { router, mayImport, jobs, registry, models, tokenOf, problem } = options;
  const path = '/emotion-model/import';

  const refuse = (response: Response, error: unknown): void => {
    const status = error instanceof EmotionError ? statusOf(error) : 500;
    response.status(status).json(problem(error));
  };
  const shown = ({ error, ...job }: ImportJob) =>
    error === undefined ? job : { ...job, error: problem(error) };
  const noSuchJob = (response: Response, job: string): void => {
    response.status(404).json({ message: `No import ${job}` });
  };

  router.post(`${path}/propose`, mayImport, (request, response) => {
    propose(request).then(
      (proposal) => response.json(proposal),
      (error: unknown) => refuse(response, error),
    );
  });

  router.post(path, mayImport, (request, response) => {
    try {
      response.status(202).json(shown(jobs.start(read(request))));
    } catch (error) {
      refuse(response, error);
    }
  });

  router.get(path, mayImport, (_request, response) => {
    response.json({ endpoint: usualEndpoint(), jobs: jobs.list().map(shown) });
  });

  router.get(`${path}/:job`, mayImport, (request, response) => {
    const { job } = request.params as { job: string };
    const found = jobs.get(job);
    if (found) response.json(shown(found));
    else noSuchJob(response, job);
  });

  router.delete(`${path}/:job`, mayImport, (request, response) => {
    const { job } = request.params as { job: string };
    jobs.cancel(job).then(
      (found) => (found ? response.json(shown(found)) : noSuchJob(response, job)),
      (error: unknown) => refuse(response, error),
    );
  });

  async function propose(from: Request): Promise<ImportProposal & { replaces: boolean }> {
    const { source, ...request } = read(from);
    const proposal = await proposeImport(source, { ...PROPOSAL, ...request, models });
    const installed = await registry.list();
    return { ...proposal, replaces: installed.some(({ id }) => id === proposal.id) };
  }

  function read(from: Request): ImportRequest {
    // A page of another site may post a form unasked, JSON only where Node-RED allows it.
    if (!from.is('json')) throw malformed('content-type', 'application/json');
    const parsed = requestSchema.safeParse(from.body);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw malformed(issue?.path.join('.') || 'the body', issue?.message ?? 'something else');
    }
    const { token, ...request } = withoutUndefined(parsed.data);
    // A relative path would be taken from wherever Node-RED was started.
    if (/^[.\\]/.test(request.source) && !isAbsolute(request.source)) {
      throw malformed('source', 'an absolute path, or a Hub id such as owner/name');
    }
    const known = token ?? (request.configuration && tokenOf(request.configuration));
    return { ...request, ...(known && { token: known }) };
  }
}

function statusOf({ code, status }: EmotionError): number {
  return code === 'input.wrong-type' ? 400 : status;
}

function malformed(key: string, expected: string): EmotionError {
  return new EmotionError('input.wrong-type', `${key}: ${expected}`, { key, expected });
}

/** What `exactOptionalPropertyTypes` asks for: absent, not undefined. */
function withoutUndefined<T extends object>(
  value: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never;
}
