import { createHash } from 'node:crypto';
import { EMOTIONS, type Emotion } from '../emotion/labels';
import { murmurHash3 } from '../resilience/murmur-hash3';
import { Baseline, type BaselineState, type Counts, type Expected } from './baseline';
import { isQuiet, LocalTime, type QuietHours } from './local-time';
import { certainLabel, type Post } from './post';
import { clamp, countZ, shareZ } from './statistics';

export type AlertKind = 'negative-share' | 'volume';
export type Severity = 'notice' | 'warning' | 'critical';
/** `escalated`: it became worse; `recovered`: it is over, or has become the new normal. */
export type AlertEvent = 'raised' | 'escalated' | 'recovered';

const KINDS: readonly AlertKind[] = ['negative-share', 'volume'];
const SEVERITIES: readonly Severity[] = ['notice', 'warning', 'critical'];

/** A post that shows what an alert is about; of posts that are the same, one. */
export interface Evidence {
  readonly id: string;
  readonly text: string;
  readonly source: string;
  readonly author?: string;
  readonly url?: string;
  readonly time: number;
  readonly label: Emotion | null;
  readonly score: number;
  /** How many posts say the same. */
  readonly count: number;
}

/** What a person is told. Times in milliseconds since 1970, data time. */
export interface Alert {
  readonly id: string;
  /** The same in all events of one incident. */
  readonly incident: string;
  readonly event: AlertEvent;
  readonly kind: AlertKind;
  readonly topic: string;
  readonly severity: Severity;
  /** The end of the interval that settled it. */
  readonly time: number;
  /** When it began, as far as the statistics tell. */
  readonly since: number;
  /** Negative share 0–1, or posts a minute; over the intervals since then. */
  readonly value: number;
  readonly baseline: number;
  /** Standard deviations of that over what was expected. */
  readonly z: number;
  /** Weighted posts since then: all, those with a certain emotion, those without. */
  readonly posts: number;
  readonly certain: number;
  readonly uncertain: number;
  readonly evidence: readonly Evidence[];
  /** It was held back during quiet hours. */
  readonly held?: true;
  /** Of a recovery: the level stayed and counts as normal from now on. */
  readonly newNormal?: true;
}

/** One interval of one topic. */
export interface IntervalStatistics {
  readonly topic: string;
  /** Start of the interval. */
  readonly time: number;
  readonly intervalMs: number;
  /** Weighted posts, those with a certain emotion, the negative ones among these, those without. */
  readonly volume: number;
  readonly certain: number;
  readonly negative: number;
  readonly uncertain: number;
  /** null where there is no certain post. */
  readonly share: number | null;
  /** null while too little is known. */
  readonly expectedVolume: number | null;
  readonly expectedShare: number | null;
  readonly volumeZ: number | null;
  readonly shareZ: number | null;
  /** Kinds of alert that are going on. */
  readonly active: readonly AlertKind[];
  /** Posts so far that came after their interval was judged, and such from the future. */
  readonly late: number;
  readonly ahead: number;
}

export interface AlertOptions {
  /** What makes a topic: the rules that match, the channel, or nothing: all are one. */
  readonly by: 'topics' | 'channel' | 'all';
  readonly kinds: readonly AlertKind[];
  readonly negative: readonly Emotion[];
  readonly intervalMs: number;
  /** How long a post may take to arrive after later ones. */
  readonly latenessMs: number;
  /** Cumulative sums, a robust z-score over five intervals, or whichever comes first. */
  readonly method: 'cusum' | 'z' | 'both';
  readonly sensitivity: 'low' | 'medium' | 'high';
  /** Weighted posts since the start of an incident below which nobody is told. */
  readonly minVolume: number;
  /** Intervals that must speak for it: one alone never does. */
  readonly confirm: number;
  /** After a recovery nobody is told of the same kind for so long, unless it is worse. */
  readonly coolDownMs: number;
  /** A level that stays so long is the new normal. */
  readonly maxActiveMs: number;
  readonly quietHours?: QuietHours & { readonly exceptCritical: boolean };
  readonly timeZone?: string;
  readonly maxTopics: number;
}

