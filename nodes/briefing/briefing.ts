import type { Node, NodeAPI, NodeDef } from 'node-red';
import { EMOTIONS } from '../../lib/emotion/labels';
import { fillTemplate } from '../../lib/flow/failure';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput } from '../../lib/flow/input';
import { Property } from '../../lib/flow/property';
import {
  choiceSetting,
  numberSetting,
  propertySetting,
  queueLimitSetting,
} from '../../lib/flow/settings';
import { TimeSlice } from '../../lib/flow/time-slice';
import {
  BRIEFING_NEGATIVE,
  briefingEntries,
  makeBriefing,
  type Briefing,
} from '../../lib/opinion/briefing';
import { briefingCsv, briefingHtml, briefingMarkdown } from '../../lib/opinion/briefing-formats';
import { loadChineseCutter, type ChineseCutter } from '../../lib/text/segment';

interface BriefingDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  before?: string;
  beforeType?: string;
  title?: string;
  format?: string;
  locale?: string;
  sad?: boolean;
  angry?: boolean;
  fear?: boolean;
  disgust?: boolean;
  surprise?: boolean;
  words?: number | string;
  examples?: number | string;
  sources?: number | string;
  timeZone?: string;
}

const FORMATS = ['all', 'object', 'html', 'markdown', 'csv'] as const;
const QUEUE_LIMIT = 100;

/** Registers the node type `emotion-briefing`: posts with results in, a summary of them out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));
  let loading: Promise<ChineseCutter> | undefined;
  const cutter = () => (loading ??= loadChineseCutter());

  function EmotionBriefing(this: Node, definition: BriefingDefinition): void {
    RED.nodes.createNode(this, definition);
    const host = propertyHost(RED.util, this);
    const before = new Property(
      propertySetting(definition.before || 'before', definition.beforeType),
      host,
    );
    const locale = choiceSetting(definition.locale, ['zh', 'en']);
    const timeZone = knownZone(definition.timeZone);
    const count = (value: unknown, otherwise: number) =>
      Math.round(numberSetting(value, { least: 1, most: 200, otherwise }));

    acceptInput({
      node: this,
      property: new Property(propertySetting(definition.property, definition.propertyType), host),
      catalogue,
      queue: {
        concurrency: 1,
        limit: queueLimitSetting(undefined, RED.settings, QUEUE_LIMIT),
        policy: 'queue',
      },
      process: async (value, message, signal) => {
        const earlier = await before.read(message).catch(() => undefined);
        const slice = new TimeSlice();
        const briefing = await makeBriefing(briefingEntries(value), {
          title: titleOf(message.title, definition.title, locale),
          negative: negativeOf(definition),
          ...(earlier != null && { before: briefingEntries(earlier) }),
          words: count(definition.words, 20),
          examples: count(definition.examples, 3),
          sources: count(definition.sources, 10),
          cutter: await cutter(),
          pause: async () => {
            await slice.pause();
            signal.throwIfAborted();
          },
        });
        const format = FORMATS.find((one) => one === message.format) ?? definition.format;
        return written(briefing, choiceSetting(format, FORMATS), locale, timeZone);
      },
      describe: () => {
        const text = fillTemplate(catalogue('status.briefed') ?? '', {});
        return { fill: 'green', shape: 'dot', text: text ?? '' };
      },
    });
  }

  RED.nodes.registerType('emotion-briefing', EmotionBriefing);
}

function written(
  briefing: Briefing,
  format: (typeof FORMATS)[number],
  locale: 'zh' | 'en',
  timeZone: string | undefined,
): unknown {
  switch (format) {
    case 'object':
      return briefing;
    case 'html':
      return briefingHtml(briefing, locale, timeZone);
    case 'markdown':
      return briefingMarkdown(briefing, locale, timeZone);
    case 'csv':
      return briefingCsv(briefing, locale);
    case 'all':
      return {
        briefing,
        html: briefingHtml(briefing, locale, timeZone),
        markdown: briefingMarkdown(briefing, locale, timeZone),
        csv: briefingCsv(briefing, locale),
      };
  }
}

function titleOf(asked: unknown, set: string | undefined, locale: 'zh' | 'en'): string {
  const title = typeof asked === 'string' && asked.trim() !== '' ? asked : set?.trim();
  return (title || (locale === 'zh' ? '舆情简报' : 'Opinion briefing')).slice(0, 200);
}

function negativeOf(definition: BriefingDefinition) {
  return EMOTIONS.filter((emotion) => {
    if (emotion === 'neutral' || emotion === 'happy') return false;
    return definition[emotion] ?? BRIEFING_NEGATIVE.includes(emotion);
  });
}

/** The editor refuses a zone that nobody knows; a flow written by hand gets that of the machine. */
function knownZone(value: string | undefined): string | undefined {
  const zone = value?.trim();
  if (!zone) return undefined;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    return undefined;
  }
}
