// The overview: charts, posts, words, sources and alerts of one filter.
export default {
  data() {
    return {
      here: 'overview',
      ranges: ['1h', '6h', '24h', '7d', '30d'],
      filter: { range: '24h', topic: '', source: '', language: '', class: '' },
      answer: null,
      posts: [],
      more: false,
      appending: false,
      selection: null,
      /** The group of near-duplicates that is looked at. */
      alike: null,
      hover: null,
      mode: 'share',
      wordClass: '',
      width: 800,
      cloudWidth: 320,
      updated: '',
      left: 44,
      right: 6,
    };
  },
  computed: {
    filtered() {
      const { topic, source, language } = this.filter;
      const chosen = topic || source || language || this.filter.class || this.alike;
      return Boolean(chosen) || this.selection !== null;
    },
    topics() {
      const { topics } = this.answer ?? { topics: [] };
      const { topic } = this.filter;
      if (!topic || topics.some(({ id }) => id === topic)) return topics;
      return [...topics, { id: topic, name: topic, posts: 0 }];
    },
    sourceNames() {
      const names = (this.answer?.sources ?? []).map(({ source }) => source);
      const { source } = this.filter;
      return source && !names.includes(source) ? [...names, source] : names;
    },
    /** Posts of each class in the whole time; with an emotion chosen, still of all of them. */
    totals() {
      const { classes, bars } = this.answer;
      return Object.fromEntries(
        classes.map((name, column) => [
          name,
          bars.reduce((sum, { posts }) => sum + posts[column], 0),
        ]),
      );
    },
    weights() {
      const { classes, bars } = this.answer;
      return Object.fromEntries(
        classes.map((name, column) => [
          name,
          bars.reduce((sum, { weight }) => sum + weight[column], 0),
        ]),
      );
    },
    allWeight() {
      return Object.values(this.weights).reduce((sum, weight) => sum + weight, 0);
    },
    shares() {
      return Object.fromEntries(
        Object.entries(this.weights).map(([name, weight]) => [
          name,
          this.allWeight ? weight / this.allWeight : null,
        ]),
      );
    },
    total() {
      if (this.filter.class) return this.totals[this.filter.class];
      return Object.values(this.totals).reduce((sum, posts) => sum + posts, 0);
    },
    before() {
      const { previous } = this.answer;
      return this.filter.class
        ? previous[this.filter.class].posts
        : Object.values(previous).reduce((sum, { posts }) => sum + posts, 0);
    },
    /** Null where so few came before that a ratio would say nothing. */
    change() {
      return this.before >= 10 ? this.total / this.before - 1 : null;
    },
    changeText() {
      if (this.before === 0) return this.t('no-before');
      if (this.change === null) return this.t('little-before', this.amount(this.before));
      if (this.change > 9) return this.t('times-before', this.amount(Math.round(this.change + 1)));
      const sign = this.change >= 0 ? '+' : '−';
      return this.t('than-before', sign + this.percent(Math.abs(this.change)));
    },
    negative() {
      return this.allWeight
        ? this.negativeOf(this.answer.classes.map((name) => this.weights[name]))
        : null;
    },
    aboveBaseline() {
      const { mean } = this.answer.baseline;
      return mean !== null && this.negative !== null && this.negative > mean * 1.25;
    },
    leading() {
      const certain = this.allWeight - this.weights.uncertain;
      if (!(certain > 0)) return null;
      const [name, weight] = Object.entries(this.weights)
        .filter(([key]) => key !== 'uncertain')
        .sort((a, b) => b[1] - a[1])[0];
      return { name, share: weight / certain };
    },
    openAlerts() {
      return this.answer.alerts.filter(({ acknowledged }) => !acknowledged).length;
    },
    narrow() {
      return this.width < 520;
    },
    stackBottom() {
      return this.narrow ? 190 : 230;
    },
    volumeTop() {
      return this.stackBottom + 14;
    },
    volumeBottom() {
      return this.volumeTop + 46;
    },
    negativeTop() {
      return this.volumeBottom + 14;
    },
    negativeBottom() {
      return this.negativeTop + 64;
    },
    chartHeight() {
      return this.negativeBottom + 24;
    },
    most() {
      return Math.max(
        1,
        ...this.answer.bars.map(({ posts }) => posts.reduce((sum, count) => sum + count, 0)),
      );
    },
    /** Every bar with its place on the chart. */
    drawn() {
      const { bars, classes } = this.answer;
      const slotWidth = (this.width - this.left - this.right) / bars.length;
      const width = Math.max(1, slotWidth - (slotWidth > 8 ? 2 : 1));
      const top = 8;
      const height = this.stackBottom - top;
      // From below: what is sure and negative, then neutral and positive, uncertain on top.
      const order = [
        'angry',
        'disgust',
        'fear',
        'sad',
        'surprise',
        'happy',
        'neutral',
        'uncertain',
      ];
      return bars.map(({ at, posts, weight }, index) => {
        const count = posts.reduce((sum, value) => sum + value, 0);
        const sum = weight.reduce((total, value) => total + value, 0);
        const unit = this.mode === 'share' ? (sum > 0 ? height / sum : 0) : height / this.scale;
        let y = this.stackBottom;
        const parts = [];
        for (const name of order) {
          const value = (this.mode === 'share' ? weight : posts)[classes.indexOf(name)];
          if (!value) continue;
          const partHeight = value * unit;
          y -= partHeight;
          parts.push({ name, y, height: partHeight });
        }
        const slot = this.left + index * slotWidth;
        const volumeHeight = (count / this.most) * (this.volumeBottom - this.volumeTop);
        return {
          at,
          count,
          slot,
          slotWidth,
          x: slot + (slotWidth - width) / 2,
          width,
          parts,
          volumeHeight,
          volumeY: this.volumeBottom - volumeHeight,
          negative: this.negativeOf(weight),
        };
      });
    },
    /** The top of the axis of posts: the next round number. */
    scale() {
      const power = 10 ** Math.floor(Math.log10(this.most));
      return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= this.most);
    },
    ticks() {
      const share = this.mode === 'share';
      return [0, 0.25, 0.5, 0.75, 1]
        .filter((part) => share || Number.isInteger(part * this.scale))
        .map((part) => ({
          y: this.stackBottom - part * (this.stackBottom - 8),
          text: share ? this.percent(part) : this.amount(part * this.scale),
        }));
    },
    timeLabels() {
      const { bars, bucket } = this.answer;
      const long = bucket >= 3 * 3_600_000;
      const room = this.narrow ? 64 : 86;
      const each = Math.ceil(room / this.drawn[0].slotWidth);
      return bars
        .map(({ at }, index) => ({ at, index }))
        .filter(({ index }) => index % each === 0 && this.drawn[index].slot < this.width - room / 2)
        .map(({ at, index }) => ({
          x: this.drawn[index].slot,
          anchor: index === 0 ? 'start' : 'middle',
          text: this.moment(
            at,
            long ? { month: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' },
          ),
        }));
    },
    /** What a bar is measured against: the same hour of the day in the two weeks before. */
    baselines() {
      const { bars, baseline } = this.answer;
      return bars.map(({ at }) => baseline.hours[Math.floor(at / 3_600_000) % 24] ?? baseline.mean);
    },
    negativeMost() {
      const all = [
        ...this.drawn.map(({ negative }) => negative ?? 0),
        ...this.baselines.map((share) => share ?? 0),
      ];
      return Math.min(1, Math.max(0.2, Math.ceil(Math.max(...all) * 10) / 10));
    },
    negativeDots() {
      return this.drawn
        .map((bar, index) => ({ ...bar, normal: this.baselines[index] }))
        .filter(({ negative }) => negative !== null)
        .map(({ at, slot, slotWidth, negative, normal, count }) => ({
          at,
          x: slot + slotWidth / 2,
          y: this.negativeY(negative),
          high: normal !== null && count >= 5 && negative > normal + 0.2,
        }));
    },
    negativePath() {
      return this.negativeDots
        .map(({ x, y }, index) => `${index ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`)
        .join('');
    },
    negativeArea() {
      const dots = this.negativeDots;
      if (dots.length < 2) return '';
      return `${this.negativePath}L${dots.at(-1).x} ${this.negativeBottom}L${dots[0].x} ${this.negativeBottom}Z`;
    },
    baselinePath() {
      return this.drawn
        .map(({ slot, slotWidth }, index) => {
          const share = this.baselines[index];
          if (share === null) return '';
          const y = this.negativeY(share).toFixed(1);
          return `M${slot.toFixed(1)} ${y}H${(slot + slotWidth).toFixed(1)}`;
        })
        .join('');
    },
    tip() {
      const bar = this.hover === null ? undefined : this.drawn[this.hover];
      if (!bar) return null;
      const { posts } = this.answer.bars[this.hover];
      const parts = this.answer.classes
        .map((name, column) => ({ name, posts: posts[column] }))
        .filter((part) => part.posts > 0)
        .sort((a, b) => b.posts - a.posts);
      const onLeft = bar.slot > this.width / 2;
      return {
        title: this.period(bar.at),
        parts,
        posts: bar.count,
        style: onLeft
          ? { right: `${this.width - bar.slot + 8}px` }
          : { left: `${bar.slot + bar.slotWidth + 8}px` },
      };
    },
    selectionText() {
      if (this.alike) return this.alikeText(this.alike.posts);
      const bar = this.answer.bars[this.selection];
      return bar ? this.period(bar.at) : '';
    },
    sources() {
      return this.answer.sources.map(({ source, posts, classes }) => {
        const sum = Object.values(classes).reduce((total, { weight }) => total + weight, 0);
        const parts = Object.entries(classes).map(([name, { weight }]) => ({
          name,
          share: sum ? weight / sum : 0,
        }));
        return {
          source,
          posts,
          parts,
          negative: sum
            ? this.negativeOf(this.answer.classes.map((name) => classes[name].weight))
            : null,
        };
      });
    },
    rising() {
      return this.answer.words[this.wordClass].rising;
    },
    /** In which class each word is found most. */
    wordColours() {
      const best = new Map();
      for (const name of this.answer.classes) {
        for (const { word, posts } of this.answer.words[name].cloud) {
          if (posts > (best.get(word)?.posts ?? 0)) best.set(word, { name, posts });
        }
      }
      return best;
    },
    /** Words on a spiral from the middle, the most frequent first, none over another. */
    cloud() {
      const words = this.answer.words[this.wordClass].cloud;
      if (words.length === 0) return [];
      const [width, height] = [this.cloudWidth, 250];
      const largest = words[0].posts;
      const placed = [];
      const result = [];
      for (const { word, posts } of words) {
        const size = Math.round(12 + 18 * (posts / largest));
        const em = [...word].reduce((sum, letter) => sum + (letter > '\u2e80' ? 1.02 : 0.58), 0);
        const [w, h] = [em * size + 6, size * 1.18];
        for (let step = 0; step < 1600; step += 1) {
          const angle = step * 0.3;
          const radius = 0.9 * angle;
          const x = width / 2 + radius * Math.cos(angle) - w / 2;
          const y = height / 2 + radius * 0.62 * Math.sin(angle) - h / 2;
          if (x < 0 || y < 0 || x + w > width || y + h > height) continue;
          if (
            placed.some(
              (box) => x < box.x + box.w && box.x < x + w && y < box.y + box.h && box.y < y + h,
            )
          )
            continue;
          placed.push({ x, y, w, h });
          const name = this.wordClass || this.wordColours.get(word)?.name || 'neutral';
          result.push({
            word,
            posts,
            style: {
              left: `${x}px`,
              top: `${y}px`,
              fontSize: `${size}px`,
              color: this.colour(name === 'uncertain' ? 'stripe' : name),
              fontWeight: size > 20 ? 700 : 500,
            },
          });
          break;
        }
      }
      return result;
    },
  },
  methods: {
    refresh() {
      this.ask('overview', { filter: this.filter });
      if (this.selection !== null || this.alike) this.askSelected();
    },
    /** New posts came: at most one question every two seconds, and none while nobody looks. */
    changed() {
      if (this.timer || document.hidden) return;
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.ask('overview', { filter: this.filter });
      }, 2_000);
    },
    answered(payload) {
      if (payload.ask === 'overview') {
        const moved = this.answer && this.answer.from !== payload.from;
        if (moved && this.selection !== null) {
          const { at } = this.answer.bars[this.selection];
          const index = payload.bars.findIndex((bar) => bar.at === at);
          this.selection = index < 0 ? null : index;
        }
        this.answer = payload;
        this.updated = this.t('updated', this.moment(Date.now(), { timeStyle: 'medium' }));
        if (this.selection === null && !this.alike && !this.appended)
          this.show(payload.posts, false);
      }
      if (payload.ask === 'posts') {
        this.show(payload.posts, this.appending);
        this.appended = this.appending;
      }
      if (payload.ask === 'acknowledge') this.refresh();
    },
    show(posts, append) {
      this.posts = append ? [...this.posts, ...posts] : posts;
      this.more = posts.length === 50;
    },
    choose(member, value) {
      this.filter[member] = value;
      this.changedFilter();
    },
    changedFilter() {
      this.selection = null;
      this.alike = null;
      this.appended = false;
      this.refresh();
    },
    clear() {
      Object.assign(this.filter, { topic: '', source: '', language: '', class: '' });
      this.changedFilter();
    },
    select(index) {
      this.selection = this.selection === index ? null : index;
      this.alike = null;
      this.appended = false;
      if (this.selection === null) this.show(this.answer.posts, false);
      else this.askSelected();
    },
    /** The near-duplicates of a post, whatever else is chosen. */
    selectAlike(post) {
      this.selection = null;
      this.alike = { group: post.duplicate_group, posts: post.alike };
      this.appended = false;
      this.askSelected();
    },
    alikeText(posts) {
      return this.t('alike', this.amount(posts) + (posts === 1_000 ? '+' : ''));
    },
    askSelected(before) {
      const bar = this.selection === null ? null : this.answer.bars[this.selection];
      const time = bar
        ? { from: bar.at, to: bar.at + this.answer.bucket }
        : { from: this.answer.from, to: this.answer.to };
      this.appending = Boolean(before);
      if (this.alike) {
        this.ask('posts', { group: this.alike.group, from: 0, to: this.answer.to, before });
        return;
      }
      this.ask('posts', { filter: this.filter, ...time, before });
    },
    loadMore() {
      const { time, id } = this.posts.at(-1);
      this.askSelected({ time, id });
    },
    /** Of the posts that are certain, as emotion-alert has it; null when there are none. */
    negativeOf(weights) {
      const uncertain = weights[this.answer.classes.indexOf('uncertain')];
      const sum = weights.reduce((total, weight) => total + weight, 0) - uncertain;
      const negative = ['sad', 'angry', 'fear', 'disgust'].reduce(
        (total, name) => total + weights[this.answer.classes.indexOf(name)],
        0,
      );
      return sum > 0 ? negative / sum : null;
    },
    negativeY(share) {
      return (
        this.negativeBottom - (share / this.negativeMost) * (this.negativeBottom - this.negativeTop)
      );
    },
    period(at) {
      const { bucket } = this.answer;
      const day = bucket >= 3_600_000 ? { month: 'short', day: 'numeric' } : {};
      const time = { ...day, hour: '2-digit', minute: '2-digit' };
      return `${this.moment(at, time)} – ${this.moment(at + bucket, { hour: '2-digit', minute: '2-digit' })}`;
    },
    when(time) {
      const today = new Date(time).toDateString() === new Date().toDateString();
      return this.moment(
        time,
        today ? { timeStyle: 'medium' } : { dateStyle: 'short', timeStyle: 'short' },
      );
    },
    topicName(id) {
      return this.topics.find((topic) => topic.id === id)?.name ?? id;
    },
    isLink(url) {
      return typeof url === 'string' && /^https?:\/\//i.test(url);
    },
    /** The text in pieces; those that decided have a weight from 0 to 1. It stays text: nothing is HTML. */
    highlighted({ text, words }) {
      const lower = text.toLowerCase();
      const most = Math.max(...words.map(({ weight }) => weight), 0.001);
      const marks = [];
      for (const { text: word, weight } of words.slice(0, 5)) {
        if (!(weight > 0.02)) continue;
        let at = lower.indexOf(word.toLowerCase());
        const latin = /^[\p{Script=Latin}\d]/u;
        while (word && at >= 0) {
          // "in" is no part of "minute"; between Chinese words there are no blanks.
          const inside =
            latin.test(word) &&
            (latin.test(lower[at - 1] ?? '') || latin.test(lower[at + word.length] ?? ''));
          if (!inside)
            marks.push({ at, end: at + word.length, weight: Math.max(0.25, weight / most) });
          at = lower.indexOf(word.toLowerCase(), at + word.length);
        }
      }
      marks.sort((a, b) => a.at - b.at || b.end - a.end);
      const parts = [];
      let from = 0;
      for (const { at, end, weight } of marks) {
        if (at < from) continue;
        if (at > from) parts.push({ text: text.slice(from, at) });
        parts.push({ text: text.slice(at, end), weight });
        from = end;
      }
      if (from < text.length) parts.push({ text: text.slice(from) });
      return parts;
    },
    alertTitle({ topic, kind }) {
      return `${topic ? this.topicName(topic) : this.t('topic.all')}: ${this.t(`alert.${kind}`)}`;
    },
    alertText({ kind, value, baseline, time }) {
      const rate = (number) => this.t('a-minute', this.amount(Math.round(number * 10) / 10));
      const show = (number) => (kind === 'volume' ? rate(number) : this.percent(number));
      return `${this.when(time)} · ${this.t('against', show(value), show(baseline))}`;
    },
    showAlert({ topic, time }) {
      this.filter.topic = topic ?? '';
      this.changedFilter();
      const index = this.answer.bars.findIndex(
        ({ at }) => time >= at && time < at + this.answer.bucket,
      );
      if (index >= 0) this.select(index);
    },
    acknowledge({ id }) {
      this.ask('acknowledge', { id });
    },
    measure() {
      const chart = this.$refs.chart?.clientWidth;
      const cloud = this.$refs.cloud?.clientWidth;
      if (chart) this.width = chart;
      if (cloud) this.cloudWidth = cloud;
    },
    opened() {
      this.width = Math.max(280, this.$el.clientWidth - 34);
      this.cloudWidth = Math.min(this.cloudWidth, this.width);
      this.observer = new ResizeObserver(() => this.measure());
      this.observer.observe(this.$el);
      this.clock = setInterval(() => this.changed(), 60_000);
    },
    closed() {
      this.observer.disconnect();
      clearInterval(this.clock);
      clearTimeout(this.timer);
    },
  },
  watch: {
    answer() {
      this.$nextTick(() => this.measure());
    },
  },
  strings: {
    en: {
      filters: 'Filters',
      range: 'Time',
      'range.1h': '1 h',
      'range.6h': '6 h',
      'range.24h': '24 h',
      'range.7d': '7 days',
      'range.30d': '30 days',
      topic: 'Topic',
      'topic.all': 'All topics',
      source: 'Source',
      'source.all': 'All sources',
      language: 'Language',
      'language.all': 'All languages',
      emotion: 'Emotion',
      'emotion.all': 'All emotions',
      clear: 'Clear',
      loading: 'Loading …',
      posts: 'Posts',
      'no-before': 'nothing in the time before',
      'little-before': '{0} in the time before',
      'than-before': '{0} against the time before',
      'times-before': '{0} times the time before',
      negative: 'Negative share',
      'negative-short': 'neg.',
      'no-baseline': 'of the certain posts; no baseline yet',
      'baseline-is': 'baseline {0}',
      leading: 'Leading emotion',
      'of-certain': '{0} of the certain posts',
      'uncertain-share': 'Uncertain',
      'uncertain-note': 'counted apart, never as neutral',
      alerts: 'Alerts',
      'alerts-open': 'to be looked at',
      'alerts-none': 'No alerts in this time',
      'timeline.share': 'Share of each emotion over time',
      'timeline.posts': 'Posts of each emotion over time',
      count: 'Posts',
      volume: 'Volume',
      baseline: 'Its baseline',
      'chart-hint': 'Click a bar to read its posts',
      sources: 'Sources compared',
      nothing: 'Nothing in this time',
      newest: 'Posts',
      updated: 'as of {0}',
      'no-posts':
        'No posts match. Send one to the MQTT topic opinion/<topic>/post or replay the feed.',
      confidence: 'Confidence: the calibrated probability of this emotion',
      perhaps: 'perhaps {0}',
      fallback: 'answered by the fallback',
      original: 'original',
      alike: '{0} alike',
      'alike-hint': 'Posts that repeat one another: show them',
      more: 'Older posts',
      words: 'Words that decided',
      rising: 'Rising words',
      'rising-none': 'None against the time before',
      sample: 'Of the newest {0} posts at most',
      acknowledge: 'Done: looked at',
      against: '{0}, usually {1}',
      'a-minute': '{0} a minute',
      'alert.negative-share': 'more negative than usual',
      'alert.volume': 'more posts than usual',
    },
    zh: {
      filters: '筛选',
      range: '时间',
      'range.1h': '1 小时',
      'range.6h': '6 小时',
      'range.24h': '24 小时',
      'range.7d': '7 天',
      'range.30d': '30 天',
      topic: '主题',
      'topic.all': '全部主题',
      source: '来源',
      'source.all': '全部来源',
      language: '语言',
      'language.all': '全部语言',
      emotion: '情绪',
      'emotion.all': '全部情绪',
      clear: '清除',
      loading: '加载中…',
      posts: '帖子数',
      'no-before': '之前没有数据',
      'little-before': '前一时段 {0} 条',
      'than-before': '较前一时段 {0}',
      'times-before': '为前一时段的 {0} 倍',
      negative: '负面占比',
      'negative-short': '负面',
      'no-baseline': '占确定帖子；暂无基线',
      'baseline-is': '基线 {0}',
      leading: '主导情绪',
      'of-certain': '占确定帖子的 {0}',
      'uncertain-share': '不确定',
      'uncertain-note': '单独统计，不计入中性',
      alerts: '预警',
      'alerts-open': '待查看',
      'alerts-none': '此时段没有预警',
      'timeline.share': '各情绪占比走势',
      'timeline.posts': '各情绪帖子数走势',
      count: '数量',
      volume: '声量',
      baseline: '基线',
      'chart-hint': '点击柱形查看该时段的帖子',
      sources: '来源对比',
      nothing: '此时段没有数据',
      newest: '帖子',
      updated: '更新于 {0}',
      'no-posts': '没有符合条件的帖子。请向 MQTT 主题 opinion/<主题>/post 发送，或回放示例数据。',
      confidence: '置信度：该情绪经校准的概率',
      perhaps: '可能是{0}',
      fallback: '由后备模型回答',
      original: '原文',
      alike: '相似 {0} 条',
      'alike-hint': '内容重复的帖子：点击查看',
      more: '更早的帖子',
      words: '决定性词语',
      rising: '上升词',
      'rising-none': '与前一时段相比没有',
      sample: '取最新的至多 {0} 条帖子',
      acknowledge: '标记为已查看',
      against: '{0}，平时{1}',
      'a-minute': '每分钟 {0} 条',
      'alert.negative-share': '负面情绪高于平时',
      'alert.volume': '声量高于平时',
    },
  },
};
