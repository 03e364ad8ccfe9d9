import type { Node, NodeAPI, NodeDef } from 'node-red';
import { EmotionError } from '../../lib/emotion/error';
import { EMOTIONS } from '../../lib/emotion/labels';
import { fillTemplate, toFlowError } from '../../lib/flow/failure';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput, EMITTED } from '../../lib/flow/input';
import { keptValue } from '../../lib/flow/kept-value';
import type { FlowMessage, NodeStatus } from '../../lib/flow/message';
import { Property } from '../../lib/flow/property';
import {
  choiceSetting,
  numberSetting,
  propertySetting,
  queueLimitSetting,
} from '../../lib/flow/settings';
import { StateKeeper } from '../../lib/flow/state-keeper';
import {
  ALERT_DEFAULTS,
  AlertDetector,
  type Alert,
  type AlertKind,
  type AlertOptions,
  type AlertOutcome,
} from '../../lib/opinion/alert';
import { hourOf } from '../../lib/opinion/local-time';
import { readPosts, withResults, type Post } from '../../lib/opinion/post';
import { alertMail, WEBHOOK_FORMATS, webhookRequest } from '../../lib/opinion/webhooks';

interface AlertDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  by?: string;
  watchShare?: boolean;
  watchVolume?: boolean;
  sad?: boolean;
  angry?: boolean;
  fear?: boolean;
  disgust?: boolean;
  surprise?: boolean;
  interval?: number | string;
  lateness?: number | string;
  method?: string;
  sensitivity?: string;
  minVolume?: number | string;
  confirm?: number | string;
  coolDown?: number | string;
  quiet?: boolean;
  quietFrom?: string;
  quietTo?: string;
  exceptCritical?: boolean;
  timeZone?: string;
  format?: string;
  locale?: string;
}

interface AlertCredentials {
  url: unknown;
  secret: unknown;
}

/** How often the clock is looked at for topics whose posts stay away. */
const TICK_MS = 5000;
const QUEUE_LIMIT = 10_000;

/** Registers the node type `emotion-alert`: posts with results in, alerts and statistics out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionAlert(this: Node<AlertCredentials>, definition: AlertDefinition): void {
    RED.nodes.createNode(this, definition);
    const options = alertOptions(definition, (error) => this.error(toFlowError(error, catalogue)));
    const format = formatter(definition, this.credentials, options.timeZone);
    let detector = new AlertDetector(options);
    const store = keptValue(this, 'emotionAlert');
    const keeper = new StateKeeper(
      store,
      () => detector,
      (error) => this.error(error),
    );
    const ready = store
      .load()
      .then((state) => {
        detector = new AlertDetector(options, state);
      })
      .catch((error: unknown) => this.error(error));
    let toldOfDropped = false;

    const tell = ({ alerts, statistics }: AlertOutcome, origin: FlowMessage): void => {
      const { _msgid } = origin;
      const common = _msgid === undefined ? {} : { _msgid };
      if (statistics.length > 0) this.send([null, { ...common, payload: statistics }]);
      for (const alert of alerts) {
        this.send([{ ...common, topic: alert.topic, ...format(alert), alert }, null]);
      }
      if (statistics.length > 0) keeper.changed();
      if (detector.dropped > 0 && !toldOfDropped) {
        toldOfDropped = true;
        const text = 'More than __most__ topics: posts of further ones are not watched';
        const values = { most: options.maxTopics };
        this.warn(fillTemplate(catalogue('status.too-many-topics') ?? text, values));
      }
    };

    const status = acceptInput({
      node: this,
      property: new Property(
        propertySetting(definition.property || 'posts', definition.propertyType),
        propertyHost(RED.util, this),
      ),
      catalogue,
      queue: {
        concurrency: 1,
        limit: queueLimitSetting(undefined, RED.settings, QUEUE_LIMIT),
        policy: 'queue',
      },
      process: async (value, message) => {
        await ready;
        tell(detector.add(judgedPosts(value, message.payload), Date.now()), message);
        return EMITTED;
      },
      describeEmitted: () => describe(),
      reset: () => {
        detector = new AlertDetector(options);
        keeper.changed();
      },
      close: async () => {
        clearInterval(timer);
        await ready;
        await keeper.close();
      },
    });

    const describe = (): NodeStatus => {
      const incidents = detector.incidents;
      const key = incidents === 0 ? 'status.watching' : 'status.alerts';
      const values = { count: incidents === 0 ? detector.topics.length : incidents };
      const text = fillTemplate(catalogue(key) ?? '__count__', values) ?? String(values.count);
      return incidents === 0
        ? { fill: 'green', shape: 'dot', text }
        : { fill: 'red', shape: 'dot', text };
    };

    const timer = setInterval(() => {
      const outcome = detector.advance(Date.now());
      if (outcome.alerts.length + outcome.statistics.length === 0) return;
      tell(outcome, {});
      status.show(describe());
    }, TICK_MS);
    timer.unref();
  }

  RED.nodes.registerType('emotion-alert', EmotionAlert, {
    credentials: { url: { type: 'password' }, secret: { type: 'password' } },
  });
}

/** Posts as they came, or with the results that stand in the payload after inference. */
function judgedPosts(value: unknown, payload: unknown): Post[] {
  const { posts, many } = readPosts(value);
  if (posts.every(({ result }) => result !== undefined)) return posts;
  const isResults = many ? Array.isArray(payload) : typeof payload === 'object' && payload !== null;
  return isResults ? withResults(posts, payload) : posts;
}

