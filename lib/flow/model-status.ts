import type { EngineStatus } from '../engine/engine';
import { shortText, toFlowError } from './failure';
import type { Catalogue } from './message';
import type { ModelAccess } from './model-access';
import type { StatusLine } from './status-line';

/**
 * Shows in a node's status what becomes of its model: that it is missing or broken as soon as the
 * node starts, and that it is being loaded.
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
  return access.watch(({ state, error }: EngineStatus) => {
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
