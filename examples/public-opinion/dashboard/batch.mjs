// Files of texts: upload, choose the column, watch, download the file with the emotions added.
export default {
  data() {
    return {
      here: 'batch',
      file: null,
      preview: null,
      column: '',
      uploading: false,
      over: false,
      jobs: [],
    };
  },
  computed: {},
  methods: {
    refresh() {
      this.ask('jobs', {});
    },
    /** The state of one job, as it changes. */
    changed(job) {
      const index = this.jobs.findIndex((one) => one.job === job.job);
      if (index >= 0) this.jobs.splice(index, 1, job);
      else this.jobs.unshift(job);
    },
    answered({ jobs }) {
      if (jobs) this.jobs = [...jobs].sort((a, b) => b.created - a.created);
    },
    chosen() {
      this.take(this.$refs.file.files[0]);
    },
    drop(event) {
      this.over = false;
      this.take(event.dataTransfer.files[0]);
    },
    /** Columns and first rows: of the beginning of the file, which is enough. */
    async take(file) {
      if (!file) return;
      this.file = file;
      this.preview = null;
      const answer = await this.upload('preview', file.slice(0, 200_000), {});
      if (!answer) return;
      this.preview = answer;
      this.column = answer.column ?? answer.columns[0] ?? '';
    },
    async begin() {
      this.uploading = true;
      const job = await this.upload('start', this.file, { column: this.column });
      this.uploading = false;
      if (!job) return;
      this.file = null;
      this.preview = null;
      this.$refs.file.value = '';
      // A short file may have been analysed before this answer is here: what the page was told of it meanwhile is newer.
      if (!this.jobs.some((one) => one.job === job.job)) this.changed(job);
    },
    async upload(action, body, more) {
      const query = new URLSearchParams({ action, name: this.file.name, ...more });
      try {
        const response = await fetch(`${this.root()}opinion/batches?${query}`, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          body,
        });
        const answer = await response.json();
        this.problem = response.ok ? '' : (answer.detail ?? answer.title);
        return response.ok ? answer : undefined;
      } catch (error) {
        this.problem = `${this.t('not-sent')} ${error.message}`;
        return undefined;
      }
    },
    /** Where the flow's own addresses begin: what stands before the dashboard. */
    root() {
      const dashboard = this.address('overview').replace(/\/[^/]*$/, '');
      return dashboard.slice(0, dashboard.lastIndexOf('/') + 1);
    },
    download({ job }) {
      return `${this.root()}opinion/batches/${encodeURIComponent(job)}`;
    },
    command(action, { job }) {
      if (action === 'remove') this.jobs = this.jobs.filter((one) => one.job !== job);
      this.ask(action, { job });
    },
    running({ state }) {
      return state === 'running' || state === 'waiting';
    },
    stopped({ state }) {
      return state === 'cancelled' || state === 'failed';
    },
    left(seconds) {
      if (seconds < 90) return `${Math.ceil(seconds)} s`;
      return `${Math.ceil(seconds / 60)} min`;
    },
    size(bytes) {
      return new Intl.NumberFormat(this.locale, {
        style: 'unit',
        unit: bytes < 1e6 ? 'kilobyte' : 'megabyte',
        maximumFractionDigits: 1,
      }).format(bytes < 1e6 ? bytes / 1e3 : bytes / 1e6);
    },
  },
  watch: {},
  strings: {
    en: {
      upload: 'Analyse a file',
      'upload-note': 'CSV or JSON Lines; it stays on this machine',
      drop: 'Choose a file, or drop it here',
      column: 'Column',
      start: 'Analyse',
      uploading: 'Uploading …',
      jobs: 'Files',
      'no-jobs': 'No file has been analysed yet.',
      'state.waiting': 'waits',
      'state.running': 'runs',
      'state.done': 'done',
      'state.failed': 'failed',
      'state.cancelled': 'cancelled',
      rows: '{0} rows',
      speed: '{0} rows/s',
      left: '{0} left',
      failed: '{0} without an answer',
      cancel: 'Cancel',
      resume: 'Resume',
      download: 'Download',
      remove: 'Delete',
      'not-sent': 'Not sent:',
    },
    zh: {
      upload: '分析文件',
      'upload-note': 'CSV 或 JSON Lines；文件不会离开本机',
      drop: '选择文件，或拖放到此处',
      column: '列',
      start: '开始分析',
      uploading: '上传中…',
      jobs: '文件',
      'no-jobs': '还没有分析过文件。',
      'state.waiting': '等待中',
      'state.running': '进行中',
      'state.done': '已完成',
      'state.failed': '失败',
      'state.cancelled': '已取消',
      rows: '{0} 行',
      speed: '{0} 行/秒',
      left: '剩余 {0}',
      failed: '{0} 行无结果',
      cancel: '取消',
      resume: '继续',
      download: '下载',
      remove: '删除',
      'not-sent': '未能发送：',
    },
  },
};
