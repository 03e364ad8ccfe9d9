/* global RED, $ */

/** What the dialogs of the suite share in the editor. Loaded once, by the page of emotion-model. */
window.emotionEditor = (() => {
  const NAMESPACE = '@emowire/node-red-emotion/emotion-model';

  /** A text of the shared catalogue; variables as in `__name__`. */
  const text = (key, values) => RED._(`${NAMESPACE}:editor.${key}`, values);

  /** Models by id, as the runtime listed them last; empty until it has answered. */
  const installed = new Map();
  let known = false;

  async function loadModels() {
    const models = await $.getJSON('emotion-model/models');
    installed.clear();
    for (const model of models) installed.set(model.id, model);
    known = true;
    return models;
  }

  /** The execution providers that the machine of the runtime may have. */
  const loadProviders = () => $.getJSON('emotion-model/providers');

  /** Reads a folder that holds a model but is not among the installed ones. */
  const inspectFolder = (folder) => $.getJSON('emotion-model/inspect', { folder });

  /** The message of a failed request, in the language of the runtime where it gave one. */
  function requestError(response) {
    return response?.responseJSON?.message ?? response?.statusText ?? String(response);
  }

  /** What is wrong with an installed model, as far as the editor knows. */
  function modelProblem(id) {
    if (!known) return undefined;
    const model = installed.get(id);
    return model ? model.error?.message : text('not-installed', { model: id });
  }

  function language() {
    return RED.i18n.lang().toLowerCase().startsWith('zh') ? 'zh' : 'en';
  }

  const title = (model) => model.title?.[language()] ?? model.title?.en ?? model.id;

  function megabytes(bytes) {
    const value = bytes / 1e6;
    return `${value < 0.1 ? value.toFixed(3) : value.toFixed(1)} MB`;
  }

  /** One line about a model: architecture, languages, size, headline metrics, licence. */
  function facts(model) {
    const parts = [];
    if (model.routes) {
      for (const [from, to] of Object.entries(model.routes)) parts.push(`${from} → ${to}`);
    } else {
      parts.push(model.architecture);
      if (model.languages.length > 0) parts.push(model.languages.join(', '));
    }
    parts.push(megabytes(model.bytes));
    for (const { name, value, dataset, headline } of model.metrics) {
      if (headline) parts.push(`${name} ${value} (${dataset})`);
    }
    parts.push(model.licence.weights);
    return parts;
  }

  /** Opens the model card beside the dialog. */
  async function showCard(model) {
    let card;
    try {
      card = await $.get({ url: 'emotion-model/card', data: { model }, dataType: 'text' });
    } catch (response) {
      RED.notify(RED.utils.sanitize(requestError(response)), 'error');
      return;
    }
    RED.tray.show({
      title: text('card', { model: RED.utils.sanitize(model) }),
      width: 700,
      buttons: [
        {
          id: 'emotion-card-close',
          class: 'primary',
          text: RED._('common.label.close'),
          click: () => RED.tray.close(),
        },
      ],
      open(tray) {
        $('<div class="red-ui-help emotion-card"></div>')
          .html(RED.utils.renderMarkdown(card))
          .appendTo(tray.find('.red-ui-tray-body'));
      },
    });
  }

  /** What stands in the rows that most dialogs have, by their `data-row`; `key` is the label's text. */
  const ROWS = {
    name: (key) => `
      <label for="node-input-name"><i class="fa fa-tag"></i> <span data-i18n="${key}"></span></label>
      <input type="text" id="node-input-name" data-i18n="[placeholder]${key}" />`,
    property: (key) => `
      <label for="node-input-property"><i class="fa fa-ellipsis-h"></i> <span data-i18n="${key}"></span></label>
      <input type="text" id="node-input-property" style="width: calc(100% - 150px)" />
      <input type="hidden" id="node-input-propertyType" />`,
    model: (key) => `
      <label for="node-input-model"><i class="fa fa-cube"></i> <span data-i18n="${key}"></span></label>
      <input type="text" id="node-input-model" />`,
  };

  /** Writes out the rows with `data-row` in the template of a node's dialog, before it is opened. */
  function writeRows(type) {
    const script = document.querySelector(`script[data-template-name="${type}"]`);
    const template = document.createElement('template');
    template.innerHTML = script.textContent;
    for (const row of template.content.querySelectorAll('[data-row]')) {
      row.classList.add('form-row');
      row.innerHTML = ROWS[row.dataset.row](row.dataset.text);
    }
    script.textContent = template.innerHTML;
  }

  /** How a node is called in the palette and, where it has no name, in a flow. */
  const palette = (key) => ({
    paletteLabel() {
      return this._(key);
    },
    label() {
      return this.name || this._(key);
    },
    labelStyle() {
      return this.name ? 'node_label_italic' : '';
    },
  });

  /** Turns the property of a dialog into a TypedInput. */
  function propertyInput(node) {
    $('#node-input-property').typedInput({
      default: node.propertyType ?? 'msg',
      types: ['msg', 'flow', 'global'],
      typeField: '#node-input-propertyType',
    });
  }

  const validators = {
    /** A property path of the type that stands in `typeProperty` beside it. */
    property: RED.validators.typedInput('propertyType'),

    /** A number from `least` to `most`, whole where `whole` is set; nothing where `optional` is. */
    number: ({ least, most = Infinity, whole = true, optional = false }) =>
      function (value, opt) {
        if (optional && (value === '' || value === undefined)) return true;
        const number = Number(value);
        const valid =
          value !== '' &&
          Number.isFinite(number) &&
          number >= least &&
          number <= most &&
          (!whole || Number.isInteger(number));
        if (valid) return true;
        const range = most === Infinity ? `≥ ${least}` : `${least} – ${most}`;
        return text(whole ? 'needs-whole-number' : 'needs-number', {
          setting: opt?.label ?? '',
          range,
        });
      },
  };

  /** Whether a Catch node of the same tab is told of the errors of a node. */
  function isCaught(node) {
    return RED.nodes.filterNodes({ type: 'catch', z: node.z }).some(({ scope, g, d }) => {
      if (d) return false;
      if (Array.isArray(scope)) return scope.includes(node.id);
      return scope === 'group' ? isWithin(node, g) : true;
    });
  }

  /** Whether a node lies in a group, or in one inside it. */
  function isWithin(node, group) {
    for (let at = node.g; at; at = RED.nodes.group(at)?.g) {
      if (at === group) return true;
    }
    return false;
  }

  /** A badge on each node of these types whose errors go nowhere. Inside a subflow nobody can know. */
  function badgeUncaught(types) {
    const counts = (node) => types.includes(node.type);
    RED.view.annotations.register('emotion-uncaught', {
      type: 'badge',
      class: 'emotion-uncaught',
      filter: counts,
      element() {
        const badge = document.createElementNS('http://www.w3.org/2000/svg', 'path');
        badge.setAttribute(
          'd',
          'M5 0a5 5 0 1 1 0 10a5 5 0 1 1 0-10zM4.3 2v3.8h1.4V2zM4.3 6.8v1.4h1.4V6.8z',
        );
        return badge;
      },
      show: (node) => Boolean(RED.nodes.workspace(node.z)) && !node.d && !isCaught(node),
      tooltip: () => text('uncaught'),
    });
    const refresh = ({ type, z }) => {
      if (type !== 'catch' && !types.includes(type)) return;
      for (const node of RED.nodes.filterNodes({ z })) if (counts(node)) node.dirty = true;
      RED.view.redraw();
    };
    for (const event of ['nodes:add', 'nodes:remove', 'nodes:change'])
      RED.events.on(event, refresh);
  }
  badgeUncaught(['emotion-infer']);

  return {
    facts,
    inspectFolder,
    loadModels,
    loadProviders,
    modelProblem,
    palette,
    propertyInput,
    requestError,
    showCard,
    text,
    title,
    validators,
    writeRows,
  };
})();
