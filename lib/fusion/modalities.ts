import type { Result } from '../emotion/result';
import type { Modality } from '../emotion/sample';

/** The order in which modalities stand in explanations, in feature matrices and in ties. */
export const MODALITIES = ['text', 'audio', 'video'] as const satisfies readonly Modality[];

export function isModality(value: unknown): value is Modality {
  return typeof value === 'string' && (MODALITIES as readonly string[]).includes(value);
}

/**
 * The Results that have something to say, in the order of {@link MODALITIES}. A Result whose label
 * is null ("silence", "no face") counts as absent.
 */
export function presentResults(results: readonly Result[]): readonly Result[] {
  return MODALITIES.flatMap((modality) =>
    results.filter((result) => result.modality === modality && result.label !== null),
  );
}
