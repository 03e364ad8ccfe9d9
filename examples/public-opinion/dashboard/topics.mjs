// The table of topics: a name and a Boolean rule of keywords.
export default {
  data() {
    return { here: 'topics', rules: [], draft: { id: '', name: '', rule: '' }, asked: '' };
  },
  computed: {},
  methods: {
    refresh() {
      this.ask('topics', {});
    },
    changed() {},
    /** What is being written stays, unless the answer is to it: the table may be read at any time. */
    answered({ ask, rules, error }) {
      if (rules) this.rules = rules;
      if (error) return;
      if (ask === 'deleteTopic') this.asked = '';
      const gone = this.draft.id && !this.rules.some(({ id }) => id === this.draft.id);
      if (ask === 'saveTopic' || gone) this.reset();
    },
    edit({ id, name, rule }) {
      this.draft = { id, name, rule };
    },
    reset() {
      this.draft = { id: '', name: '', rule: '' };
      this.asked = '';
    },
    save() {
      this.ask('saveTopic', this.draft);
    },
    /** The first press asks, the second deletes. */
    remove({ id }) {
      if (this.asked === id) this.ask('deleteTopic', { id });
      else this.asked = id;
    },
  },
  watch: {},
  strings: {
    en: {
      rules: 'Topics by rule',
      'rules-note': 'A rule holds for the posts that come from now on',
      name: 'Name',
      rule: 'Rule',
      'last-day': 'Posts in 24 h',
      edit: 'Edit',
      delete: 'Delete',
      really: 'Really delete?',
      'no-rules': 'No rules yet: posts are sorted by the MQTT topic that they came by.',
      change: 'Change a topic',
      add: 'Add a topic',
      syntax:
        'Words joined by AND, OR, NOT and brackets; "two words" in quotes stand side by side.',
      cancel: 'Cancel',
      save: 'Save',
    },
    zh: {
      rules: '按规则划分的主题',
      'rules-note': '规则对此后到达的帖子生效',
      name: '名称',
      rule: '规则',
      'last-day': '24 小时帖子数',
      edit: '编辑',
      delete: '删除',
      really: '确认删除？',
      'no-rules': '还没有规则：帖子按其到达的 MQTT 主题归类。',
      change: '修改主题',
      add: '新增主题',
      syntax: '用 AND、OR、NOT 和括号连接词语；"引号中的词" 须连在一起。',
      cancel: '取消',
      save: '保存',
    },
  },
};
