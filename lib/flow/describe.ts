import type { Result } from '../emotion/result';
import type { Sample, VideoSample } from '../emotion/sample';
import { fillTemplate } from './failure';
import type { Catalogue, NodeStatus } from './message';

/** What came, in a few words for an error: never the content, which may be long or private. */
export function describeValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Uint8Array) return `a buffer of ${value.length} bytes`;
  if (typeof value === 'object') {
    const keys = Object.keys(value);
    const shown = keys.slice(0, 4).join(', ');
    return `an object { ${shown}${keys.length > 4 ? ', …' : ''} }`;
  }
  if (typeof value === 'string') return `a string of ${value.length} characters`;
  if (typeof value === 'number' || typeof value === 'boolean')
    return `the ${typeof value} ${value}`;
  return value === undefined ? 'nothing' : `a ${typeof value}`;
}

/**
 * The status of a node that answered: `happy 0.93`, `happy? 0.41` when uncertain, the reason when
 * there was nothing to judge, the number of results when there are several.
 */
export function describeResults(result: unknown, catalogue: Catalogue): NodeStatus | undefined {
  const say = (key: string, values: Readonly<Record<string, string | number>>, otherwise: string) =>
    fillTemplate(catalogue(key) ?? otherwise, values) ?? otherwise;

  if (Array.isArray(result)) {
    const text = say('status.many', { count: result.length }, String(result.length));
    return { fill: 'green', shape: 'dot', text };
  }
  const { label, score, uncertain, reason } = result as Result;
  if (label === null) {
    const text = say(`status.nothing.${reason}`, {}, reason ?? '–');
    return { fill: 'grey', shape: 'ring', text };
  }
  const name = catalogue(`emotions.${label}`) ?? label;
  const values = { label: name, score: score.toFixed(2) };
  return uncertain
    ? { fill: 'yellow', shape: 'ring', text: say('status.uncertain', values, `${name}?`) }
    : { fill: 'green', shape: 'dot', text: say('status.certain', values, name) };
}

/** The status of a node that looked for faces: how many it found. */
export function describeFaces(sample: VideoSample, catalogue: Catalogue): NodeStatus | undefined {
  if (sample.reason !== undefined) return describeSample(sample, catalogue);
  const count = sample.features?.faces.length ?? 0;
  const text = fillTemplate(catalogue('status.faces') ?? '__count__', { count }) ?? String(count);
  return { fill: 'green', shape: 'dot', text };
}

/** The status of a node that prepared something: only why there is nothing to infer. */
export function describeSample(sample: unknown, catalogue: Catalogue): NodeStatus | undefined {
  const { reason } = sample as Partial<Sample>;
  if (reason === undefined) return undefined;
  return { fill: 'grey', shape: 'ring', text: catalogue(`status.nothing.${reason}`) ?? reason };
}