export const ALERT_DEFAULTS: AlertOptions = {
  by: 'topics',
  kinds: KINDS,
  negative: ['sad', 'angry', 'fear', 'disgust'],
  intervalMs: 60_000,
  latenessMs: 20_000,
  method: 'cusum',
  sensitivity: 'medium',
  minVolume: 20,
  confirm: 2,
  coolDownMs: 30 * 60_000,
  maxActiveMs: 6 * 3_600_000,
  maxTopics: 200,
};

/**
 * What counts as a change: `factor` times the volume, `odds` times the odds of a negative post; and
 * how much evidence for it, in nats of likelihood ratio, raises an alert. By Wald's bound a run that
 * is in control crosses a threshold h with a probability below e^−h.
 */
const SENSITIVITY = {
  low: { factor: 3, odds: 4, threshold: 18, z: 7 },
  medium: { factor: 2, odds: 2.5, threshold: 14, z: 6 },
  high: { factor: 1.6, odds: 2, threshold: 10, z: 5 },
} as const;

/** Intervals of the moving z-score, and of the judgement whether it became worse. */
const WINDOW = 5;
/** Intervals in a row without anything that speaks for an incident: it is over. */
const CALM = 30;
/** Intervals whose counts are kept for what began before it was noticed, and whose posts are. */
const KEPT_INTERVALS = 60;
const KEPT_EVIDENCE = 20;
/** Posts of an interval that may become evidence. */
const CANDIDATES = 8;
const EVIDENCE = 5;
const EVIDENCE_TEXT = 280;
/** Expected posts whose absence cannot be chance: the source is silent. */
const SILENCE = 20;
/** Longest silence that is walked through interval by interval. */
const LONGEST_WALK_MS = 7 * 24 * 3_600_000;
/** Missing intervals after which the last hours say nothing of the next. */
const INTERRUPTION = 30;
/** Silence of a topic of which nothing is known yet. */
const UNKNOWN_GAP_MS = 3_600_000;
/** Posts dated further ahead than this are mistaken. */
const AHEAD_MS = 24 * 3_600_000;
/** A topic whose newest post is this young follows the clock when posts stay away. */
const LIVE_MS = 5 * 60_000;
/** How much longer than for late posts the clock is waited for. */
const CLOCK_GRACE_MS = 60_000;
/** Held alerts of all topics. */
const MOST_HELD = 1000;

export interface AlertOutcome {
  readonly alerts: readonly Alert[];
  readonly statistics: readonly IntervalStatistics[];
}

interface Cell {
  volume: number;
  certain: number;
  negative: number;
  uncertain: number;
  candidates: Candidate[];
}

interface Candidate {
  readonly evidence: Evidence;
  readonly group: string;
  readonly strength: number;
  count: number;
}

/** A closed interval as it is needed for what began in it. */
interface Closed extends Counts {
  readonly index: number;
  readonly uncertain: number;
  readonly expectedVolume: number;
  readonly expectedShare: number;
  readonly candidates: readonly Candidate[];
}

interface Incident {
  readonly id: string;
  readonly since: number;
  readonly raised: number;
  severity: Severity;
  /** Evidence that it is over, in nats. */
  recovery: number;
  /** Intervals in a row that did not speak for it. */
  calm: number;
}

interface Monitor {
  sum: number;
  /** Index of the interval in which the sum left zero. */
  onset: number;
  /** Intervals since then that spoke for a change. */
  speaking: number;
  /** Intervals in a row whose z-score was too high. */
  high: number;
  coolUntil: number;
  lastSeverity: Severity;
  incident: Incident | null;
}

interface GroupState {
  readonly baseline: BaselineState;
  readonly next: number | null;
  /** null before the first post. */
  readonly newest: number | null;
  readonly live: boolean;
  readonly silence: number;
  readonly late: number;
  readonly ahead: number;
  readonly open: readonly (readonly [number, Cell])[];
  readonly closed: readonly Closed[];
  readonly monitors: Readonly<Record<AlertKind, Monitor>>;
}

