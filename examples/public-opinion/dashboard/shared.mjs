// What all pages have: language, colours, and the way to the server. The members of `data` and
// `methods` are put into each page's component when the flow is made.
export default {
  data() {
    return {
      locale: 'en',
      dark: false,
      connected: true,
      problem: '',
      request: 0,
      latest: {},
      pages: ['overview', 'topics'],
    };
  },
  methods: {
    /** The text for a key in the chosen language; {0}, {1} … are replaced. */
    t(key, ...values) {
      const text = this.strings[this.locale][key] ?? this.strings.en[key] ?? key;
      return values.reduce((whole, value, index) => whole.replace(`{${index}}`, value), text);
    },
    address(page) {
      const here = location.pathname.replace(/\/+$/, '');
      return (
        here.slice(0, here.lastIndexOf('/') + 1) +
        (page === 'overview' ? 'opinion' : `opinion-${page}`)
      );
    },
    open(page) {
      const path = this.address(page);
      this.$router.push(path.slice(path.lastIndexOf('/')));
    },
    setLocale(locale) {
      this.locale = locale;
      document.documentElement.lang = locale === 'zh' ? 'zh-CN' : 'en';
      this.remember('locale', locale);
    },
    setDark(dark) {
      this.dark = dark;
      this.paint();
      this.remember('theme', dark ? 'dark' : 'light');
    },
    /** The page of the dashboard around this component takes the same colours. */
    paint() {
      document.documentElement.classList.toggle('op-dark', this.dark);
      const theme = this.$vuetify.theme.themes.nrdb;
      const page = this.dark ? '#12151a' : '#f3f5f8';
      const card = this.dark ? '#1b2027' : '#ffffff';
      theme.dark = this.dark;
      Object.assign(theme.colors, {
        background: page,
        surface: card,
        'navigation-background': card,
        'group-background': page,
        'group-outline': page,
        primary: this.dark ? '#f08a9b' : '#b3304a',
      });
    },
    remember(key, value) {
      try {
        localStorage.setItem(`emotion-opinion-${key}`, value);
      } catch {
        // A browser that keeps nothing forgets the choice; nothing else depends on it.
      }
    },
    recall(key) {
      try {
        return localStorage.getItem(`emotion-opinion-${key}`);
      } catch {
        return null;
      }
    },
    opened() {},
    closed() {},
    /** Sends a question; only the answer to the newest one of its kind is taken. */
    ask(kind, question) {
      this.request += 1;
      this.latest[kind] = this.request;
      this.send({ payload: { ...question, ask: kind, request: this.request } });
    },
    receive(message) {
      const { payload, topic } = message ?? {};
      if (topic === 'changed') this.changed(payload);
      if (!payload?.ask || payload.request !== this.latest[payload.ask]) return;
      this.problem = payload.error ?? '';
      if (!payload.error || payload.rules) this.answered(payload);
    },
    start() {
      const wanted = this.recall('locale') ?? (/^zh\b/i.test(navigator.language) ? 'zh' : 'en');
      this.setLocale(wanted === 'zh' ? 'zh' : 'en');
      const theme = this.recall('theme');
      this.dark = theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
      this.paint();
      // The dashboard paints its own theme when a page is opened: ours comes after it.
      this.repaint = setTimeout(() => this.paint(), 50);
      this.onMessage = (message) => this.receive(message);
      this.onConnect = () => {
        this.connected = true;
        this.refresh();
      };
      this.onDisconnect = () => {
        this.connected = false;
      };
      this.$socket.on(`msg-input:${this.id}`, this.onMessage);
      this.$socket.on('connect', this.onConnect);
      this.$socket.on('disconnect', this.onDisconnect);
      this.refresh();
    },
    stop() {
      clearTimeout(this.repaint);
      this.$socket.off(`msg-input:${this.id}`, this.onMessage);
      this.$socket.off('connect', this.onConnect);
      this.$socket.off('disconnect', this.onDisconnect);
    },
    colour(name) {
      return `var(--op-${name})`;
    },
    percent(share) {
      if (share === null || !Number.isFinite(share)) return '–';
      return new Intl.NumberFormat(this.locale, {
        style: 'percent',
        maximumFractionDigits: share < 0.1 ? 1 : 0,
      }).format(share);
    },
    amount(count) {
      return new Intl.NumberFormat(this.locale).format(count);
    },
    moment(time, options) {
      return new Intl.DateTimeFormat(this.locale === 'zh' ? 'zh-CN' : 'en-GB', options).format(
        time,
      );
    },
  },
  strings: {
    en: {
      title: 'Public opinion',
      'page.overview': 'Overview',
      'page.topics': 'Topics',
      'page.batch': 'Batch analysis',
      'page.briefing': 'Briefing',
      live: 'live',
      offline: 'no connection',
      dark: 'Dark colours',
      light: 'Light colours',
      neutral: 'neutral',
      happy: 'happy',
      sad: 'sad',
      angry: 'angry',
      fear: 'fear',
      disgust: 'disgust',
      surprise: 'surprise',
      uncertain: 'uncertain',
    },
    zh: {
      title: '舆情监测',
      'page.overview': '总览',
      'page.topics': '主题',
      'page.batch': '批量分析',
      'page.briefing': '简报',
      live: '实时',
      offline: '连接中断',
      dark: '深色',
      light: '浅色',
      neutral: '中性',
      happy: '高兴',
      sad: '悲伤',
      angry: '愤怒',
      fear: '恐惧',
      disgust: '厌恶',
      surprise: '惊讶',
      uncertain: '不确定',
    },
  },
};
