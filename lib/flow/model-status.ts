import { fillTemplate, shortText, toFlowError } from './failure';
import type { ImportJob } from './import-jobs';
import type { Catalogue } from './message';
import type { ModelAccess, ModelStatus } from './model-access';
import type { StatusLine } from './status-line';

/**
 * Shows in a node's status what becomes of its model: that it is missing or broken as soon as the
 * node starts, that it is being loaded, and how far its import is.
 *
 * @returns stops watching
 */
export function watchModel(
  access: Pick<ModelAccess, 'model' | 'watch'>,
  status: StatusLine,
  catalogue: Catalogue,
): () => void {
  const fail = (thrown: unknown): void => {
    const text = shortText(toFlowError(thrown, catalogue), catalogue);
    status.show({ fill: 'red', shape: 'ring', text });
  };
  access.model().catch(fail);
  return access.watch((model: ModelStatus) => {
    if ('job' in model) {
      const { job } = model;
      if (job.state === 'running') {
        status.show({ fill: 'blue', shape: 'ring', text: importText(job, catalogue) });
      } else if (job.state === 'failed') {
        fail(job.error);
      } else {
        status.clear();
      }
      return;
    }
    const { state, error } = model;
    if (state === 'starting' || state === 'restarting') {
      const text = catalogue('status.loading') ?? state;
      status.show({ fill: 'yellow', shape: 'ring', text });
    } else if (state === 'ready') {
      status.clear();
    } else if (state === 'failed' && error) {
      fail(error);
    }
  });
}

/** @example importText(job, catalogue); // → 'importing 45 %' */
function importText({ received, total }: ImportJob, catalogue: Catalogue): string {
  const percent = total ? Math.floor((100 * received) / total) : undefined;
  const template =
    percent === undefined
      ? (catalogue('status.importing') ?? 'importing')
      : (catalogue('status.importing-percent') ?? '__percent__ %');
  return fillTemplate(template, { percent: percent ?? '' }) ?? template;
}