/** All that a detector knows, as JSON. */
export interface AlertState {
  readonly version: 1;
  readonly intervalMs: number;
  readonly groups: Readonly<Record<string, GroupState>>;
  readonly held: readonly Alert[];
}

/**
 * Watches the negative share and the volume of topics and tells when one leaves what is normal for
 * its time of day. Works on the times of the posts, so a replay gives the same alerts as the day did;
 * the clock only counts for a live topic whose posts stay away.
 *
 * For each interval the log-likelihood ratio of "changed" against "as {@link Baseline} expects" is
 * added to a sum that never falls below zero (E. S. Page, Biometrika 41, 1954): for counts that of
 * two Poisson rates (J. M. Lucas, Technometrics 27, 1985), for shares that of two odds (S. H. Steiner
 * et al., Biostatistics 1, 2000), each divided by the dispersion. Where the sum left zero is when it
 * began. A single interval can bring half of the threshold at most. When it is over is told by the
 * same sum the other way round.
 *
 * An uncertain post counts for the volume and neither for nor against a negative share. Intervals of
 * an incident do not become part of what is normal. A silence that cannot be chance is a gap in the
 * data, not a volume of zero.
 */
export class AlertDetector {
  readonly #options: AlertOptions;
  readonly #clock: LocalTime;
  readonly #groups = new Map<string, Group>();
  #held: Alert[] = [];
  #dropped = 0;