/** An alert as the members of a message that the next node reads. */
function formatter(
  definition: AlertDefinition,
  credentials: Partial<AlertCredentials> | undefined,
  timeZone: string | undefined,
): (alert: Alert) => object {
  const [url, secret] = [credentials?.url, credentials?.secret].map((value) =>
    typeof value === 'string' ? value.trim() : undefined,
  );
  const format = choiceSetting(definition.format, ['alert', 'email', ...WEBHOOK_FORMATS]);
  const locale = choiceSetting(definition.locale, ['zh', 'en']);
  if (format === 'alert') return (alert) => ({ payload: alert });
  if (format === 'email') return (alert) => ({ ...alertMail(alert, locale, timeZone) });
  return (alert) => ({ ...webhookRequest(alert, { format, locale, url, secret, timeZone }) });
}

function alertOptions(
  definition: AlertDefinition,
  onError: (error: EmotionError) => void,
): AlertOptions {
  const { by, negative, ...defaults } = ALERT_DEFAULTS;
  const kinds: AlertKind[] = [
    ...(definition.watchShare === false ? [] : (['negative-share'] as const)),
    ...(definition.watchVolume === false ? [] : (['volume'] as const)),
  ];
  const chosen = EMOTIONS.filter((emotion) => {
    if (emotion === 'neutral' || emotion === 'happy') return false;
    return definition[emotion] ?? negative.includes(emotion);
  });
  const timeZone = zoneOf(definition.timeZone, onError);
  return {
    ...defaults,
    by: choiceSetting(definition.by, [by, 'channel', 'all']),
    kinds,
    negative: chosen,
    intervalMs: seconds(definition.interval, 10, 3600, 60),
    latenessMs: seconds(definition.lateness, 0, 3600, 20),
    method: choiceSetting(definition.method, ['cusum', 'z', 'both']),
    sensitivity: choiceSetting(
      ['low', 'medium', 'high'].includes(definition.sensitivity ?? '')
        ? definition.sensitivity
        : 'medium',
      ['low', 'medium', 'high'],
    ),
    minVolume: numberSetting(definition.minVolume, { least: 0, most: 1e6, otherwise: 20 }),
    confirm: Math.round(numberSetting(definition.confirm, { least: 1, most: 60, otherwise: 2 })),
    coolDownMs: seconds(definition.coolDown, 0, 10_080, 30) * 60,
    ...(definition.quiet === true && quietHours(definition)),
    ...(timeZone !== undefined && { timeZone }),
  };
}

function quietHours({ quietFrom = '', quietTo = '', exceptCritical }: AlertDefinition) {
  if (Number.isNaN(hourOf(quietFrom)) || Number.isNaN(hourOf(quietTo))) return {};
  return {
    quietHours: { from: quietFrom, to: quietTo, exceptCritical: exceptCritical !== false },
  };
}

/** A zone that nobody knows is told, and that of the machine taken. */
function zoneOf(
  value: string | undefined,
  onError: (error: EmotionError) => void,
): string | undefined {
  const zone = value?.trim();
  if (!zone) return undefined;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch (cause) {
    onError(
      new EmotionError(
        'input.unusable',
        `Time zone "${zone}" is not known; expected a name such as Asia/Shanghai. The time zone of the machine is used`,
        { setting: 'timeZone', got: zone },
        { cause },
      ),
    );
    return undefined;
  }
}

function seconds(value: unknown, least: number, most: number, otherwise: number): number {
  return 1000 * numberSetting(value, { least, most, otherwise });
}
