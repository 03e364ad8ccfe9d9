/* global RED, $ */

/** The dialog that imports a model, opened from the one of emotion-model. */
window.emotionImport = (() => {
  const NAMESPACE = '@emowire/node-red-emotion/emotion-model';
  const EMOTIONS = ['neutral', 'happy', 'sad', 'angry', 'fear', 'disgust', 'surprise'];
  const POLL_MS = 400;
  const ADDRESS = 'emotion-model/import';

  const text = (key, values) => RED._(`${NAMESPACE}:import.${key}`, values);
  const emotionName = (emotion) => RED._(`${NAMESPACE}:emotions.${emotion}`);
  const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1);

  const send = (method, path, body) =>
    $.ajax({
      method,
      url: ADDRESS + path,
      ...(body && { data: JSON.stringify(body), contentType: 'application/json' }),
    });

  function row(id, icon, key, input) {
    const name = `emotion-import-${id}`;
    return $('<div class="form-row"></div>').append(
      $('<label></label>')
        .attr('for', name)
        .append($('<i></i>').addClass(`fa ${icon}`), ' ', $('<span></span>').text(text(key))),
      input.attr('id', name),
    );
  }

  const field = (key) => $('<input type="text">').attr('placeholder', key ? text(key) : '');

  const button = (id, icon, key) =>
    $('<button type="button" class="red-ui-button"></button>')
      .attr('id', `emotion-import-${id}`)
      .append($('<i></i>').addClass(`fa ${icon}`), ' ', $('<span></span>').text(text(key)));

  /** What a label means: an emotion, nothing, or not yet chosen. */
  function meaningOf({ label, emotion }) {
    const select = $('<select></select>').attr({
      'data-label': label,
      'aria-label': text('meaning-of', { label }),
    });
    if (emotion === undefined)
      $('<option value=""></option>').text(text('choose')).appendTo(select);
    for (const one of EMOTIONS) {
      $('<option></option>').val(one).text(emotionName(one)).appendTo(select);
    }
    $('<option value="-"></option>').text(text('left-out')).appendTo(select);
    return select.val(emotion === undefined ? '' : (emotion ?? '-'));
  }

  /** One open dialog. Everything that it asks the runtime ends when it is closed. */
  class ImportDialog {
    constructor({ configuration, token, done }) {
      this.configuration = configuration;
      this.done = done;
      this.job = undefined;
      this.closed = false;
      this.build(token);
      this.showProposal(undefined);
      this.loadState();
    }

    build(token) {
      this.from = $('<select></select>').append(
        $('<option value="hub"></option>').text(text('from-hub')),
        $('<option value="folder"></option>').text(text('from-folder')),
      );
      this.hubId = field('hub-id-example');
      this.revision = field('').attr('placeholder', 'main');
      this.endpoint = field('');
      this.token = $('<input type="password" autocomplete="off">').val(token.val());
      this.token.on('change', () => token.val(this.token.val()).trigger('change'));
      this.folder = field('folder-example');
      this.id = field('');
      this.softmax = $('<input type="checkbox" id="emotion-import-softmax">');
      this.look = button('look', 'fa-search', 'look');
      this.start = button('start', 'fa-download', 'start').addClass('primary');
      this.cancel = button('cancel', 'fa-stop', 'cancel');
      this.bar = $('<progress max="1" class="emotion-import-bar"></progress>').attr(
        'aria-label',
        text('progress'),
      );
      this.state = $('<div class="emotion-import-state" role="status"></div>');
      this.problem = $('<div class="emotion-model-problem" role="alert"></div>');

      this.hubRows = $('<div></div>').append(
        row('hub-id', 'fa-cloud-download', 'hub-id', this.hubId),
        row('revision', 'fa-code-fork', 'revision', this.revision),
        row('endpoint', 'fa-globe', 'endpoint', this.endpoint),
        row('token', 'fa-key', 'token', this.token),
      );
      this.folderRow = row('folder', 'fa-folder-o', 'folder', this.folder);
      this.proposal = $('<div class="emotion-import-proposal"></div>');
      this.content = $('<div class="emotion-dialog emotion-import"></div>').append(
        $('<p></p>').text(text('what-fits')),
        row('from', 'fa-sign-in', 'from', this.from),
        this.hubRows,
        this.folderRow,
        $('<div class="form-row"></div>').append(this.look),
        this.proposal,
        $('<div class="emotion-import-actions"></div>').append(
          this.bar,
          this.state,
          this.problem,
          $('<div></div>').append(this.start, ' ', this.cancel),
        ),
      );

      this.from.on('change', () => this.toggleSource()).trigger('change');
      for (const input of [this.hubId, this.revision, this.endpoint, this.folder]) {
        input.on('input', () => this.showProposal(undefined));
        input.on('keydown', (event) => {
          if (event.key === 'Enter') this.look.trigger('click');
        });
      }
      this.look.on('click', () => void this.propose());
      this.start.on('click', () => void this.run());
      this.cancel.on('click', () => void this.stop());
    }

    toggleSource() {
      const folder = this.from.val() === 'folder';
      this.hubRows.toggle(!folder);
      this.folderRow.toggle(folder);
      this.showProposal(undefined);
    }

    source() {
      if (this.from.val() === 'folder') return { source: this.folder.val().trim() };
      const revision = this.revision.val().trim();
      const token = this.token.val().trim();
      return {
        source: this.hubId.val().trim() + (revision ? `@${revision}` : ''),
        endpoint: this.endpoint.val().trim(),
        configuration: this.configuration,
        // The editor shows a token that it keeps as this, never the token itself.
        ...(token !== '__PWRD__' && { token }),
      };
    }

    /** The address that is used where none is given, and an import that is still running. */
    async loadState() {
      try {
        const { endpoint, jobs } = await send('GET', '');
        this.endpoint.attr('placeholder', endpoint);
        const running = jobs.filter(({ state }) => state === 'running').pop();
        if (running && !this.job && !this.closed) this.follow(running);
      } catch (response) {
        this.fail(response);
      }
    }

    async propose() {
      this.showProposal(undefined);
      this.problem.text('');
      const request = this.source();
      if (!request.source) {
        this.problem.text(text('no-source'));
        return;
      }
      this.look.prop('disabled', true);
      this.state.text(text('looking'));
      try {
        const proposal = await send('POST', '/propose', request);
        this.state.text('');
        this.showProposal(proposal);
      } catch (response) {
        this.state.text('');
        this.fail(response);
      } finally {
        this.look.prop('disabled', false);
      }
    }

    showProposal(proposal) {
      this.proposed = proposal;
      this.proposal.empty();
      this.start
        .toggle(proposal !== undefined)
        .find('span')
        .text(text('start'));
      this.cancel.toggle(this.job !== undefined);
      if (proposal === undefined) return;

      this.id.val(proposal.id);
      const facts = [
        text('licence', { licence: proposal.licence }),
        text('precision', { precision: proposal.precision }),
      ];
      if (proposal.languages.length > 0) {
        facts.push(text('languages', { languages: proposal.languages.join(', ') }));
      }
      const table = $('<table class="emotion-import-labels"></table>').append(
        $('<thead></thead>').append(
          $('<tr></tr>').append(
            $('<th scope="col"></th>').text(text('label')),
            $('<th scope="col"></th>').text(text('means')),
          ),
        ),
        $('<tbody></tbody>').append(
          proposal.labels.map((one) =>
            $('<tr></tr>').append(
              $('<td></td>').text(one.label),
              $('<td></td>').append(meaningOf(one)),
            ),
          ),
        ),
      );
      table.on('change', () => this.checkMeanings());
      this.proposal.append(
        $('<div class="emotion-model-facts"></div>').append(
          facts.map((fact) => $('<span></span>').text(fact)),
        ),
        row('id', 'fa-tag', 'id', this.id),
        proposal.replaces ? $('<p></p>').text(text('replaces', { id: proposal.id })) : '',
        proposal.multiLabel
          ? $('<div class="form-row"></div>').append(
              this.softmax,
              $('<label for="emotion-import-softmax"></label>').text(text('softmax')),
            )
          : '',
        $('<p></p>').text(text('say-what-labels-mean')),
        table,
      );
      this.softmax.off('change').on('change', () => this.checkMeanings());
      this.checkMeanings();
    }

    meanings() {
      const mapping = {};
      for (const select of this.proposal.find('select')) {
        mapping[select.dataset.label] = select.value;
      }
      return mapping;
    }

    /** Importing needs a meaning for each label, and two emotions among them. */
    checkMeanings() {
      const chosen = Object.values(this.meanings());
      const emotions = new Set(chosen.filter((value) => value !== '-'));
      const multiLabel = this.proposed?.multiLabel && !this.softmax.prop('checked');
      const problem = chosen.includes('')
        ? text('labels-open')
        : emotions.size < 2
          ? text('too-few-emotions')
          : multiLabel
            ? text('needs-softmax')
            : '';
      this.problem.text(problem);
      this.start.prop('disabled', problem !== '');
    }

    async run() {
      const mapping = Object.fromEntries(
        Object.entries(this.meanings()).map(([label, value]) => [
          label,
          value === '-' ? null : value,
        ]),
      );
      const { precision, multiLabel } = this.proposed;
      this.problem.text('');
      this.start.prop('disabled', true);
      try {
        const job = await send('POST', '', {
          ...this.source(),
          id: this.id.val().trim(),
          configuration: this.configuration,
          precision,
          mapping,
          ...(multiLabel && { multiLabel: 'softmax' }),
        });
        this.follow(job);
      } catch (response) {
        this.start.prop('disabled', false);
        this.fail(response);
      }
    }

    follow(job) {
      this.job = job;
      this.show(job);
      this.timer = setTimeout(() => void this.ask(), POLL_MS);
    }

    async ask() {
      if (this.closed || !this.job) return;
      try {
        const job = await send('GET', `/${this.job.job}`);
        if (this.closed) return;
        if (job.state === 'running') this.follow(job);
        else this.end(job);
      } catch (response) {
        this.fail(response);
        this.end(undefined);
      }
    }

    show({ id, phase, received, total }) {
      const downloading = phase === 'downloading' && total > 0;
      this.cancel.show();
      this.look.prop('disabled', true);
      this.start.prop('disabled', true);
      this.bar.show();
      if (downloading) this.bar.val(received / total);
      else this.bar.removeAttr('value');
      this.state.text(
        downloading
          ? text('downloading', {
              id,
              percent: Math.floor((100 * received) / total),
              received: megabytes(received),
              total: megabytes(total),
            })
          : text(phase === 'downloading' ? 'asking' : phase, { id }),
      );
    }

    end(job) {
      this.job = undefined;
      this.cancel.hide();
      this.bar.hide();
      this.look.prop('disabled', false);
      this.start.prop('disabled', false).find('span').text(text('again'));
      this.state.text('');
      if (job?.state === 'failed') this.problem.text(job.error.message);
      if (job?.state === 'cancelled') this.state.text(text('cancelled'));
      if (job?.state === 'done') {
        this.done(job.id);
        RED.tray.close();
        RED.notify(text('done', { id: job.id }), 'success');
      }
    }

    async stop() {
      this.cancel.prop('disabled', true);
      try {
        const job = await send('DELETE', `/${this.job.job}`);
        clearTimeout(this.timer);
        this.end(job);
      } catch (response) {
        this.fail(response);
      } finally {
        this.cancel.prop('disabled', false);
      }
    }

    fail(response) {
      // Scripts are loaded in any order: the other one is there by now, not before.
      this.problem.text(window.emotionEditor.requestError(response));
    }

    close() {
      this.closed = true;
      clearTimeout(this.timer);
    }
  }

  /**
   * @param options.configuration id of the emotion-model configuration
   * @param options.token the field of the configuration's dialog that keeps the token
   * @param options.done is told the id of a model that has been imported
   */
  function open(options) {
    const dialog = new ImportDialog(options);
    RED.tray.show({
      title: text('title'),
      width: 600,
      buttons: [
        {
          id: 'emotion-import-close',
          text: RED._('common.label.close'),
          click: () => RED.tray.close(),
        },
      ],
      open: (tray) => dialog.content.appendTo(tray.find('.red-ui-tray-body')),
      close: () => dialog.close(),
    });
  }

  return { open };
})();