  /**
   * @param state of an earlier detector; one of other intervals, or of nothing, starts afresh
   * @throws RangeError for a time zone that nobody knows
   */
  constructor(options: Partial<AlertOptions> = {}, state?: unknown) {
    this.#options = { ...ALERT_DEFAULTS, ...options };
    this.#clock = new LocalTime(this.#options.timeZone);
    if (!isState(state) || state.intervalMs !== this.#options.intervalMs) return;
    for (const [topic, group] of Object.entries(state.groups)) {
      this.#groups.set(topic, new Group(topic, this.#options, this.#clock, group));
    }
    this.#held = [...state.held];
  }

  get topics(): readonly string[] {
    return [...this.#groups.keys()];
  }

  /** Incidents that are going on. */
  get incidents(): number {
    return [...this.#groups.values()].reduce((sum, group) => sum + group.incidents, 0);
  }

  /** Posts that belonged to topics beyond the most that are watched. */
  get dropped(): number {
    return this.#dropped;
  }

  toJSON(): AlertState {
    return {
      version: 1,
      intervalMs: this.#options.intervalMs,
      groups: Object.fromEntries(
        [...this.#groups].map(([topic, group]) => [topic, group.toJSON()]),
      ),
      held: this.#held,
    };
  }

  /**
   * Counts posts and judges the intervals that are complete with them.
   *
   * @param now what the clock says
   */
  add(posts: readonly Post[], now: number): AlertOutcome {
    const touched = new Set<Group>();
    const alerts: Alert[] = [];
    const statistics: IntervalStatistics[] = [];
    for (const post of posts) {
      for (const topic of this.#topicsOf(post)) {
        const group = this.#groupOf(topic);
        if (group === undefined) {
          this.#dropped += 1;
          continue;
        }
        // Before each post, so that it does not matter how posts are put into messages.
        this.#close(group, alerts, statistics);
        group.count(post, now);
        touched.add(group);
      }
    }
    for (const group of touched) this.#close(group, alerts, statistics);
    const newest = posts.reduce((latest, { time }) => Math.max(latest, time), -Infinity);
    return { alerts: [...this.#quiet(alerts), ...this.#release(newest)], statistics };
  }

  /** Judges what is complete by the clock alone, for topics whose posts are as young as that. */
  advance(now: number): AlertOutcome {
    const alerts: Alert[] = [];
    const statistics: IntervalStatistics[] = [];
    for (const group of this.#groups.values()) {
      if (group.live) group.follow(now);
      this.#close(group, alerts, statistics);
    }
    return { alerts: [...this.#release(now), ...this.#quiet(alerts)], statistics };
  }

  #close(group: Group, alerts: Alert[], statistics: IntervalStatistics[]): void {
    const outcome = group.close();
    alerts.push(...outcome.alerts);
    statistics.push(...outcome.statistics);
  }

  #topicsOf(post: Post): readonly string[] {
    const { by } = this.#options;
    if (by === 'all') return ['all'];
    if (by === 'topics' && post.topics !== undefined) return [...new Set(post.topics)];
    return [post.topic ?? 'all'];
  }

  #groupOf(topic: string): Group | undefined {
    const known = this.#groups.get(topic);
    if (known !== undefined) return known;
    if (this.#groups.size >= this.#options.maxTopics) return undefined;
    const group = new Group(topic, this.#options, this.#clock);
    this.#groups.set(topic, group);
    return group;
  }

  /** Holds back what may wait until the quiet hours are over. */
  #quiet(alerts: readonly Alert[]): Alert[] {
    const { quietHours } = this.#options;
    if (quietHours === undefined) return [...alerts];
    return alerts.flatMap((alert) => {
      const loud = quietHours.exceptCritical && alert.severity === 'critical';
      if (loud) return [alert];
      const due = this.#release(alert.time);
      if (!isQuiet(quietHours, this.#clock.at(alert.time).hour)) return [...due, alert];
      this.#held.push({ ...alert, held: true });
      if (this.#held.length > MOST_HELD) this.#held.shift();
      return due;
    });
  }

  /** What was held back, as soon as it is not quiet. */
  #release(time: number): Alert[] {
    const { quietHours } = this.#options;
    if (this.#held.length === 0 || !Number.isFinite(time)) return [];
    if (quietHours && isQuiet(quietHours, this.#clock.at(time).hour)) return [];
    return this.#held.splice(0);
  }
}

/** One topic. */
class Group {
  readonly #baseline: Baseline;
  readonly #open = new Map<number, Cell>();
  #closed: Closed[] = [];
  /** The next interval to judge. */
  #next: number | null = null;
  #newest = -Infinity;
  #live = false;
  /** Posts that were expected since the last one came. */
  #silence = 0;
  #late = 0;
  #ahead = 0;
  readonly #monitors: Record<AlertKind, Monitor>;

  constructor(
    private readonly topic: string,
    private readonly options: AlertOptions,
    clock: LocalTime,
    state?: GroupState,
  ) {
    this.#baseline = new Baseline(clock, state?.baseline);
    this.#monitors = state
      ? structuredClone(state.monitors)
      : { 'negative-share': newMonitor(), volume: newMonitor() };
    if (state === undefined) return;
    this.#next = state.next;
    this.#newest = state.newest ?? -Infinity;
    this.#live = state.live;
    this.#silence = state.silence;
    this.#late = state.late;
    this.#ahead = state.ahead;
    for (const [index, cell] of structuredClone(state.open)) this.#open.set(index, cell);
    this.#closed = [...state.closed];
  }

  get live(): boolean {
    return this.#live;
  }

  get incidents(): number {
    return KINDS.filter((kind) => this.#monitors[kind].incident !== null).length;
  }

  toJSON(): GroupState {
    return {
      baseline: this.#baseline.toJSON(),
      next: this.#next,
      newest: Number.isFinite(this.#newest) ? this.#newest : null,
      live: this.#live,
      silence: this.#silence,
      late: this.#late,
      ahead: this.#ahead,
      open: [...this.#open],
      closed: this.#closed,
      monitors: this.#monitors,
    };
  }

  count(post: Post, now: number): void {
    if (post.time > now + AHEAD_MS) {
      this.#ahead += 1;
      return;
    }
    const index = Math.floor(post.time / this.options.intervalMs);
    this.#next ??= index;
    if (index < this.#next) {
      // Before the first interval is judged, earlier posts begin earlier.
      if (this.#closed.length > 0 || this.#next - index > 60) {
        this.#late += 1;
        return;
      }
      this.#next = index;
    }
    if (post.time > this.#newest) {
      this.#newest = post.time;
      this.#live = Math.abs(now - post.time) < LIVE_MS;
    }
    let cell = this.#open.get(index);
    if (cell === undefined) {
      cell = { volume: 0, certain: 0, negative: 0, uncertain: 0, candidates: [] };
      this.#open.set(index, cell);
    }
    const weight = post.weight ?? 1;
    const label = certainLabel(post);
    cell.volume += weight;
    if (label === undefined) cell.uncertain += weight;
    else {
      cell.certain += weight;
      if (this.options.negative.includes(label)) cell.negative += weight;
    }
    this.#consider(cell, post);
  }

  /** Time goes on without posts. */
  follow(now: number): void {
    this.#newest = Math.max(this.#newest, now - CLOCK_GRACE_MS);
  }

  /** Judges the intervals that are complete. */
  close(): { alerts: Alert[]; statistics: IntervalStatistics[] } {
    const alerts: Alert[] = [];
    const statistics: IntervalStatistics[] = [];
    const end = this.#complete(this.#newest);
    for (let index = this.#next ?? end; index < end; index = this.#next) {
      const cell = this.#open.get(index);
      this.#next = index + 1;
      if (cell === undefined && this.#isGap(index, end)) {
        this.#next = Math.min(end, this.#nextOpen() ?? end);
        if (this.#next - index >= INTERRUPTION) this.#baseline.interrupt();
        continue;
      }
      this.#open.delete(index);
      this.#judge(index, cell, alerts, statistics);
    }
    return { alerts, statistics };
  }

  #complete(newest: number): number {
    return Math.floor((newest - this.options.latenessMs) / this.options.intervalMs);
  }

  #nextOpen(): number | undefined {
    let next: number | undefined;
    for (const index of this.#open.keys()) if (next === undefined || index < next) next = index;
    return next;
  }

  #isGap(index: number, end: number): boolean {
    const { intervalMs } = this.options;
    const silent = Math.min(end, this.#nextOpen() ?? end) - index;
    if (silent * intervalMs > LONGEST_WALK_MS) return this.#forgetSums();
    const expected = this.#baseline.expect(this.#middle(index));
    if (!expected.volumeKnown) {
      return silent * intervalMs > UNKNOWN_GAP_MS && this.#forgetSums();
    }
    // With what is still to come of this silence: it is known already that nothing does.
    if (this.#silence + silent * expected.volume <= SILENCE * expected.volumeDispersion)
      return false;
    return this.#forgetSums();
  }

  #forgetSums(): true {
    for (const monitor of Object.values(this.#monitors)) {
      if (monitor.incident === null) reset(monitor);
    }
    return true;
  }

  #middle(index: number): number {
    return (index + 0.5) * this.options.intervalMs;
  }

  #judge(
    index: number,
    cell: Cell | undefined,
    alerts: Alert[],
    statistics: IntervalStatistics[],
  ): void {
    const time = this.#middle(index);
    const expected = this.#baseline.expect(time);
    const { volume = 0, certain = 0, negative = 0, uncertain = 0, candidates = [] } = cell ?? {};
    const counts = { volume, certain, negative };
    this.#silence = cell === undefined ? this.#silence + expected.volume : 0;
    this.#closed.push({
      index,
      ...counts,
      uncertain,
      expectedVolume: expected.volume,
      expectedShare: expected.share,
      candidates,
    });
    if (this.#closed.length > KEPT_INTERVALS) this.#closed.shift();
    const old = this.#closed.length - 1 - KEPT_EVIDENCE;
    if (old >= 0) this.#closed[old] = { ...this.#closed[old]!, candidates: [] };

    for (const kind of this.options.kinds) {
      const known = kind === 'volume' ? expected.volumeKnown : expected.shareKnown;
      if (known) this.#watch(kind, index, counts, expected, alerts);
    }
    const isBusy = (kind: AlertKind) => this.#monitors[kind].incident !== null;
    this.#baseline.learn(time, counts, expected, {
      volume: isBusy('volume'),
      share: isBusy('negative-share'),
    });
    const { volumeDispersion, shareDispersion } = expected;
    statistics.push({
      topic: this.topic,
      time: index * this.options.intervalMs,
      intervalMs: this.options.intervalMs,
      ...counts,
      uncertain,
      share: certain > 0 ? negative / certain : null,
      expectedVolume: expected.volumeKnown ? rounded(expected.volume) : null,
      expectedShare: expected.shareKnown ? rounded(expected.share) : null,
      volumeZ: expected.volumeKnown
        ? rounded(countZ(volume, expected.volume, volumeDispersion))
        : null,
      shareZ:
        expected.shareKnown && certain > 0
          ? rounded(shareZ(negative, certain, expected.share, shareDispersion))
          : null,
      active: KINDS.filter(isBusy),
      late: this.#late,
      ahead: this.#ahead,
    });
  }

  #watch(
    kind: AlertKind,
    index: number,
    counts: Counts,
    expected: Expected,
    alerts: Alert[],
  ): void {
    const monitor = this.#monitors[kind];
    const { threshold } = SENSITIVITY[this.options.sensitivity];
    const evidence = this.#likelihoodRatio(kind, counts, expected);
    if (monitor.incident !== null) {
      this.#watchIncident(kind, index, monitor, monitor.incident, evidence, alerts);
      return;
    }
    const most = threshold / Math.max(1, this.options.confirm) + 1e-9;
    const sum = monitor.sum + Math.min(evidence, most);
    if (sum <= 0) reset(monitor);
    else {
      if (monitor.sum === 0) monitor.onset = index;
      if (evidence > 0) monitor.speaking += 1;
      monitor.sum = Math.min(sum, 2 * threshold);
    }
    const recent = this.#since(index - WINDOW + 1);
    monitor.high =
      this.#z(kind, recent, expected) >= SENSITIVITY[this.options.sensitivity].z
        ? monitor.high + 1
        : 0;

    const { method, confirm } = this.options;
    const bySum =
      method !== 'z' && monitor.sum >= threshold && monitor.speaking >= confirm && evidence > 0;
    const byZ = method !== 'cusum' && monitor.high >= confirm;
    if (!bySum && !byZ) return;
    const since = bySum ? monitor.onset : index - WINDOW + 1;
    this.#raise(kind, index, since, monitor, expected, alerts);
  }

  #raise(
    kind: AlertKind,
    index: number,
    since: number,
    monitor: Monitor,
    expected: Expected,
    alerts: Alert[],
  ): void {
    const { intervalMs } = this.options;
    const intervals = this.#since(since);
    const base = kind === 'volume' ? total(intervals, 'volume') : total(intervals, 'certain');
    if (base < this.options.minVolume) return;
    const end = (index + 1) * intervalMs;
    const severity = this.#severity(kind, this.#since(Math.max(since, index - WINDOW + 1)));
    const worse = SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(monitor.lastSeverity);
    if (end < monitor.coolUntil && !worse) return;
    const start = Math.max(since, intervals[0]?.index ?? since) * intervalMs;
    const id = hash(this.topic, kind, start);
    monitor.incident = { id, since: start, raised: end, severity, recovery: 0, calm: 0 };
    monitor.lastSeverity = severity;
    alerts.push(this.#alert('raised', kind, index, monitor.incident, expected, intervals));
  }

  #watchIncident(
    kind: AlertKind,
    index: number,
    monitor: Monitor,
    incident: Incident,
    evidence: number,
    alerts: Alert[],
  ): void {
    const { threshold } = SENSITIVITY[this.options.sensitivity];
    const { intervalMs, maxActiveMs, coolDownMs } = this.options;
    const end = (index + 1) * intervalMs;
    const expected = this.#baseline.expect(this.#middle(index));
    incident.recovery = Math.max(0, incident.recovery - Math.max(evidence, -threshold / 3));
    incident.calm = evidence > 0 ? 0 : incident.calm + 1;
    const since = this.#since(Math.floor(incident.since / intervalMs));
    const over = incident.recovery >= threshold || incident.calm >= CALM;
    const newNormal = !over && end - incident.raised >= maxActiveMs;
    if (over || newNormal) {
      const alert = this.#alert('recovered', kind, index, incident, expected, since);
      alerts.push(newNormal ? { ...alert, newNormal: true } : alert);
      monitor.incident = null;
      monitor.coolUntil = end + coolDownMs;
      reset(monitor);
      if (newNormal) this.#adopt();
      return;
    }
    const severity = this.#severity(kind, this.#since(index - WINDOW + 1));
    if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(incident.severity)) {
      incident.severity = severity;
      monitor.lastSeverity = severity;
      alerts.push(this.#alert('escalated', kind, index, incident, expected, since));
    }
  }

  /** What was an incident is what is normal now. */
  #adopt(): void {
    this.#baseline.adopt(
      this.#closed.map(({ index, ...counts }) => ({ time: this.#middle(index), counts })),
    );
  }

  /** Evidence of an interval for a change, in nats. */
  #likelihoodRatio(kind: AlertKind, counts: Counts, expected: Expected): number {
    const { factor, odds } = SENSITIVITY[this.options.sensitivity];
    if (kind === 'volume') {
      const rate = Math.max((1 + expected.volumeMargin) * expected.volume, 0.02);
      const ratio = counts.volume * Math.log(factor) - rate * (factor - 1);
      return ratio / expected.volumeDispersion;
    }
    const share = Math.min(0.95, expected.share + expected.shareMargin);
    const changed = (odds * share) / (1 - share + odds * share);
    const ratio =
      counts.negative * Math.log(changed / share) +
      (counts.certain - counts.negative) * Math.log((1 - changed) / (1 - share));
    return ratio / expected.shareDispersion;
  }

  #severity(kind: AlertKind, intervals: readonly Closed[]): Severity {
    const { value, baseline } = this.#level(kind, intervals);
    const steps = kind === 'volume' ? [3, 6] : [0.2, 0.4];
    const size = kind === 'volume' ? value / Math.max(baseline, 1e-6) : value - baseline;
    if (size >= steps[1]!) return 'critical';
    return size >= steps[0]! ? 'warning' : 'notice';
  }

  /** What was and what was to be expected, over intervals: posts a minute, or a share. */
  #level(kind: AlertKind, intervals: readonly Closed[]): { value: number; baseline: number } {
    if (kind === 'volume') {
      const minutes = (intervals.length * this.options.intervalMs) / 60_000;
      return {
        value: total(intervals, 'volume') / Math.max(minutes, 1e-9),
        baseline: total(intervals, 'expectedVolume') / Math.max(minutes, 1e-9),
      };
    }
    const certain = total(intervals, 'certain');
    const expected = intervals.reduce((sum, one) => sum + one.certain * one.expectedShare, 0);
    return {
      value: certain > 0 ? total(intervals, 'negative') / certain : 0,
      baseline: certain > 0 ? expected / certain : (intervals.at(-1)?.expectedShare ?? 0),
    };
  }

  #z(kind: AlertKind, intervals: readonly Closed[], expected: Expected): number {
    if (kind === 'volume') {
      const count = total(intervals, 'volume');
      return countZ(count, total(intervals, 'expectedVolume'), expected.volumeDispersion);
    }
    const { baseline } = this.#level(kind, intervals);
    const certain = total(intervals, 'certain');
    return shareZ(total(intervals, 'negative'), certain, baseline, expected.shareDispersion);
  }

  #alert(
    event: AlertEvent,
    kind: AlertKind,
    index: number,
    incident: Incident,
    expected: Expected,
    intervals: readonly Closed[],
  ): Alert {
    const last = event === 'recovered' ? this.#since(index - WINDOW + 1) : intervals;
    const { value, baseline } = this.#level(kind, last);
    return {
      id: hash(incident.id, event, index),
      incident: incident.id,
      event,
      kind,
      topic: this.topic,
      severity: incident.severity,
      time: (index + 1) * this.options.intervalMs,
      since: incident.since,
      value: rounded(value),
      baseline: rounded(baseline),
      z: rounded(this.#z(kind, last, expected)),
      posts: rounded(total(intervals, 'volume')),
      certain: rounded(total(intervals, 'certain')),
      uncertain: rounded(total(intervals, 'uncertain')),
      evidence: event === 'recovered' ? [] : evidenceOf(intervals),
    };
  }

  /** Closed intervals from an index on; what is older than an hour is gone. */
  #since(index: number): Closed[] {
    return this.#closed.filter((closed) => closed.index >= index);
  }

  /** Keeps a post as evidence where it is among the strongest of its interval. */
  #consider(cell: Cell, post: Post): void {
    const group = post.duplicate?.group ?? textKey(post.text);
    const same = cell.candidates.find((candidate) => candidate.group === group);
    if (same) {
      same.count += 1;
      return;
    }
    const strength = this.#strength(post);
    const weakest = cell.candidates.at(-1);
    if (cell.candidates.length >= CANDIDATES && weakest && weakest.strength >= strength) return;
    const { id, text, source, author, url, time, result } = post;
    cell.candidates.push({
      group,
      strength,
      count: 1,
      evidence: {
        id,
        text: shortened(text),
        source,
        ...(author !== undefined && { author }),
        ...(url !== undefined && { url }),
        time,
        label: result?.label ?? null,
        score: result?.score ?? 0,
        count: 1,
      },
    });
    cell.candidates.sort((a, b) => b.strength - a.strength);
    if (cell.candidates.length > CANDIDATES) cell.candidates.pop();
  }

