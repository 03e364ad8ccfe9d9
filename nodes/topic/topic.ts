import type { Node, NodeAPI, NodeDef } from 'node-red';
import { EmotionError } from '../../lib/emotion/error';
import { fillTemplate, shortText, toFlowError } from '../../lib/flow/failure';
import { propertyHost, sharedCatalogue } from '../../lib/flow/host';
import { acceptInput } from '../../lib/flow/input';
import { keptValue } from '../../lib/flow/kept-value';
import { Property } from '../../lib/flow/property';
import { propertySetting, queueLimitSetting } from '../../lib/flow/settings';
import { TimeSlice } from '../../lib/flow/time-slice';
import { TopicRules } from '../../lib/flow/topic-rules';
import { readPosts, type Post } from '../../lib/opinion/post';
import { parseRule } from '../../lib/opinion/topic-rule';

interface TopicDefinition extends NodeDef {
  version?: number;
  property?: string;
  propertyType?: string;
  rules?: unknown;
}

/** Messages that may wait while a long one is read. */
const QUEUE_LIMIT = 10_000;
/** Rules that the editor may ask about at a time. */
const MOST_CHECKED = 1000;

/** Registers the node type `emotion-topic`: posts in, posts with the topics that they are about out. */
export default function register(RED: NodeAPI): void {
  const catalogue = sharedCatalogue((key, options) => RED._(key, options));

  function EmotionTopic(this: Node, definition: TopicDefinition): void {
    RED.nodes.createNode(this, definition);
    const topics = new TopicRules(definition.rules ?? [], keptValue(this, 'emotionTopicRules'));

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
      process: async (value, _message, signal) => {
        await topics.ready;
        const { posts, many } = readPosts(value);
        const told = await withTopics(posts, topics, signal);
        return many ? told : told[0];
      },
      actions: topics.actions,
      actionOutput: 1,
      describe: () => {
        const count = topics.rules.length;
        const text = fillTemplate(catalogue('status.topics') ?? '__count__', { count });
        return { fill: 'green', shape: 'dot', text: text ?? String(count) };
      },
    });
    void topics.ready.then(() => {
      if (topics.failure === undefined) return;
      const error = toFlowError(topics.failure, catalogue);
      this.error(error);
      status.show({ fill: 'red', shape: 'ring', text: shortText(error, catalogue) });
    });
  }

  RED.nodes.registerType('emotion-topic', EmotionTopic);

  RED.httpAdmin.post(
    '/emotion-topic/check',
    RED.auth.needsPermission('emotion-topic.read'),
    (request, response) => {
      const { rules } = (request.body ?? {}) as { rules?: unknown };
      if (!Array.isArray(rules) || rules.length > MOST_CHECKED) {
        response
          .status(400)
          .json({ message: `Expected { rules } with up to ${MOST_CHECKED} rules` });
        return;
      }
      response.json(rules.map(problemOf));
    },
  );
}

async function withTopics(
  posts: readonly Post[],
  topics: TopicRules,
  signal: AbortSignal,
): Promise<Post[]> {
  const { matcher } = topics;
  const slice = new TimeSlice();
  const told: Post[] = [];
  for (const post of posts) {
    const steps = matcher.matchInSteps(post.text);
    let step = steps.next();
    while (!step.done) {
      await slice.pause();
      signal.throwIfAborted();
      step = steps.next();
    }
    told.push({ ...post, topics: step.value });
    if (!slice.over) continue;
    await slice.pause();
    signal.throwIfAborted();
  }
  return told;
}

/** What is wrong with a rule, for the editor; null when nothing is. */
function problemOf(rule: unknown): { problem: unknown; position: unknown; found: unknown } | null {
  try {
    parseRule(typeof rule === 'string' ? rule : '');
    return null;
  } catch (error) {
    if (!(error instanceof EmotionError)) throw error;
    const { problem, position, found } = error.details;
    return { problem, position, found };
  }
}
