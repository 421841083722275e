// The front end of the panels. It draws what the kernel's `state` says and sends what a person does.
// What it decides itself: which images have been seen, and whether the kernel still answers.
// Every text enters the page as textContent, never as HTML.

const BEAT = 500; // milliseconds between two questions to the kernel
const SILENCE = 2000; // milliseconds without an answer after which it counts as gone
const LOST = 'The kernel does not answer: it is busy, stopped, or the connection is gone. '
  + 'Nothing is accepted until it is back. If this line stays, reload the page or run the cell again.';
const LOST_ALONE = 'The server does not answer. Nothing is accepted until it is back; what was stored stays stored. '
  + 'If this line stays, reload the page, or ask whoever sent you here.'; // on a page without code
const QUICK = 'That was too quick: this page has just come. Look, then press again.';
const WHICH = 'Which one? Point at an image, tap it or go to it with the arrow keys first.';
const KEY_NAMES = { ' ': 'space', ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const keyName = key => KEY_NAMES[key] || key;

function make(tag, cls, text) {
  const e = document.createElement(tag);
  e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
}

function button(cls, text, key, onclick) {
  const b = make('button', cls);
  b.type = 'button';
  b.append(make('span', '', text));
  if (key) b.append(make('kbd', '', keyName(key)));
  b.onclick = onclick;
  return b;
}

// Ask the kernel again and again whether it and the store are there; tell(fault) gets '' or what is wrong.
function heartbeat(model, view, lost, tell) {
  let asked = 0; // when the oldest question without an answer was sent
  const answer = message => {
    if (message.pong !== view) return;
    asked = 0;
    tell(message.fault);
  };
  const ask = () => {
    const now = performance.now();
    if (document.hidden) { asked = 0; return; }
    if (asked && now - asked > SILENCE) tell(lost);
    asked ||= now;
    try { model.send({ action: 'ping', view }); } catch { tell(lost); }
  };
  model.on('msg:custom', answer);
  const timer = setInterval(ask, BEAT);
  ask();
  return () => { clearInterval(timer); model.off('msg:custom', answer); };
}

// One image, large: wheel, + and - change its size, dragging moves it, Escape closes it.
function magnifier(host) {
  const dialog = make('dialog', 'hfi-magnifier');
  const img = make('img', '');
  const close = button('hfi-tool', 'Close', 'Escape', () => dialog.close());
  let scale = 1, x = 0, y = 0;
  const place = () => { img.style.transform = `translate(${x}px, ${y}px) scale(${scale})`; };
  const by = factor => { scale = Math.min(16, Math.max(.5, scale * factor)); place(); };
  dialog.append(img, close);
  host.append(dialog);
  dialog.onwheel = e => { e.preventDefault(); by(e.deltaY < 0 ? 1.2 : 1 / 1.2); };
  img.onpointermove = e => { if (e.buttons) { x += e.movementX; y += e.movementY; place(); } };
  img.draggable = false;
  dialog.onclick = e => { if (e.target === dialog) dialog.close(); };
  dialog.onclose = () => host.focus({ preventScroll: true });
  const open = tile => {
    const from = tile.querySelector('img');
    img.src = from.src;
    img.alt = from.alt;
    img.className = from.className;
    scale = 1; x = 0; y = 0;
    place();
    if (!dialog.open) dialog.showModal();
  };
  const key = (name, zoomKey) => {
    if (name === '+' || name === '=') by(1.2);
    else if (name === '-') by(1 / 1.2);
    else if (name === 'Escape' || name === zoomKey) dialog.close();
  };
  return { open, key, dialog };
}

// What has been seen of the page on the screen, and since when it is there.
class Sight {
  constructor(host, tiles, changed) { // changed: called when more of the page has been seen
    Object.assign(this, { host, tiles, changed, seen: new Set(), since: 0, timer: 0, conceal: '', look: 0 });
  }
  begin(conceal, look) { // a new page comes
    Object.assign(this, { conceal, look, seen: new Set(), since: 0 });
    clearTimeout(this.timer);
    this.host.removeAttribute('data-ready');
    for (const b of this.tiles.children) b.classList.remove('hfi-shown', 'hfi-unseen');
  }
  loaded() { // an image arrived or failed
    if (this.since || ![...this.tiles.children].every(b => b.loaded)) return;
    this.since = performance.now();
    this.timer = setTimeout(() => this.notice(), 1000 * this.look + 20);
    this.notice();
  }
  hidden(b) { // whether a tile is blurred right now
    return this.conceal === 'blur' && !this.host.classList.contains('hfi-reveal')
      && !b.matches('.hfi-shown, .hfi-over, :focus-visible');
  }
  notice() {
    if (!this.since) return;
    const before = this.seen.size;
    [...this.tiles.children].forEach((b, i) => {
      if (!this.hidden(b)) { this.seen.add(i); b.classList.remove('hfi-unseen'); }
    });
    if (!this.objection()) this.host.dataset.ready = 'true';
    if (this.seen.size > before) this.changed();
  }
  age() { return this.since ? (performance.now() - this.since) / 1000 : 0; }
  unseen() { return [...this.tiles.children].filter((b, i) => !this.seen.has(i) && !b.answered); }
  objection() { // why an answer about the whole page does not count yet
    if (!this.since || this.age() < this.look) return QUICK;
    const rest = this.unseen();
    if (!rest.length) return '';
    const images = rest.length === 1 ? '1 image has' : `${rest.length} images have`;
    return `${images} not been shown yet (dashed): point at, tap or show them first.`;
  }
}

class View {
  constructor(model, host) {
    Object.assign(this, { model, host, id: Math.random().toString(36), sent: 0, urls: [], page: null });
    this.lost = model.get('state').alone ? LOST_ALONE : LOST;
    this.fault = ''; // what the heartbeat says
    this.objection = ''; // what the front end itself refused
    Object.assign(this, { current: null, pending: false, remark: '', choosing: false, guide: false, touch: false });
    this.build();
    this.sight = new Sight(host, this.tiles, () => this.reconsider());
    this.zoom = magnifier(host);
    host.tabIndex = 0;
    host.dataset.lmSuppressShortcuts = 'true';
    host.setAttribute('role', 'group');
    host.addEventListener('keydown', e => this.keydown(e));
    host.addEventListener('click', e => {
      if (e.detail > 0 && !e.target.closest('input, dialog')) host.focus({ preventScroll: true });
    });
  }

  build() {
    const part = (name, tag, cls) => { this[name] = make(tag, cls); return this[name]; };
    const head = make('div', 'hfi-head');
    const foot = make('div', 'hfi-foot');
    const said = make('div', 'hfi-said');
    const dock = make('div', 'hfi-dock'); // stays in view on a small screen
    head.append(part('title', 'h3', ''), part('who', 'bdi', 'hfi-who'));
    said.append(part('notice', 'span', 'hfi-notice'), part('undo', 'button', 'hfi-undo-link'));
    foot.append(part('bar', 'progress', ''), part('status', 'span', 'hfi-status'),
      make('span', 'hfi-focus', 'click the panel, then use the keys'));
    dock.append(part('tools', 'div', 'hfi-tools'), part('reasons', 'div', 'hfi-tools hfi-reasons'),
      part('error', 'div', 'hfi-error'), said);
    this.host.append(head, part('help', 'p', 'hfi-help'), part('guideline', 'div', 'hfi-guideline'),
      part('tiles', 'div', 'hfi-tiles'), part('summary', 'ul', 'hfi-summary'), dock,
      part('lesser', 'div', 'hfi-tools hfi-lesser'), part('note', 'input', ''), foot, part('live', 'div', 'hfi-live'));
    this.undo.type = 'button';
    this.undo.textContent = 'Undo';
    this.undo.onclick = () => this.act('undo');
    this.live.setAttribute('aria-live', 'polite');
    this.error.setAttribute('role', 'alert');
    this.bar.setAttribute('aria-label', 'progress');
    this.note.maxLength = 10000;
    this.note.onkeydown = e => {
      if (e.key === 'Enter' && this.note.value) this.comment();
    };
  }

  // ---- what a person does

  send(action, value = null) {
    if (this.fault) return this.alarm(this.fault);
    this.objection = '';
    const { seen, look } = this.sight;
    const message = { action, value, view: this.id, turn: this.sent, page: this.page };
    if (look) Object.assign(message, { seen: [...seen], age: this.sight.age() });
    try { this.model.send(message); } catch { return this.object(this.lost); }
    this.sent++; // only what was sent has a turn: the kernel waits for each
  }

  act(action, value = null) {
    const s = this.model.get('state');
    if (action === 'show') return this.reveal();
    if (action === 'zoom') return this.enlarge();
    if (action === 'note') return this.note.focus();
    if (action === 'guideline') return this.toggleGuide();
    if (action === 'skip' && s.reasons.length && value === null && !this.choosing) return this.choose(true);
    if (action === 'unsure' && s.tiles.length > 1) {
      value = this.here();
      if (value === null) return this.object(WHICH);
    }
    if (s.guarded.includes(action)) {
      if (this.pending) return;
      const why = this.sight.objection();
      if (why) {
        this.sight.unseen().forEach(b => b.classList.add('hfi-unseen'));
        return this.object(why);
      }
      this.pending = !this.fault;
    }
    this.choose(false);
    this.send(action, value);
  }

  press(i, how) { // an image is clicked, tapped or named by its key: what was never seen is shown first
    const b = this.tiles.children[i];
    this.go(i);
    if (how === 'touch' ? this.sight.hidden(b) : !this.sight.seen.has(i)) {
      b.classList.add('hfi-shown');
      return this.sight.notice();
    }
    this.send('tile', i);
  }

  reveal() {
    const on = this.host.classList.toggle('hfi-reveal');
    if (!on) for (const b of this.tiles.children) b.classList.remove('hfi-shown', 'hfi-over');
    this.sight.notice();
    this.label();
  }

  enlarge(i = this.here()) {
    if (i === null) i = 0;
    const b = this.tiles.children[i];
    if (!b) return;
    this.go(i);
    this.zoom.open(b);
    b.classList.add('hfi-shown');
    this.sight.notice();
  }

  comment() {
    this.remark = this.note.value;
    this.send('comment', [this.here() ?? 0, this.note.value]);
    this.host.focus({ preventScroll: true });
  }

  choose(on) { // the reasons for a skip
    this.choosing = on;
    this.reasons.hidden = !on;
  }

  toggleGuide() {
    this.guide = !this.guide;
    this.draw();
  }

  here() { // the image that a person points at, or went to last
    const tiles = [...this.tiles.children];
    const over = tiles.findIndex(b => b.matches('.hfi-over'));
    if (over >= 0) return over;
    return tiles.length === 1 ? 0 : this.current;
  }

  go(i) {
    this.current = i;
    [...this.tiles.children].forEach((b, n) => {
      b.tabIndex = n === (i ?? 0) ? 0 : -1;
      b.classList.toggle('hfi-current', n === i);
    });
    const which = this.tiles.children.length > 1 ? `image ${(this.here() ?? 0) + 1}` : 'this image';
    this.note.placeholder = `A comment on ${which}, then Enter`;
    this.note.setAttribute('aria-label', this.note.placeholder);
  }

  keydown(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key !== 'Tab') e.stopPropagation();
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    const hot = this.model.get('hotkeys')[key];
    if (this.zoom.dialog.open) {
      if (key !== 'Tab') e.preventDefault();
      return this.zoom.key(key, hot && hot[0] === 'zoom' ? key : null);
    }
    if (e.target.closest('input')) { if (e.key === 'Escape') this.host.focus(); return; }
    if (e.target.closest('.hfi-tile') && key === ' ') return; // the focused image answers to space itself
    if (e.target.closest('.hfi-tool, .hfi-undo-link') && (key === 'Enter' || key === ' ')) return;
    if (this.choosing && this.reason(key)) return e.preventDefault();
    if (!hot && !MOVES[key]) return;
    e.preventDefault();
    if (!hot) return this.move(...MOVES[key]);
    if (e.repeat) return;
    if (hot[0] === 'tile') this.press(hot[1], 'key'); else this.act(...hot);
  }

  reason(key) {
    const s = this.model.get('state');
    if (key === 'Escape') { this.choose(false); return true; }
    const text = s.reasons[Number(key) - 1];
    if (text) this.act('skip', text);
    return !!text;
  }

  move(dx, dy) {
    const n = this.tiles.children.length;
    if (!n) return;
    const cols = getComputedStyle(this.tiles).gridTemplateColumns.split(' ').length;
    const from = this.current ?? -1;
    const to = from < 0 ? 0 : from + dx + dy * cols;
    if (to < 0 || to >= n) return;
    this.go(to);
    this.tiles.children[to].focus();
  }

  // ---- what the kernel says

  tile(i) {
    const b = make('button', 'hfi-tile');
    const img = make('img', '');
    b.type = 'button';
    b.append(img, make('span', 'hfi-badge'), make('kbd', ''), make('bdi', 'hfi-caption'));
    const done = () => { b.loaded = true; this.sight.loaded(); };
    img.onload = () => { img.classList.toggle('hfi-sharp', img.naturalWidth <= 128); done(); };
    img.onerror = done;
    const look = () => { this.go(i); this.sight.notice(); };
    const over = on => { b.classList.toggle('hfi-over', on); if (on) look(); };
    b.onpointerenter = e => { if (e.pointerType !== 'touch') over(true); };
    b.onpointerleave = e => { if (e.pointerType !== 'touch') over(false); };
    b.onpointerdown = e => { this.touch = e.pointerType === 'touch'; };
    b.onfocus = () => { if (b.matches(':focus-visible')) look(); };
    b.onclick = e => this.press(i, e.detail > 0 && this.touch ? 'touch' : 'mouse');
    b.addEventListener('wheel', e => {
      if (!e.ctrlKey && !e.altKey) return;
      e.preventDefault();
      this.enlarge(i);
    }, { passive: false });
    return b;
  }

  paint(b, t) {
    const [img, badge, key, caption] = b.children;
    img.alt = t.alt;
    badge.textContent = t.badge;
    key.textContent = t.key;
    caption.textContent = t.caption;
    caption.hidden = !t.caption;
    key.hidden = !t.key;
    b.answered = !!t.badge;
    b.setAttribute('aria-pressed', t.on);
    b.setAttribute('aria-label', t.label);
    b.dataset.mark = t.mark;
  }

  turnPage(s) { // new images; those of the page before are let go
    if (this.page !== null && this.title.getBoundingClientRect().top < 0) this.host.scrollIntoView();
    this.page = s.page;
    this.objection = '';
    this.sight.begin(s.conceal, s.look);
    this.urls.forEach(URL.revokeObjectURL);
    this.urls = this.model.get('pictures').map(bytes => URL.createObjectURL(new Blob([bytes])));
    if (this.tiles.children.length !== s.tiles.length) {
      if (this.tiles.contains(document.activeElement)) this.host.focus({ preventScroll: true });
      this.tiles.replaceChildren(...s.tiles.map((_, i) => this.tile(i)));
    }
    [...this.tiles.children].forEach((b, i) => { b.loaded = false; b.firstChild.src = this.urls[i]; });
    this.go(null);
  }

  draw() {
    const s = this.model.get('state');
    this.pending = false;
    if (this.page !== s.page) this.turnPage(s);
    s.tiles.forEach((t, i) => this.paint(this.tiles.children[i], t));
    this.host.style.setProperty('--cols', s.cols);
    this.host.style.setProperty('--size', s.size + 'px');
    this.host.dataset.conceal = s.conceal;
    this.host.classList.toggle('hfi-many', s.tiles.length > 1);
    this.host.setAttribute('aria-label', s.title);
    this.title.textContent = s.title;
    this.who.textContent = s.who;
    this.help.textContent = s.help;
    this.bar.max = s.total || 1;
    this.bar.value = s.done;
    this.status.textContent = s.status;
    this.summary.replaceChildren(...s.summary.map(line => make('li', '', line)));
    this.note.hidden = !s.tiles.length;
    this.drawGuide(s);
    this.drawTools(s);
    this.drawSaid(s);
    if (s.alone) document.title = s.concept;
  }

  drawGuide(s) {
    const lines = s.reading || this.guide ? s.guideline.split('\n') : [];
    this.guideline.hidden = !lines.length;
    this.tiles.hidden = s.reading;
    this.note.hidden ||= s.reading;
    this.guideline.replaceChildren(...lines.map(line => {
      const [, marks, text] = line.match(/^(#+\s+|[-*]\s+)?(.*)$/);
      return make('p', !marks ? '' : marks[0] === '#' ? 'hfi-heading' : 'hfi-item', text);
    }));
  }

  drawTools(s) {
    const asked = JSON.stringify([s.tools, s.lesser]);
    if (this.drawn !== asked) {
      this.drawn = asked;
      const buttons = s.tools.map(([action, text, key]) => {
        const b = button('hfi-tool hfi-do-' + action, text, key, () => this.act(action));
        b.dataset.action = action;
        return b;
      });
      const apart = b => s.lesser.includes(b.dataset.action);
      this.tools.replaceChildren(...buttons.filter(b => !apart(b)));
      this.lesser.replaceChildren(...buttons.filter(apart));
    }
    this.reasons.replaceChildren(make('span', '', 'Why? These images come back later.'),
      ...s.reasons.map((text, i) => button('hfi-tool', text, `${i + 1}`, () => this.act('skip', text))),
      button('hfi-tool', 'Do not skip', 'Escape', () => this.choose(false)));
    this.reasons.hidden = !this.choosing;
    this.label();
  }

  label() { // the button says what it will do
    const b = this.tools.querySelector('.hfi-do-show span');
    if (b) b.textContent = this.host.classList.contains('hfi-reveal') ? 'Blur' : 'Show all';
  }

  drawSaid(s) {
    if (this.live.textContent !== s.notice) this.live.textContent = s.notice;
    this.notice.textContent = s.notice;
    this.undo.hidden = !s.takeback;
    if (this.remark && !s.error) this.note.value = '';
    this.remark = '';
    this.warn();
  }

  object(text) { // a refusal of the front end's own; it stays until the next thing that is done
    this.objection = text;
    this.pending = false;
    this.alarm(text);
    this.error.scrollIntoView({ block: 'nearest' }); // on a small screen a refusal below the edge looks like no effect
  }

  reconsider() { // more has been seen, so a refusal for what was not says what is left
    if (!this.objection || this.objection === WHICH) return;
    this.objection = this.sight.objection();
    this.warn();
  }

  warn() { this.alarm(this.fault || this.model.get('state').error || this.objection); }

  alarm(text) {
    this.error.textContent = text;
    this.error.hidden = !text;
  }

  tell(fault) { // the heartbeat's news
    if (fault === this.fault) return;
    this.fault = fault;
    this.host.classList.toggle('hfi-lost', !!fault);
    this.warn();
  }
}

// A panel that is alone on its page has all its keys, whatever has the focus.
function takeKeys(view, el) {
  const { host } = view;
  el.classList.add('hfi-alone');
  const focus = () => { if (host.isConnected) host.focus({ preventScroll: true }); else requestAnimationFrame(focus); };
  const keydown = e => {
    if (host.contains(e.target) || e.key === 'Tab') return;
    focus();
    view.keydown(e);
  };
  focus();
  document.addEventListener('keydown', keydown, true);
  return () => document.removeEventListener('keydown', keydown, true);
}

function render({ model, el }) {
  const host = make('div', 'hfi-panel');
  el.classList.add('hfi-frame');
  el.append(host);
  const view = new View(model, host);
  const draw = () => view.draw();
  draw();
  model.on('change:state', draw);
  const stop = heartbeat(model, view.id, view.lost, fault => view.tell(fault));
  const free = model.get('state').alone ? takeKeys(view, el) : () => {};
  return () => {
    stop();
    free();
    view.urls.forEach(URL.revokeObjectURL);
    model.off('change:state', draw);
  };
}

export default { render };