  /** How negative a post is, 0–1; what is uncertain says little. */
  #strength({ result }: Post): number {
    if (result === undefined || result.label === null) return 0;
    const negative = EMOTIONS.reduce(
      (sum, emotion) =>
        this.options.negative.includes(emotion) ? sum + (result.scores[emotion] ?? 0) : sum,
      0,
    );
    return result.uncertain ? negative / 2 : negative;
  }
}

/** The most negative posts of the intervals, one of each that are the same, the widespread first. */
function evidenceOf(intervals: readonly Closed[]): Evidence[] {
  const groups = new Map<string, Candidate>();
  for (const { candidates } of intervals) {
    for (const candidate of candidates) {
      const known = groups.get(candidate.group);
      if (known) known.count += candidate.count;
      else groups.set(candidate.group, { ...candidate });
    }
  }
  const weight = ({ strength, count }: Candidate) => strength * (1 + Math.log(count));
  return [...groups.values()]
    .sort((a, b) => weight(b) - weight(a) || a.evidence.time - b.evidence.time)
    .slice(0, EVIDENCE)
    .map(({ evidence, count }) => ({ ...evidence, count }));
}

function shortened(text: string): string {
  if (text.length <= EVIDENCE_TEXT) return text;
  const cut = text.slice(0, EVIDENCE_TEXT - 1).replace(/[\ud800-\udbff]$/, '');
  return `${cut}…`;
}

/** Posts that begin alike are the same where nobody looked for near-duplicates. */
function textKey(text: string): string {
  const bytes = Buffer.from(text.slice(0, 300));
  return `text-${murmurHash3(bytes, 0, bytes.length)}`;
}

function newMonitor(): Monitor {
  return {
    sum: 0,
    onset: 0,
    speaking: 0,
    high: 0,
    coolUntil: 0,
    lastSeverity: 'notice',
    incident: null,
  };
}

function reset(monitor: Monitor): void {
  monitor.sum = 0;
  monitor.speaking = 0;
  monitor.high = 0;
}

function total(
  intervals: readonly Closed[],
  member: 'volume' | 'certain' | 'negative' | 'uncertain' | 'expectedVolume',
): number {
  return intervals.reduce((sum, one) => sum + one[member], 0);
}

function hash(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

function rounded(value: number): number {
  return Math.round(clamp(value, -1e9, 1e9) * 1e4) / 1e4;
}

function isState(value: unknown): value is AlertState {
  if (typeof value !== 'object' || value === null) return false;
  const { version, groups, held } = value as Partial<Record<keyof AlertState, unknown>>;
  return version === 1 && typeof groups === 'object' && groups !== null && Array.isArray(held);
}
