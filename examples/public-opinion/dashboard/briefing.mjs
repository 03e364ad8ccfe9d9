// The briefing of a time, to read and to download.
export default {
  data() {
    return {
      here: 'briefing',
      periods: ['today', 'yesterday', 'week'],
      period: 'today',
      briefing: null,
      waiting: true,
      forms: [
        { name: 'html', title: 'HTML', type: 'text/html', file: 'briefing.html' },
        { name: 'markdown', title: 'Markdown', type: 'text/markdown', file: 'briefing.md' },
        { name: 'csv', title: 'CSV', type: 'text/csv', file: 'briefing.csv' },
      ],
    };
  },
  computed: {},
  methods: {
    refresh() {
      this.waiting = true;
      const today = new Date();
      today.setHours(0, 0, 0, 0);
      const day = 86_400_000;
      const [from, to] = {
        today: [today.getTime(), Date.now() + 1],
        yesterday: [today.getTime() - day, today.getTime()],
        week: [Date.now() - 7 * day, Date.now() + 1],
      }[this.period];
      this.ask('briefing', { from, to, locale: this.locale });
    },
    changed() {},
    choose(period) {
      this.period = period;
      this.refresh();
    },
    answered(briefing) {
      this.waiting = false;
      this.briefing = briefing;
    },
    save({ name, type, file }) {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(
        new Blob([this.briefing[name]], { type: `${type};charset=utf-8` }),
      );
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    },
  },
  watch: {
    locale() {
      this.refresh();
    },
    problem(problem) {
      if (problem) this.waiting = false;
    },
  },
  strings: {
    en: {
      'period.today': 'Today',
      'period.yesterday': 'Yesterday',
      'period.week': '7 days',
      waiting: 'The briefing is being written …',
    },
    zh: {
      'period.today': '今天',
      'period.yesterday': '昨天',
      'period.week': '7 天',
      waiting: '正在生成简报…',
    },
  },
};
