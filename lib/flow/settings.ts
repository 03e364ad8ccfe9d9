import type { PropertyReference } from './property';

/**
 * Readers for a node's configuration. The editor stores what stands in a field, so a number may be
 * a string, and a flow that was written by hand or by an older version may lack anything.
 */

export function numberSetting(
  value: unknown,
  { least, most, otherwise }: { least: number; most: number; otherwise: number },
): number {
  const number = typeof value === 'string' && value.trim() === '' ? NaN : Number(value ?? NaN);
  return Number.isFinite(number) ? Math.min(most, Math.max(least, number)) : otherwise;
}

/** One of the options, the first one where the value is none of them. */
export function choiceSetting<T extends string>(value: unknown, options: readonly [T, ...T[]]): T {
  return options.find((option) => option === value) ?? options[0];
}

/** @example listSetting('cuda, cpu\n'); // → ['cuda', 'cpu'] */
export function listSetting(value: unknown): string[] {
  return typeof value === 'string'
    ? value
        .split(/[\s,，、;；]+/u)
        .map((item) => item.trim())
        .filter((item) => item !== '')
    : [];
}

/**
 * One entry a line, blanks within it kept: folders, say.
 *
 * @example linesSetting('/data/my clips\n/mnt/x\n'); // → ['/data/my clips', '/mnt/x']
 */
export function linesSetting(value: unknown): string[] {
  return typeof value === 'string'
    ? value
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== '')
    : [];
}

/** The TypedInput of a node; `msg.payload` where it has none. */
export function propertySetting(path: unknown, type: unknown): PropertyReference {
  return {
    type: choiceSetting(type, ['msg', 'flow', 'global']),
    path: typeof path === 'string' && path.trim() !== '' ? path : 'payload',
  };
}

/** A number, or nothing where the field is empty: the default is somebody else's then. */
export function optionalNumberSetting(
  value: unknown,
  { least, most }: { least: number; most: number },
): number | undefined {
  const number = numberSetting(value, { least, most, otherwise: NaN });
  return Number.isNaN(number) ? undefined : number;
}

/** Longest queue of a node: the administrator of Node-RED may hold all nodes to a shorter one. */
export function queueLimitSetting(
  value: unknown,
  { nodeMessageBufferMaxLength: most }: { nodeMessageBufferMaxLength?: number | undefined },
  otherwise: number,
): number {
  const limit = Math.round(numberSetting(value, { least: 1, most: 1_000_000, otherwise }));
  return most ? Math.min(limit, Math.max(1, most)) : limit;
}
