/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The page of dnsflow_collect: asks /api/v1 and shows what it says. One file without a build step, as it is built into
 * the program and a browser then has one script to ask for and to check.
 *
 * What comes from the collector was sent by strangers: it becomes text nodes through el(), text in a <bdi>, and never
 * markup. Sections: elements, words, state, asking, panels, tables, charts, health, views, search, frame. */
'use strict';
(() => {

/* ---- elements ---- */

const $ = id => document.getElementById(id);

/* Children are nodes, or texts; attributes that begin with "on" are listeners. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/* A text of strangers: its direction stays its own. */
const foreign = text => el('bdi', { class: 'mono' }, text);

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

/* ---- words: numbers, sizes, times ---- */

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const NBSP = '\u00a0';

const number = n => n === null || n === undefined ? '–' : WHOLE.format(n);
const plural = (n, word) => number(n) + ' ' + word + (n === 1 ? '' : 's');

function size(bytes) {
  let unit = 0;
  for (; bytes >= 1024 && unit < 5; unit++) bytes /= 1024;
  return (unit === 0 || bytes >= 100 ? bytes.toFixed(0) : bytes.toFixed(1)) + NBSP
      + ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit];
}

function share(part, whole) {
  if (!whole || !part) return part ? '' : '0' + NBSP + '%';
  const percent = 100 * part / whole;
  return (percent < 0.001 ? '<0.001' : percent < 0.1 ? percent.toFixed(3) : percent < 10 ? percent.toFixed(1)
      : percent.toFixed(0)) + NBSP + '%';
}

const UNITS = [[86400 * 365, 'years', 2], [86400, 'days', 2], [3600, 'h', 2], [60, 'min', 2], [1, 's', 0]];

function lasting(seconds) {
  const [unit, word] = UNITS.find(([unit, , times]) => seconds >= unit * times) || UNITS[4];
  return WHOLE.format(Math.floor(Math.max(0, seconds) / unit)) + NBSP + word;
}

const two = n => String(n).padStart(2, '0');

/* "2026-01-31 10:00:00", in UTC or local time. */
function stamp(ms) {
  const d = new Date(state.isLocal ? ms - new Date(ms).getTimezoneOffset() * 60000 : ms);
  return isNaN(d) ? '–' : d.toISOString().slice(0, 19).replace('T', ' ');
}

function zone(ms) {
  if (!state.isLocal) return 'UTC';
  const ahead = -new Date(ms).getTimezoneOffset();
  return (ahead < 0 ? '-' : '+') + two(Math.floor(Math.abs(ahead) / 60)) + ':' + two(Math.abs(ahead) % 60);
}

const exact = ms => stamp(ms) + ' ' + zone(ms);
const iso = ms => new Date(ms).toISOString().slice(0, 19) + 'Z';

/* What the collector's clock says, as that of this machine may be wrong. */
let aheadMs = 0;
const now = () => Date.now() + aheadMs;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/* "3 min ago"; "27 Nov 09:58" behind an hour, with the year if that is another. */
function ago(ms) {
  const seconds = (now() - ms) / 1000;
  if (seconds >= 3600 || seconds < -60 || isNaN(ms)) {
    const [year, month, day, time] = stamp(ms).split(/[- ]/);
    return !month ? '–' : +day + ' ' + MONTHS[month - 1] + ' ' + (stamp(now()).startsWith(year) ? '' : year + ' ')
        + time.slice(0, 5);
  }
  return seconds < 2 ? 'now' : lasting(seconds) + ' ago';
}

function timeNode(text) {
  if (!text) return '–';
  const ms = Date.parse(text);
  return el('time', { datetime: text, title: exact(ms) }, ago(ms));
}

function ageTimes(node) {
  for (const time of node.querySelectorAll('time[datetime]')) setText(time, ago(Date.parse(time.dateTime)));
}

/* ---- state: all that is asked stands in the address of the page ---- */

const DEFAULT_SINCE = '24h';
const KEPT = ['since', 'until', 'time']; // goes along from view to view, `time` being what clocks show
const state = { view: 'health', subject: '', unknown: '', since: DEFAULT_SINCE, until: '', isLocal: false,
    more: new URLSearchParams() };

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function readState() {
  const [path, query] = location.hash.slice(1).split('?', 2);
  const [view, ...subject] = path.split('/');
  const more = new URLSearchParams(query || '');
  state.unknown = VIEWS[view] ? '' : decoded(path);
  state.view = VIEWS[view] ? view : 'health';
  state.subject = VIEWS[view] ? decoded(subject.join('/')) : '';
  state.since = more.get('since') || DEFAULT_SINCE;
  state.until = more.get('until') || '';
  state.isLocal = more.get('time') === 'local';
  state.more = more;
}

/* The address of a view, with the time that is asked about; values that are null are left out. */
function link(view, subject, more) {
  const query = new URLSearchParams();
  const all = { since: state.since === DEFAULT_SINCE ? null : state.since, until: state.until || null,
                time: state.isLocal ? 'local' : null, ...more };
  for (const [name, value] of Object.entries(all)) if (value !== null && value !== undefined) query.set(name, value);
  return '#' + view + (subject ? '/' + encodeURIComponent(subject) : '') + (query.size ? '?' + query : '');
}

/* The same view, other values. */
function changed(values) {
  const more = Object.fromEntries([...state.more].filter(([name]) => !KEPT.includes(name)));
  return link(state.view, state.subject, { ...more, ...values });
}

let entries = 0;

function go(address) {
  history.replaceState({ ...history.state, scroll: scrollY }, '');
  history.pushState({ entry: ++entries }, '', address);
  route(null);
}

/* Milliseconds of a time as the API takes it: how long ago, or a date. */
function momentOf(text) {
  const relative = /^(\d+)([smhd])$/.exec(text);
  if (relative) return now() - relative[1] * { s: 1, m: 60, h: 3600, d: 86400 }[relative[2]] * 1000;
  return Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? text + 'T00:00:00Z' : text);
}

const untilMs = () => state.until ? momentOf(state.until) : now();
const sinceMs = () => state.since === 'all' ? NaN : momentOf(state.since);
const spanParams = () => ({ since: state.since === 'all' ? null : state.since, until: state.until || null });

function spanWords() {
  if (state.since === 'all') return state.until ? 'until ' + exact(untilMs()) : 'in all that is kept';
  const relative = /^(\d+)([smhd])$/.exec(state.since);
  if (relative && !state.until)
    return 'in the last ' + plural(+relative[1], { s: 'second', m: 'minute', h: 'hour', d: 'day' }[relative[2]]);
  return 'from ' + exact(sinceMs()) + ' ' + (state.until ? 'until ' + exact(untilMs()) : 'up to now');
}

/* ---- asking ---- */

const AT_ONCE = 3, PATIENCE_MS = 40000;

/* code: unauthorized, forbidden, bad_parameter, not_found, busy, failed, and away: no answer at all. */
class Refusal extends Error {
  constructor(code, message, parameter) {
    super(message.replace(/^[a-z]/, c => c.toUpperCase()));
    this.code = code;
    this.parameter = parameter;
  }
}

let token = sessionStorage.getItem('dnsflow-token');
let isTokenAsked = false; // nothing is asked until there is another one
let running = 0;
const waiting = [];

async function inTurn(work, signal) {
  if (running >= AT_ONCE) await new Promise(resolve => waiting.push(resolve));
  running++;
  try {
    if (signal && signal.aborted) throw new Refusal('gone', '');
    return await work();
  } finally {
    running--;
    if (waiting.length) waiting.shift()();
  }
}

function addressOf(path, params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params || {}))
    if (value !== null && value !== undefined) query.append(name, value);
  return path + (query.size ? (path.includes('?') ? '&' : '?') + query : '');
}

const AWAY = 'The collector does not answer.';

async function fetchOnce(address, signal) {
  if (isTokenAsked) throw new Refusal('unauthorized', 'The collector asks for a token.');
  const stop = AbortSignal.timeout(PATIENCE_MS);
  let answer;
  try {
    answer = await fetch(address, { headers: token ? { Authorization: 'Bearer ' + token } : {}, cache: 'no-store',
                                    credentials: 'omit', signal: signal ? AbortSignal.any([signal, stop]) : stop });
    if (answer.ok) return { answer, body: await answer.text() };
  } catch {
    throw new Refusal(signal && signal.aborted ? 'gone' : 'away', AWAY);
  }
  const said = (await answer.json().catch(() => ({}))).error || {};
  const codes = { 401: 'unauthorized', 403: 'forbidden', 400: 'bad_parameter', 404: 'not_found' };
  const code = said.code || codes[answer.status] || (answer.status === 503 ? 'busy' : 'failed');
  if (answer.status === 401) askToken(token ? 'The one that was given is not known to it.' : '');
  throw new Refusal(code, said.message || 'The collector says ' + answer.status + '.', said.parameter);
}

const pause = (ms, signal) => new Promise(resolve => {
  const timer = setTimeout(resolve, ms);
  if (signal) signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
});

/* Asks once more when the collector is busy, as it says to. */
async function ask(path, params, signal) {
  for (let tries = 0; ; tries++) {
    try {
      const { body } = await inTurn(() => fetchOnce(addressOf(path, params), signal), signal);
      return JSON.parse(body);
    } catch (why) {
      if (why instanceof SyntaxError) throw new Refusal('failed', 'The answer is no JSON.');
      if (why.code !== 'busy' || tries >= 3) throw why;
    }
    await pause(1000 + 500 * tries, signal);
  }
}

/* What is shown, as a file; through fetch, so that the token goes along. */
async function exportAs(path, params, format, name) {
  const { body } = await inTurn(() => fetchOnce(addressOf(path, { ...params, format }), null), null);
  const types = { csv: 'text/csv', json: 'application/json', ndjson: 'application/x-ndjson' };
  const url = URL.createObjectURL(new Blob([body], { type: types[format] }));
  el('a', { href: url, download: name.replace(/[^\w.*:-]+/g, '_').slice(0, 80) + '.' + format }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/* ---- panels: a heading, a body, and what is to be said about it ---- */

const ADVICE = {
  away: 'It is asked again every 5 seconds. If that lasts, see whether dnsflow_collect runs and where its --http listens.',
  unauthorized: 'Give the token that belongs to this collector.',
  forbidden: 'Another token may be allowed to; or ask something without clients in it.',
  bad_parameter: 'Mend what is asked for, or choose another time.',
  not_found: 'This collector may be older than the page.',
  busy: 'Others ask much of it just now. It is asked again by itself.',
  failed: 'The log of dnsflow_collect says more.',
};

function stateBox(kind, title, words, ...actions) {
  return el('div', { class: 'state ' + kind }, el('p', { class: 'state-title' }, title), words && el('p', {}, words),
            actions.some(Boolean) && el('p', { class: 'row' }, actions));
}

/* The one thing that helps, for the errors that something here helps against. */
function remedy(why) {
  if (why.code === 'unauthorized' || why.code === 'forbidden')
    return el('button', { type: 'button', class: 'primary', onclick: () => askToken('', true) },
        why.code === 'forbidden' ? 'Other token' : 'Give the token');
  return el('button', { type: 'button', onclick: () => refresh(true) }, 'Ask again');
}

function panel(title, more) {
  const said = el('div', { class: 'said', hidden: true });
  const body = el('div', { class: 'body' }, stateBox('loading', 'Asking the collector …', ''));
  const tools = el('div', { class: 'tools' });
  const count = el('span', { class: 'count' });
  const id = 'panel-' + title.toLowerCase().replace(/[^a-z]+/g, '-');
  const node = el('section', { class: 'panel ' + ((more && more.className) || ''), 'aria-labelledby': id },
                  el('div', { class: 'panel-head' }, el('h2', { id }, title), count, tools), said, body);
  const self = { node, body, tools, count, isFilled: false,
    fill(...children) {
      if (!self.isFilled || children.length) body.replaceChildren(...children);
      self.isFilled = true;
    },
    /* What the answer is about and does not hold; an empty list takes it away. */
    say(list) {
      const text = JSON.stringify(list.map(one => [one.kind, one.text]));
      if (said.dataset.text === text) return;
      said.dataset.text = text;
      said.replaceChildren(...list.map(one => el('p', { class: one.kind }, one.strong
          && el('strong', {}, one.strong + ' '), foreignText(one.text), one.action)));
      show(said, list.length > 0);
    },
    fail(why) {
      if (self.isFilled && !body.querySelector('.state'))
        return why.code === 'away' ? undefined
            : self.say([{ kind: 'warn', strong: 'Not refreshed.', text: why.message + ' ' + (ADVICE[why.code] || ''),
            action: remedy(why) }]);
      body.replaceChildren(stateBox('error', why.message || AWAY, ADVICE[why.code], remedy(why)));
      self.isFilled = true;
    } };
  return self;
}

const foreignText = text => el('bdi', {}, text);

function answerNotes(answer, isPaged) {
  const list = (answer.notes || []).map(text => ({ kind: 'note', text }));
  if (answer.partial) {
    list.forEach(one => { one.kind = 'warn'; });
    if (!list.length) list.push({ kind: 'warn', text: '' });
    list[0].strong = 'Partial answer.';
    list.push({ kind: 'warn', text: 'A shorter time, or a narrower question, gives all of it.'
        + (isPaged ? ' So does going on page by page.' : '') });
  }
  return list;
}

/* Buttons that export what a panel shows; asked() gives path, parameters and a name. */
function exports(tools, asked, what) {
  for (const format of ['csv', 'json', 'ndjson'])
    tools.append(el('button', { type: 'button', class: 'quiet export', title: 'Save as ' + format.toUpperCase(),
        'aria-label': 'Save ' + what + ' as ' + format.toUpperCase(),
      onclick: async event => {
        const button = event.currentTarget;
        const [path, params, name] = asked();
        button.disabled = true;
        try {
          await exportAs(path, params, format, name);
        } catch (why) {
          announce('Not saved: ' + why.message);
        }
        button.disabled = false;
      } }, format.toUpperCase()));
}

/* ---- tables ---- */

const COLLATOR = new Intl.Collator('en', { numeric: true });
const FIRST_ROWS = 100, CHUNK = 200, MOST_ROWS = 10000, PAGE_ROWS = 1000;

/* Cells. A column: label, value(row) for order and filter, cell(row) for a node if it is other than the text; kind: num,
 * text; from: 'tablet' or 'wide', narrower screens leave it out; ifAny: left out where it is 0 in all rows. */
const nameLink = name => !name ? '–' : name === '*' ? el('span', { class: 'dim',
    title: 'Names of this client that are too many to keep each' }, '* (the rest)') :
  el('a', { href: link('name', name === '.' ? '*.' : name) }, foreign(name));
const addressLink = address => address ? el('a', { href: link('address', address) }, foreign(address)) : '–';
const clientLink = client => client ? el('a', { href: link('client', client) }, foreign(client)) : '–';
const rcodeLink = rcode => rcode && rcode !== 'NOERROR' ? el('a', { href: link('rcode', rcode) }, foreignText(rcode))
    : rcode || '–';

function rdataNode(row) {
  if (row.type === 'A' || row.type === 'AAAA') return addressLink(row.rdata);
  if (['CNAME', 'NS', 'PTR', 'DNAME'].includes(row.type)) return nameLink(row.rdata);
  return foreign(row.rdata);
}

const COLUMNS = {
  name: { label: 'Name', kind: 'what', value: row => row.name, cell: row => nameLink(row.name) },
  client: { label: 'Client', value: row => row.client, cell: row => clientLink(row.client) },
  type: { label: 'Type', value: row => row.type || '–', from: 'tablet' },
  rdata: { label: 'Answer', kind: 'what', value: row => row.rdata, cell: rdataNode },
  rcode: { label: 'Result', value: row => row.rcode || '–', cell: row => rcodeLink(row.rcode) },
  resolver: { label: 'Resolver', value: row => row.resolver || '–', cell: row => addressLink(row.resolver),
      from: 'wide' },
  count: { label: 'Count', kind: 'num', value: row => row.count },
  first: { label: 'First', kind: 'num time', value: row => row.first, cell: row => timeNode(row.first),
      from: 'tablet' },
  last: { label: 'Last', kind: 'num time', value: row => row.last, cell: row => timeNode(row.last) },
  strip: { label: 'Seen', kind: 'strip', value: row => row.first, cell: stripNode, from: 'wide', isLive: true },
};

/* From first to last within the time that is asked about. */
function stripNode(row) {
  const from = isNaN(sinceMs()) ? oldestMs : sinceMs(), to = untilMs();
  const at = text => Math.min(1, Math.max(0, (Date.parse(text) - from) / Math.max(1, to - from)));
  const bar = el('span', { class: 'strip-bar' });
  bar.style.left = 'min(' + 100 * at(row.first) + '%, 100% - 4px)';
  bar.style.width = 'max(4px, ' + 100 * (at(row.last) - at(row.first)) + '%)';
  return el('span', { class: 'strip', title: exact(Date.parse(row.first)) + ' to ' + exact(Date.parse(row.last)) },
      bar);
}

let oldestMs = Date.now() - 86400000;

const columns = (...names) => names.map(name => typeof name === 'string' ? COLUMNS[name] : name);
function textOf(column, row) {
  const value = column.value(row);
  return typeof value === 'number' ? number(value) : value === null || value === undefined ? '–' : String(value);
}

/* A table that is filled in place, so that scroll and focus stay: rows are known by what they are about. */
function rowsTable(title, list) {
  const body = el('tbody');
  const known = new Map(), counts = new Map(); // rows that are drawn by what they are about; how often that stands there
  const about = list.filter(column => !/num|strip/.test(column.kind || ''));
  const order = { column: null, sign: 1 }, off = new Set(); // columns without anything in them
  let rows = [], ordered = [], shown = CHUNK, filter = '';
  const heads = list.map(column => {
    const button = el('button', { type: 'button', class: 'sort', onclick: () => {
      const first = (column.kind || '').startsWith('num') ? -1 : 1;
      if (order.column !== column) Object.assign(order, { column, sign: first });
      else if (order.sign === first) order.sign = -first;
      else order.column = null;
      heads.forEach((head, i) => {
        if (list[i] === order.column) head.setAttribute('aria-sort', order.sign > 0 ? 'ascending' : 'descending');
        else head.removeAttribute('aria-sort');
      });
      shown = CHUNK;
      put();
    } }, column.label);
    return el('th', { scope: 'col', class: (column.kind || '') + ' ' + (column.from || ''), title: column.title },
        button);
  });
  const table = el('table', {}, el('caption', { class: 'hidden' }, title), el('thead', {}, el('tr', {}, heads)), body);
  const end = el('div', { class: 'end', 'aria-hidden': 'true' });
  const node = el('div', { class: 'scroll' }, table, end);

  function cellOf(column, row, isFirst) {
    return el(isFirst ? 'th' : 'td', { scope: isFirst ? 'row' : null, class: (column.kind || '') + ' '
        + (column.from || '') + ' ' + (column.mark ? column.mark(row) : '') },
              column.cell ? column.cell(row) : textOf(column, row));
  }
  function make(row) {
    const tr = el('tr', {}, list.map((column, i) => cellOf(column, row, i === 0)));
    list.forEach((column, i) => { tr.children[i].hidden = off.has(column); });
    tr.texts = list.map(column => textOf(column, row));
    return tr;
  }
  function update(tr, row) {
    list.forEach((column, i) => {
      const text = textOf(column, row);
      if (tr.texts[i] === text && !column.isLive) return;
      tr.texts[i] = text;
      tr.children[i].replaceChildren(...cellOf(column, row, i === 0).childNodes);
      if (column.mark) tr.children[i].className = cellOf(column, row).className;
    });
  }
  function idOf(row) {
    const what = about.map(column => column.value(row)).join('\n'), again = counts.get(what) || 0;
    counts.set(what, again + 1);
    return what + '\n' + again;
  }
  /* More of the rows, behind those that are there. */
  function grow() {
    const rest = ordered.slice(shown, shown += CHUNK * 2);
    body.append(...rest.map(row => {
      const tr = make(row);
      known.set(idOf(row), tr);
      return tr;
    }));
    show(end, shown < ordered.length);
  }
  function render() {
    const active = document.activeElement, isInside = node.contains(active);
    const used = new Set();
    let at = body.firstChild;
    counts.clear();
    for (const row of ordered.slice(0, shown)) {
      const id = idOf(row);
      used.add(id);
      let tr = known.get(id);
      if (tr) update(tr, row);
      else known.set(id, tr = make(row));
      if (tr === at) at = at.nextSibling;
      else body.insertBefore(tr, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    for (const id of known.keys()) if (!used.has(id)) known.delete(id);
    if (isInside && active !== document.activeElement && active.isConnected) active.focus({ preventScroll: true });
    show(end, shown < ordered.length);
    lookAgain();
    ageTimes(body);
  }
  function leaveOut() {
    list.forEach((column, i) => {
      const isOff = Boolean(column.ifAny) && !rows.some(row => column.value(row));
      if (isOff === off.has(column)) return;
      if (isOff) off.add(column);
      else off.delete(column);
      for (const tr of table.rows) tr.children[i].hidden = isOff;
    });
  }
  function put() {
    leaveOut();
    const needle = filter.toLowerCase();
    ordered = needle ? rows.filter(row => list.some(column => textOf(column, row).toLowerCase().includes(needle)))
        : rows.slice();
    const { column, sign } = order;
    if (column) ordered.sort((a, b) => {
      const x = column.value(a), y = column.value(b);
      return sign * (typeof x === 'number' && typeof y === 'number' ? x - y
          : COLLATOR.compare(String(x ?? ''), String(y ?? '')));
    });
    render();
  }
  const nearEnd = new IntersectionObserver(seen => {
    if (!seen[seen.length - 1].isIntersecting || shown >= ordered.length) return;
    grow();
    lookAgain();
  }, { rootMargin: '900px' });
  /* To be observed anew tells where it is now. */
  function lookAgain() {
    nearEnd.unobserve(end);
    nearEnd.observe(end);
  }
  return { node, set(all) { rows = all; put(); }, filter(text) { filter = text; shown = CHUNK; put(); },
      get matches() { return ordered.length; }, get total() { return rows.length; } };
}

/* A question's rows. options: path, params, columns, empty (words, or what gives a node), name, pages (there are
 * cursors), limit, change(rows, answer) to make other rows of them, onrows(rows) to be told of them. */
function tablePanel(title, options) {
  const self = panel(title, options);
  const table = rowsTable(title, options.columns);
  const more = el('button', { type: 'button', class: 'more', onclick: () => next() });
  const foot = el('div', { class: 'panel-foot', hidden: true }, more);
  const filter = el('input', { type: 'search', class: 'filter', placeholder: 'Filter', 'aria-label': 'Filter ' + title,
      oninput: () => { table.filter(filter.value); tell(); } });
  let rows = [], last = null, limit = options.limit || FIRST_ROWS, pages = 0, signal = null;
  self.tools.append(filter);
  filter.hidden = true;
  const params = () => ({ ...spanParams(), ...options.params });
  exports(self.tools, () => [options.path, { ...params(), limit: Math.min(MOST_ROWS, Math.max(rows.length, 1)),
      cursor: pages ? 'start' : null }, 'dnsflow-' + (options.name || title)], title);

  function tell() {
    const isMore = last && (last.more || last.next);
    setText(self.count, (filter.value ? number(table.matches) + ' of ' : '') + plural(table.total, 'row')
        + (isMore ? ', and more' : ''));
    const grown = rows.length >= PAGE_ROWS ? MOST_ROWS : PAGE_ROWS;
    setText(more, last && last.next ? 'Show ' + number(PAGE_ROWS) + ' more' : limit < MOST_ROWS ? 'Show up to '
        + number(grown) : 'Go on page by page, in order');
    show(foot, Boolean(isMore && (last.next || limit < MOST_ROWS || options.pages)));
    show(filter, table.total > 12);
  }
  async function put(answer) {
    last = answer;
    const shown = options.change ? await options.change(rows, answer) : rows;
    if (signal && signal.aborted) return;
    if (!rows.length) {
      setText(self.count, '');
      show(filter, false);
      show(foot, false);
      self.fill(options.isTimeless ? stateBox('empty', options.empty, '') : emptyBox(options.empty));
    } else {
      if (!table.node.isConnected) self.fill(table.node, foot);
      table.set(shown);
      tell();
    }
    const notes = answerNotes(answer, options.pages);
    if (pages > 1) notes.push({ kind: 'note', text: 'Pages hold still: what comes meanwhile is not added. ',
        action: el('button', { type: 'button', class: 'quiet', onclick: restart }, 'Follow again') });
    self.say(notes);
    if (options.onrows) options.onrows(rows);
  }
  function restart() {
    pages = 0;
    limit = options.limit || FIRST_ROWS;
    self.load(signal, {});
  }
  async function next() {
    more.disabled = true;
    try {
      if (last.next) {
        const answer = await ask(options.path, { ...params(), limit: PAGE_ROWS, cursor: last.next }, signal);
        rows = rows.concat(answer.rows);
        pages = Math.max(2, pages + 1);
        await put(answer);
      } else if (limit < MOST_ROWS) {
        limit = limit < PAGE_ROWS ? PAGE_ROWS : MOST_ROWS;
        await self.load(signal, {});
      } else {
        const answer = await ask(options.path, { ...params(), limit: PAGE_ROWS, cursor: 'start' }, signal);
        rows = answer.rows;
        pages = 2;
        await put(answer);
      }
    } catch (why) {
      if (why.code !== 'gone') self.fail(why);
    }
    more.disabled = false;
  }
  self.load = async (stop, how) => {
    signal = stop;
    if (pages > 1) return;
    const answer = await ask(options.path, { ...params(), limit, ...how }, stop);
    if (pages > 1) return;
    rows = answer.rows;
    await put(answer);
  };
  return self;
}

const isAllAsked = () => !state.until && (state.since === 'all' || Boolean(status && !(oldestMs < sinceMs())));

/* page.css shows the first of a view. */
const allLink = () => !isAllAsked() && el('a', { class: 'button all-kept', href: changed({ since: 'all', until: null }) },
    'Look in all that is kept');

function emptyBox(words) {
  return stateBox('empty', (typeof words === 'function' ? words() : words || 'Nothing') + ' ' + spanWords() + '.',
                  isAllAsked() ? 'Sensors may not have sent it, or it has been let go for its age.' : '', allLink());
}

/* ---- charts ---- */

/* Its legend sets a style attribute, which the Content-Security-Policy refuses; the panel has one of its own. */
Dygraph.PLUGINS = Dygraph.PLUGINS.filter(plugin => plugin !== Dygraph.Plugins.Legend);

/* What the upright axis names: at most five steps of 1, 2 or 5, whole where the numbers are. */
function ticks(largest, isWhole) {
  const rough = largest / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find(n => n * power >= rough * 0.999) * power, isWhole ? 1 : 0);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.floor(largest / step + 1e-9) + 1 }, (_, i) => ({ v: i * step,
      label: largest < 1000 ? (i * step).toFixed(digits) : SHORT.format(i * step) }));
}

/* A line. options: path, series(), label, value(row), rate(count, seconds), words(value), isWhole, ink, className,
 * empty. */
function chartPanel(title, options) {
  const self = panel(title, { className: 'chart ' + (options.className || '') });
  const legend = el('p', { class: 'legend', 'aria-hidden': 'true' });
  const plot = el('div', { class: 'plot', role: 'img' });
  const ink = el('span', { class: 'ink ' + (options.ink || '') });
  let graph = null, points = [], key = '';
  exports(self.tools, () => [options.path, { ...spanParams(), limit: MOST_ROWS }, 'dnsflow-series'], title);

  function tell(point) {
    const one = point || points[points.length - 1];
    setText(legend, !one ? '' : stamp(one[0].getTime()).slice(0, 16) + ' ' + zone(one[0].getTime()) + ': '
        + options.words(one[1]) + (point ? '' : ' (the latest)'));
  }
  /* Where there is no row there was nothing: 0 at both ends of each gap. The first step and the last may be cut. */
  function pointsOf(rows) {
    const step = rows[0].seconds * 1000, from = sinceMs() || 0, to = Math.max(untilMs(),
        Date.parse(rows[rows.length - 1].time) + 1);
    const list = [];
    let next = Date.parse(rows[0].time);
    const put = (t, count) => {
      const seconds = (Math.min(t + step, to) - Math.max(t, from)) / 1000;
      if (seconds * 4000 >= step || !list.length) list.push([new Date(t), options.rate(count, Math.max(seconds, 1))]);
    };
    const gap = until => {
      if (until > next) put(next, 0);
      if (until > next + step) put(until - step, 0);
    };
    for (const row of rows) {
      gap(Date.parse(row.time));
      put(Date.parse(row.time), options.value(row));
      next = Date.parse(row.time) + step;
    }
    gap(Math.floor(to / step) * step);
    return list;
  }
  function draw() {
    const css = name => getComputedStyle(ink)[name];
    const settings = { file: points, labelsUTC: !state.isLocal, colors: [css('color')],
        gridLineColor: css('borderTopColor'), axisLineColor: css('borderTopColor') };
    const look = JSON.stringify([settings.colors, settings.gridLineColor, settings.labelsUTC]);
    const largest = Math.max(...points.map(p => p[1]));
    settings.valueRange = [0, 1.12 * (largest || 1)];
    if (graph && look === key) return graph.updateOptions(settings);
    key = look;
    if (graph) graph.destroy();
    const down = Dygraph.defaultInteractionModel.mousedown;
    graph = new Dygraph(plot, points, { ...settings, file: undefined, labels: ['Time', options.label], legend: 'never',
        fillGraph: true, fillAlpha: 0.14,
      strokeWidth: 1.6, axisLabelFontSize: 11, highlightCircleSize: 3, drawPoints: points.length < 3, pointSize: 3,
          xRangePad: 2, animatedZooms: false,
      interactionModel: { mousedown: down, willDestroyContextMyself: true },
      highlightCallback: (event, x, near) => tell(points[near[0].idx] || points[0]), unhighlightCallback: () =>
          tell(null),
      zoomCallback: (from, to) => go(changed({ since: iso(from), until: iso(to) })),
      axes: { y: { axisLabelWidth: 44, ticker: (from, to) => ticks(to, options.isWhole) },
          x: { axisLabelWidth: 56, pixelsPerLabel: 90 } } });
  }
  self.load = async (signal, how) => {
    const { rows, ...answer } = await options.series(signal, how);
    self.say(answerNotes(answer));
    if (!rows.length) {
      if (graph) graph.destroy();
      graph = null;
      return self.fill(emptyBox(options.empty));
    }
    points = pointsOf(rows);
    if (!plot.isConnected) self.fill(legend, plot, ink);
    const values = points.map(p => p[1]);
    plot.setAttribute('aria-label', title + ' ' + spanWords() + ': at least ' + options.words(Math.min(...values))
        + ', at most ' + options.words(Math.max(...values)) + '.');
    draw();
    tell(null);
  };
  self.redraw = () => { if (points.length && plot.isConnected) draw(); };
  self.stop = () => { if (graph) graph.destroy(); };
  return self;
}

function seriesPanels() {
  let asked = null;
  const series = (signal, how) => { // both charts are of one answer
    asked = asked || ask('/api/v1/series', { ...spanParams(), limit: MOST_ROWS, ...how },
        signal).finally(() => { asked = null; });
    return asked;
  };
  const lost = row => sumOf(['network', 'here', 'down', 'send'], key => Math.max(0, row[key] || 0));
  const rate = n => n > 0 && n < 1 ? n.toPrecision(1) : n > 0 && n < 10 ? n.toFixed(1) : number(Math.round(n));
  return [
    chartPanel('Records per second', { path: '/api/v1/series', series, label: 'Records/s', value: row => row.records,
        rate: (n, seconds) => n / seconds,
      words: n => rate(n) + ' records/s', className: 'two-thirds', empty: 'No records came' }),
    chartPanel('Datagrams lost', { path: '/api/v1/series', series, label: 'Lost', ink: 'bad', isWhole: true,
      value: lost, rate: n => n,
      words: n => plural(Math.round(n), 'datagram') + ' lost', className: 'third', empty: 'Nothing was lost' }),
  ];
}

/* ---- loss: from the tap to the store ---- */

const STAGES = { // what stage is about: a loss, an end that is none, or the way itself
  tap: ['way', 'Packets at the tap'],
  interface: ['loss', 'Dropped by the interface'],
  ring: ['loss', 'No room in the ring'],
  refused: ['end', 'No DNS response'],
  held: ['end', 'Not whole yet'],
  delivered: ['way', 'Taken up'],
  messages: ['way', 'DNS messages'],
  unfit: ['end', 'Made no record'],
  answered: ['way', 'Made a record'],
  made: ['way', 'Datagrams made'],
  beside: ['way', 'Came twice, or late'],
  send: ['loss', 'Not sent'],
  network: ['loss', 'Lost on the way'],
  socket: ['loss', 'No room in the socket'],
  memory: ['loss', 'No room in memory'],
  down: ['loss', 'Nobody received'],
  journal: ['loss', 'Not written'],
  expired: ['loss', 'Gone before it was read'],
  stored: ['way', 'Stored'],
};

/* Rows of /api/v1/loss, to one object of each sensor: {source, sensor, stages: {stage: row}, kept}. */
function waterfalls(rows) {
  const ways = [];
  for (const row of rows) {
    let way = ways[ways.length - 1];
    if (!way || way.source !== row.source || way.sensor !== row.sensor || row.stage === 'tap')
      ways.push(way = { source: row.source, sensor: row.sensor, stages: {}, kept: null });
    if (row.stage === 'stored' && row.unit === 'records') way.kept = row.count;
    else way.stages[row.stage] = row;
  }
  for (const way of ways) {
    const of = name => (way.stages[name] && way.stages[name].count) || 0;
    way.made = of('made') + of('beside');
    way.lost = ['send', 'network', 'socket', 'memory', 'down', 'journal', 'expired'].reduce((sum, name) => sum
        + of(name), 0);
  }
  return ways;
}

const sensorOf = row => row.sensor === null || row.sensor === undefined ? hostOf(row.source)
    : String(row.sensor).split('/')[0];
const hostOf = source => String(source || '').replace(/^\[(.*)\]:\d+$/, '$1').replace(/^([^:]+):\d+$/, '$1');
const sensorName = way => way.source === 'all' ? 'All sensors' : way.sensor === null ? way.source : 'Sensor '
    + way.sensor;
const sensorLink = row => row.source === 'all' ? el('strong', {}, 'All sensors') :
  el('a', { href: link('sensor', sensorOf(row)) }, row.sensor === null ? foreign(hostOf(row.source)) : 'Sensor '
      + sensorOf(row));

function lossColumn(stage, label, title, from) {
  const of = way => way.stages[stage];
  return { label, kind: 'num', from, ifAny: STAGES[stage][0] === 'loss', title,
    value: way => of(way) ? of(way).count : null,
    mark: way => !of(way) || !of(way).count ? 'zero' : STAGES[stage][0] === 'loss' ? 'lossy' : '',
    cell: way => !of(way) || of(way).count === null ? el('span', { title: 'This sensor does not tell' }, '–') :
      el('span', { title: of(way).estimated === 'yes' ? 'Estimated' : null },
          (of(way).estimated === 'yes' && of(way).count ? '≈' : '') + number(of(way).count)) };
}

const lossColumns = [
  { label: 'Sensor', value: sensorName, cell: sensorLink },
  lossColumn('tap', 'Packets', 'Packets at the tap', 'tablet'),
  lossColumn('interface', 'Interface', 'Dropped by the interface'),
  lossColumn('ring', 'Ring', 'Packets that the sensor’s ring had no room for'),
  { label: 'Datagrams', kind: 'num', from: 'tablet', title: 'Datagrams that sensors made', value: way => way.made },
  lossColumn('send', 'Send', 'The sensor could not send them'),
  lossColumn('network', 'Network', 'Lost on the way'),
  lossColumn('socket', 'Socket', 'No room in the socket here'),
  lossColumn('memory', 'Memory', 'No room in memory here'),
  lossColumn('down', 'Down', 'Nobody received'),
  lossColumn('journal', 'Journal', 'Could not be written'),
  lossColumn('expired', 'Expired', 'Gone from the journal before they were read'),
  lossColumn('stored', 'Stored', 'Datagrams in the store', 'tablet'),
  { label: 'Lost', kind: 'num', value: way => way.made ? way.lost / way.made : 0, mark: way => way.lost ? 'lossy'
      : 'zero',
    cell: way => el('span', { title: plural(way.lost, 'datagram') + ' of ' + number(way.made) },
        share(way.lost, way.made)) },
];

/* A second is what telling the time takes. */
const clockColumn = key => ({ label: 'Clock', kind: 'num', from: 'wide', title: 'How far it is ahead',
    value: row => row[key] === null ? null : Math.abs(row[key]) < 2 ? 0 : row[key],
    cell: row => row[key] === null ? '–' : (row[key] >= 2 ? '+' : '')
        + number(Math.abs(row[key]) < 2 ? 0 : row[key]) + NBSP + 's' });

/* Bars, each beginning where what was there before it ends. */
function waterfallNode(way) {
  const groups = [['tap', 'interface', 'ring', 'refused', 'held', 'delivered'], ['messages', 'unfit', 'answered'],
                  ['made', 'beside', 'send', 'network', 'socket', 'memory', 'down', 'journal', 'expired', 'stored']];
  return el('div', { class: 'fall' }, groups.map((stages, i) => {
    const rows = stages.map(name => way.stages[name]).filter(Boolean);
    const whole = i === 2 ? way.made : rows[0] && rows[0].count;
    let gone = 0;
    return el('table', {}, el('caption', {}, ['Packets', 'Messages', 'Datagrams'][i]
        + (whole === null ? ': this sensor does not tell, it needs --extended' : '')),
      whole !== null && el('thead', { class: 'hidden' }, el('tr', {},
          ['Stage', 'Part of it', 'Count', 'Share'].map(word => el('th', { scope: 'col' }, word)))),
      whole !== null && el('tbody', {}, rows.map(row => {
        const [kind, words] = STAGES[row.stage];
        const bar = el('span', { class: 'bar ' + kind }), part = whole ? (row.count || 0) / whole : 0;
        const isOut = kind !== 'way';
        bar.style.left = 100 * (isOut ? Math.max(0, 1 - gone - part) : 0) + '%';
        bar.style.width = row.count ? 'max(2px, ' + 100 * part + '%)' : '0';
        if (isOut) gone += part;
        return el('tr', { class: row.count ? '' : 'zero' }, el('th', { scope: 'row' }, words),
            el('td', { class: 'track' }, el('span', { class: 'bars' }, bar)),
                  el('td', { class: 'num' + (kind === 'loss' && row.count ? ' lossy' : '') },
                      (row.estimated === 'yes' && row.count ? '≈' : '') + number(row.count)),
                  el('td', { class: 'num' }, whole && row.count !== null ? share(row.count, whole) : ''));
      })));
  }), el('p', { class: 'dim' }, plural(way.kept || 0, 'record') + ' in the store. ',
         way.stages.difference && way.stages.difference.count ? 'The sums differ by '
             + number(way.stages.difference.count) + ', which is a defect of the collector.' : 'The sums balance.'));
}

/* ---- health ---- */

const MANY_BEHIND = 100000;
let status = null;
const onStatus = new Set();

function tile(label, value, words, kind, extra) {
  return el('div', { class: 'tile ' + (kind || '') }, el('p', { class: 'tile-label' }, label),
      el('p', { class: 'tile-value' }, value), extra, words && el('p', { class: 'tile-words' }, words));
}

const sensorWord = s => s.sensor === null ? (s.address || 'others') + ' port ' + s.port : 'sensor ' + s.sensor
    + (s.worker ? ' worker ' + s.worker : '');
const lostOf = s => s.network_lost_datagrams_24h + s.here_lost_datagrams_24h + s.down_lost_datagrams_24h
    + s.send_lost_datagrams_24h;
const noneWords = s => s.lookups_since ? 'No sensor for a day' : 'No sensor yet';
const sumOf = (list, of) => list.reduce((sum, one) => sum + of(one), 0);

/* What is not well, worst first: [kind, words, what to do]. */
function troubles(s) {
  const list = [], silent = s.sensors.filter(one => !one.alive);
  const dropped = Object.entries(s.dropped_datagrams_24h).filter(([, n]) => n > 0);
  const help = { socket: 'the collector was too slow for a moment. The first line of its log says what room its '
      + 'socket has, which net.core.rmem_max limits', memory: 'the disk was too slow',
      journal: 'the disk failed or is full' };
  const sumLost = key => sumOf(s.sensors, one => one[key + '_24h']);
  const lost = (kind, n, word, words, advice) => { if (n) list.push([kind, plural(n, word) + words, advice]); };
  if (!s.running) list.push(['bad', 'No collector receives on this directory.',
      'Start dnsflow_collect run; what is kept can be asked meanwhile.']);
  if (s.lookups_files_damaged || s.lookups_files_missing)
    list.push(['bad', plural(s.lookups_files_damaged + s.lookups_files_missing, 'file')
        + ' of lookups damaged or missing.',
        'dnsflow_collect check names them; replay --rebuild makes them anew from the journal.']);
  for (const [reason, n] of dropped) list.push(['bad', plural(n, 'datagram') + ' dropped in 24 h for want of room ('
      + reason + ').', 'It means ' + (help[reason] || 'that there was no room') + '.']);
  lost('bad', sumLost('down_lost_datagrams'), 'datagram', ' came while the collector was down, in 24 h.',
      'They are lost; its log says when it ended and began.');
  lost('warn', sumLost('network_lost_datagrams'), 'datagram', ' lost on the way in 24 h.',
      'See the network between the sensors and this collector.');
  lost('warn', sumLost('send_lost_datagrams'), 'datagram', ' could not be sent by the sensors in 24 h.',
      'Their logs say why.');
  lost('warn', sumLost('ring_lost_packets'), 'packet', ' lost at the tap in 24 h.',
      'The sensors had no room for them: they were too slow, or need a larger ring.');
  const refused = Object.entries(s.not_taken_datagrams_24h).filter(([reason, n]) => n > 0 && reason !== 'doubled');
  if (refused.length) list.push(['warn', 'Datagrams were refused in 24 h: '
      + refused.map(([reason, n]) => number(n) + ' ' + reason.replace(/_/g, ' ')).join(', ') + '.',
      'See --allow and --auth-key; the collector\'s log says who sends them.']);
  if (silent.length) list.push(['warn', (silent.length === 1 ? 'One sensor is' : number(silent.length)
      + ' sensors are') + ' silent: ' + silent.slice(0, 4).map(one => sensorWord(one) + ' for '
      + lasting(one.silent_seconds)).join(', ') + (silent.length > 4 ? ' …' : '') + '.',
                               'See whether dnsflow runs there and what its log says of this collector.']);
  const idle = s.sensors.filter(one => one.alive && one.records_10min === 0);
  if (idle.length) list.push(['warn', 'No record came in 10 min of ' + idle.slice(0, 4).map(sensorWord).join(', ')
      + (idle.length > 4 ? ' …' : '') + ', which ' + (idle.length === 1 ? 'is' : 'are') + ' alive.',
                             'Their logs say why nothing is seen.']);
  if (s.running && (!s.up_to_date || s.behind_records > MANY_BEHIND)) list.push(['warn', 'The store is '
      + number(s.behind_records) + ' records behind.', 'Answers lack them until it has caught up.']);
  if (s.free_bytes < 64 * 1024 * 1024) list.push(['warn', 'Only ' + size(s.free_bytes) + ' are free on the disk.',
      'Make room, or set a smaller --max-size.']);
  for (const one of s.sensors.filter(one => Math.abs(one.clock_ahead_seconds || 0) > 60))
    list.push(['warn', 'The clock of ' + sensorWord(one) + ' is ' + lasting(Math.abs(one.clock_ahead_seconds))
        + (one.clock_ahead_seconds > 0 ? ' ahead.' : ' behind.'), 'Its records have its times; set the clock there.']);
  return list;
}

function tilesOf(s) {
  const alive = s.sensors.filter(one => one.alive).length, all = s.sensors.length;
  const records = sumOf(s.sensors, one => one.records_24h), lost = sumOf(s.sensors, lostOf),
      came = sumOf(s.sensors, one => one.datagrams_24h);
  const isLate = !s.up_to_date || s.behind_records > MANY_BEHIND;
  const ring = sumOf(s.sensors, one => one.ring_lost_packets_24h);
  const meter = el('span', { class: 'meter', role: 'meter', 'aria-label': 'Disk used', 'aria-valuemin': 0,
      'aria-valuemax': 100, 'aria-valuenow': Math.round(100 * s.used_bytes / s.max_bytes) }, el('span'));
  meter.firstChild.style.width = 'max(2px, ' + Math.min(100, 100 * s.used_bytes / s.max_bytes) + '%)';
  const oldest = s.lookups_since ? Date.parse(s.lookups_since) : NaN;
  return [
    tile('Sensors alive', number(alive) + ' of ' + number(all), !all ? s.lookups_since
        ? 'None was heard in the last day' : 'None has been heard: send to this collector with dnsflow' : alive === all
        ? 'All were heard in the last minute' : plural(all - alive, 'sensor') + ' silent', !all || alive < all ? 'warn'
        : 'good'),
    tile('Records in 24 h', SHORT.format(records), number(records) + ' in ' + plural(came, 'datagram')),
    tile('Datagrams lost in 24 h', share(lost, lost + came), number(lost) + ' lost; ' + plural(ring, 'packet')
        + ' lost at the tap', lost ? 'warn' : 'good'),
    tile('Store', isLate ? SHORT.format(s.behind_records) + ' behind' : 'Up to date', isLate
        ? 'Records still to be brought in: answers lack them' : s.behind_records
        ? 'All but the last ' + plural(s.behind_records, 'record') + ', which come in within a minute'
        : 'All that was received can be asked', !s.running ? 'bad' : isLate ? 'warn' : 'good'),
    tile('Disk', size(s.used_bytes), 'of ' + size(s.max_bytes) + '; ' + size(s.free_bytes) + ' are free'
        + (s.full_in_seconds ? '; full in ' + lasting(s.full_in_seconds) : ''), '', meter),
    tile('Oldest data', isNaN(oldest) ? 'None' : lasting((now() - oldest) / 1000), isNaN(oldest)
        ? 'No lookups are kept yet' : 'since ' + exact(oldest) + (s.lasts_seconds ? '; room for '
        + lasting(s.lasts_seconds) : '')),
  ];
}

function statusPanels() {
  const node = el('div');
  const list = el('ul', { class: 'troubles' }), tiles = el('div', { class: 'tiles' });
  node.append(list, tiles);
  const sensors = panel('Sensors');
  const lostColumn = (label, key, title) => ({ label, kind: 'num', ifAny: true, title, value: row => row[key],
      mark: row => row[key] ? 'lossy' : 'zero' });
  const table = rowsTable('Sensors', [
    { label: 'Sensor', value: row => sensorWord(row), cell: row => el('a',
        { href: link('sensor', row.sensor === null ? row.address : String(row.sensor)) }, row.sensor === null
        ? foreign(row.address + ':' + row.port) : 'Sensor ' + row.sensor + (row.worker ? ' worker ' + row.worker
        : '')) },
    { label: 'State', value: row => row.alive ? 'Alive' : 'Silent', cell: row =>
        el('span', { class: 'badge ' + (row.alive ? 'good' : 'warn') }, row.alive ? 'Alive' : 'Silent') },
    { label: 'Heard', kind: 'num time', value: row => row.heard, cell: row => timeNode(row.heard),
        from: 'tablet' },
    { label: 'Address', value: row => row.address || 'others', cell: row => foreign(row.address || 'others'),
        from: 'tablet' },
    { label: 'Records', kind: 'num', value: row => row.records_24h, title: 'Records in 24 hours' },
        { label: 'Datagrams', kind: 'num', title: 'Datagrams in 24 hours', value: row => row.datagrams_24h,
        from: 'tablet' },
    lostColumn('Network', 'network_lost_datagrams_24h', 'Datagrams lost on the way'),
    lostColumn('Here', 'here_lost_datagrams_24h', 'Datagrams that had no room here'),
    lostColumn('Down', 'down_lost_datagrams_24h', 'Datagrams that came while nobody received'),
    lostColumn('Send', 'send_lost_datagrams_24h', 'Datagrams that the sensor could not send'),
    lostColumn('Ring', 'ring_lost_packets_24h', 'Packets that the sensor had no room for'),
    { label: 'Starts', kind: 'num', value: row => row.starts_24h, from: 'wide' },
    clockColumn('clock_ahead_seconds'),
  ]);
  exports(sensors.tools, () => ['/api/v1/sensors', { ...spanParams(), limit: MOST_ROWS }, 'dnsflow-sensors'],
      'sensors');
  let drawn = '';
  const put = s => {
    const shown = JSON.stringify({ ...s, time: Math.floor(Date.parse(s.time) / 60000),
        sensors: s.sensors.map(({ heard, silent_seconds, ...rest }) => rest) }) + state.isLocal;
    const worries = troubles(s);
    setList(list, worries);
    if (shown !== drawn) tiles.replaceChildren(...tilesOf(s));
    drawn = shown;
    if (!s.sensors.length) sensors.fill(stateBox('empty', s.lookups_since
        ? 'No sensor was heard in the last day.' : 'No sensor has been heard.',
        'Point one here: dnsflow -i INTERFACE, this collector’s address and the port that its log names.'));
    else {
      if (!table.node.isConnected) sensors.fill(table.node);
      table.set(s.sensors);
      setText(sensors.count, plural(s.sensors.length, 'sensor'));
    }
  };
  const self = { node, load: async (signal, how) => { const s = await takeStatus(how); if (!signal.aborted) put(s); },
      fail(why) {
    if (!status) { tiles.replaceChildren(stateBox('error', why.message, ADVICE[why.code], remedy(why))); drawn = ''; }
    if (!status) sensors.fail(why);
  } };
  onStatus.add(put);
  self.stop = () => onStatus.delete(put);
  sensors.load = async () => {};
  if (status) put(status);
  else tiles.replaceChildren(stateBox('loading', 'Asking the collector …', ''));
  return [self, sensors, gonePanel()];
}

/* Status has those of the last day; what was imported, or left, is not silent but gone. */
function gonePanel() {
  const self = tablePanel('Not heard for over a day', { path: '/api/v1/sensors', params: { since: null, until: null },
      limit: MOST_ROWS, name: 'gone',
    columns: [{ label: 'Sensor', value: row => row.sensor || row.source, cell: sensorLink },
        { label: 'Address', value: row => row.source, cell: row => foreign(row.source) }, COLUMNS.last],
    change: rows => {
      const latest = new Map();
      for (const row of rows.slice().sort((a, b) => Date.parse(a.last) - Date.parse(b.last)))
        latest.set(sensorOf(row), row);
      const gone = [...latest.values()].filter(row => now() - Date.parse(row.last) > 86400000);
      show(self.node, gone.length > 0);
      return gone;
    } });
  show(self.node, false);
  return self;
}

function setList(list, worries) {
  const text = JSON.stringify(worries);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...worries.map(([kind, words, advice]) => el('li', { class: kind }, el('strong', {}, words),
      ' ', advice)));
}

function lossPanel(onlySensor) {
  const self = panel(onlySensor ? 'From the tap to the store' : 'Where it was lost');
  const table = rowsTable('Loss', lossColumns);
  exports(self.tools, () => ['/api/v1/loss', { ...spanParams(), limit: MOST_ROWS }, 'dnsflow-loss'], 'loss');
  self.load = async (signal, how) => {
    const answer = await ask('/api/v1/loss', { ...spanParams(), limit: MOST_ROWS, ...how }, signal);
    const ways = waterfalls(answer.rows).filter(way => !onlySensor || (way.source !== 'all'
        && sensorOf(way) === onlySensor));
    self.say(answerNotes(answer));
    if (!ways.length) return self.fill(emptyBox('Nothing was heard of it'));
    if (onlySensor) return self.fill(...ways.map(way => waterfallNode(way)));
    if (!table.node.isConnected) self.fill(table.node);
    table.set(ways);
  };
  return self;
}

/* ---- views: each gives {title, subject, lead, panels} ---- */

const quoted = encodeURIComponent;
const LOOKUPS = { ...COLUMNS.count, label: 'Lookups' };

function barColumn(label, of, largest) {
  return { label, kind: 'strip', value: of, isLive: true, cell: row => {
    const bar = el('span', { class: 'strip-bar' });
    bar.style.width = 'max(2px, ' + 100 * of(row) / Math.max(1, largest()) + '%)';
    return el('span', { class: 'strip bare' }, bar);
  } };
}

const hint = (title, words) => {
  const self = panel(title);
  self.fill(stateBox('empty', words, '', el('button', { type: 'button', class: 'primary', onclick: () =>
      $('q').focus() }, 'Search')));
  self.load = async () => {};
  return self;
};

const VIEWS = {
  health: { label: 'Health', key: 'h', make: () => ({ title: 'Health',
      lead: 'Sensors, what was lost on the way, the store and its disk', panels: [...statusPanels(), ...seriesPanels(),
      lossPanel('')] }) },
  client: { label: 'Client', key: 'c', make: subject => subject ? clientView(subject)
      : { title: 'Clients', lead: 'Who asked most, ' + spanWords(), panels: [topPanel('clients',
      'Clients with most lookups')] } },
  name: { label: 'Name', key: 'n', make: nameView },
  address: { label: 'Address', key: 'a', make: addressView },
  top: { label: 'Top', key: 't', make: topView },
  new: { label: 'New', key: 'w', make: newView },
  rcode: { label: 'NXDOMAIN makers', key: 'x', make: rcodeView },
  sensor: { label: 'Sensor', key: 's', make: sensorView },
};

/* onfill is told whether it asked for anything. */
function summaryPanel(client, title, onfill) {
  const path = '/api/v1/clients/' + quoted(client);
  const summary = panel(title);
  exports(summary.tools, () => [path + '/summary', { ...spanParams(), limit: MOST_ROWS }, 'dnsflow-summary-' + client],
      'summary');
  summary.load = async (signal, how) => {
    const answer = await ask(path + '/summary', { ...spanParams(), limit: 1000, ...how }, signal);
    const total = answer.rows.find(row => row.what === 'total');
    summary.say(answerNotes(answer));
    if (onfill) onfill(Boolean(total && total.lookups));
    if (!total || !total.lookups) return summary.fill(stateBox('empty', 'It asked for nothing ' + spanWords() + '.',
        'It may be no client of these sensors; it may be an address that names were answered with.',
        el('a', { class: 'button', href: link('address', client) }, 'See it as an address'),
        allLink()));
    const rcodes = answer.rows.filter(row => row.what === 'rcode');
    const failed = sumOf(rcodes.filter(row => row.value !== 'NOERROR'), row => row.lookups);
    const shares = (title, what, cell) => el('div', { class: 'shares' }, el('h3', {}, title),
        el('ul', {}, answer.rows.filter(row => row.what === what).slice(0, 6).map(row => {
      const bar = el('span', { class: 'strip-bar' });
      bar.style.width = 'max(2px, ' + 100 * row.lookups / total.lookups + '%)';
      return el('li', {}, cell(row.value), el('span', { class: 'strip bare' }, bar),
          el('span', { class: 'num', title: plural(row.lookups, 'lookup') + ', ' + plural(row.names, 'name') },
          number(row.lookups)));
    })));
    const focused = summary.body.contains(document.activeElement) && document.activeElement.getAttribute('href');
    summary.fill(el('div', { class: 'tiles small' },
      tile('Lookups', number(total.lookups), spanWords()), tile('Names', number(total.names), 'different ones'),
      tile('Without success', share(failed, total.lookups), plural(failed, 'lookup'), failed > total.lookups / 4
          ? 'warn' : ''),
      tile('First', timeNode(total.first), exact(Date.parse(total.first))),
          tile('Last', timeNode(total.last), exact(Date.parse(total.last)))),
    el('div', { class: 'columns' }, shares('Types', 'type', value => foreignText(value || '–')),
        shares('Results', 'rcode', rcodeLink), shares('Resolvers', 'resolver', addressLink)));
    if (focused) [...summary.body.querySelectorAll('a')].find(a =>
        a.getAttribute('href') === focused)?.focus({ preventScroll: true });
  };
  return summary;
}

function clientView(client) {
  const lookups = tablePanel('Lookups', { path: '/api/v1/clients/' + quoted(client) + '/lookups',
      columns: columns('name', 'type', 'rcode', 'resolver', 'count', 'strip', 'first', 'last'), pages: true,
      empty: 'No lookups', name: 'client-' + client });
  return { title: 'Client', subject: client, lead: el('span', {}, 'What it asked for, ' + spanWords() + '. ',
      el('a', { href: link('address', client) }, 'As an address')),
      panels: [summaryPanel(client, 'Summary'), lookups] };
}

function nameView(name) {
  const text = state.more.get('contains');
  const path = '/api/v1/names/' + quoted(name);
  const answers = columns('name', 'type', 'rdata', 'count', 'strip', 'first', 'last');
  if (text) return { title: 'Names with', subject: text, lead: 'in them, ' + spanWords(),
      panels: [tablePanel('Names', { path: '/api/v1/names', params: { contains: text }, pages: true,
      columns: columns('name', LOOKUPS, 'strip', 'first', 'last'), empty: 'No name has this in it',
      name: 'contains-' + text })] };
  if (!name) return { title: 'Names', lead: 'Asked for most, ' + spanWords(),
      panels: [topPanel('names', 'Names with most lookups')] };
  const below = name.startsWith('*.') ? name.slice(2) || '.' : name;
  const belowPanel = tablePanel('Names below', { path: '/api/v1/names', params: { below },
      pages: true, columns: answers, empty: 'No answers to names below it', name: 'below-' + below });
  if (name.startsWith('*.'))
    return { title: 'Names below', subject: below, lead: el('span', {}, 'In their order, ' + spanWords() + '. ',
        el('a', { href: link('name', below) }, 'This name alone')), panels: [belowPanel] };
  const parent = /^(?:\\.|[^.\\])+\.(.+\..+)$/.exec(name);
  const lead = el('span', {}, 'Answers, who asked and what is below, ' + spanWords() + '. ',
      el('a', { href: link('name', '*.' + name) }, 'Only what is below'), parent
      && [' · ', el('a', { href: link('name', '*.' + parent[1]) }, 'All below ', foreign(parent[1]))]);
  return { title: 'Name', subject: name, lead, panels: [
    tablePanel('Answers', { path, pages: true, columns: answers.slice(1), empty: 'No answers',
        name: 'name-' + name }),
    tablePanel('Who asked', { path: path + '/clients', pages: true,
        columns: columns('client', { ...COLUMNS.type, from: '' }, 'rcode', 'resolver', 'count', 'strip', 'first',
            'last'), empty: 'Nobody asked for it', name: 'who-' + name }),
    tablePanel('What leads to it', { path: path + '/leading', columns: answers,
        empty: 'No answer names it', name: 'leading-' + name }),
    belowPanel] };
}

function addressView(address) {
  if (!address) return { title: 'Address', lead: 'Names behind an address or a prefix',
      panels: [hint('Address', 'Search an address such as 192.0.2.1, or a prefix such as 192.0.2.0/24 or 2001:db8::/32.')] };
  const path = '/api/v1/addresses/' + quoted(address), isPrefix = address.includes('/');
  let isNone = false, isClient = false; // no name leads to it; it asked for some itself
  const put = () => {
    show(client.node, isNone && isClient);
    show(who.node, !(isNone && isClient));
  };
  const client = summaryPanel(address, 'It asks itself', has => { isClient = has; put(); });
  client.fail = () => client.fill();
  client.tools.prepend(el('a', { class: 'button', href: link('client', address) }, 'What it looked up'));
  show(client.node, false);
  const names = tablePanel('Names over time', { path, pages: true, name: 'address-' + address,
    onrows: rows => { isNone = !rows.length; put(); },
      empty: 'No name was answered with it',
    columns: columns('name', isPrefix ? COLUMNS.rdata : 'type', 'count', { ...COLUMNS.strip, from: 'tablet' }, 'first',
        'last') });
  const who = tablePanel('Who asked for names behind it', { path: path + '/clients',
      columns: columns('client', 'name', 'type', { ...COLUMNS.rcode, from: 'tablet' },
      { ...COLUMNS.count, from: 'tablet' }, 'strip', 'last'), empty: 'Nobody asked for a name behind it', name: 'who-'
      + address });
  const lead = el('span', {}, 'Names that were answered with it, ' + spanWords() + '. ', !isPrefix
      && el('a', { href: link('client', address) }, 'As a client'));
  return { title: isPrefix ? 'Prefix' : 'Address', subject: address, lead, panels: isPrefix ? [names]
      : [client, names, momentPanel(address), connectionPanel(address), who].filter(Boolean) };
}

const METHODS = { 'client-unique': 'the one name that it looked up for it', 'client-latest':
    'the newest of several that it looked up for it', 'others-domain': 'the domain that others look up for it',
    'encrypted-resolver': 'none: it talks to an encrypted resolver', expired: 'none: it looked it up too long before',
    'many-domains': 'none: others look up several domains for it', 'few-lookups':
    'none: others looked it up too seldom', 'no-lookup': 'none: nobody looked it up' };

/* The name that a connection of the client to the address belonged to, once a client is given. */
function connectionPanel(address) {
  const at = state.more.get('at') || '', client = state.more.get('client') || '';
  return client && tablePanel('A connection of ' + client + ' then', { path: '/api/v1/annotate', isTimeless: true,
      params: { since: null, until: null, server: address, client, time: at || null }, name: 'connection-' + address,
    empty: 'Nothing is known of it.', columns: [
      { label: 'Name', value: row => row.name || '–', cell: row => row.name ? nameLink(row.name) : '–' },
      { label: 'Through', value: row => row.via || '–', cell: row => row.via ? nameLink(row.via) : '–', from: 'wide' },
      { label: 'How', value: row => METHODS[row.method] || row.method },
      { label: 'Looked up', kind: 'num', title: 'How long before the connection', value: row => row.age_s ?? -1,
          cell: row => row.age_s === null ? '–' : lasting(row.age_s) + ' before', from: 'tablet' },
      { label: 'Sure', kind: 'num', title: 'How often such a name was right, where it was known', value: row =>
          row.confidence ?? -1, cell: row => row.confidence === null ? '–' : Math.round(100 * row.confidence) + NBSP
          + '%' }] });
}

/* The name behind an address at a moment, of one client if it is given. */
function momentPanel(address) {
  const at = state.more.get('at') || '', client = state.more.get('client') || '';
  const time = el('input', { type: 'datetime-local', step: 1, value: at ? inputTime(momentOf(at)) : '' }),
      who = el('input', { type: 'text', value: client, placeholder: 'any', size: 18, spellcheck: 'false',
      autocomplete: 'off' });
  const form = el('form', { class: 'custom', onsubmit: event => {
    event.preventDefault();
    go(changed({ at: time.value ? iso(fromInput(time.value)) : null, client: who.value.trim() || null,
        show: 'moment' }));
  } }, el('label', {}, 'Moment (' + zone(now()) + ') ', time), el('label', {}, 'Client ', who),
      el('button', { type: 'submit' }, 'Ask'), (at || client) && el('a',
      { class: 'button', href: changed({ at: null, client: null, show: 'moment' }) }, 'Now'));
  const words = { client: 'What this client asked for', anybody: 'What anybody asked for' };
  const self = tablePanel('At a moment', { path: '/api/v1/addresses/' + quoted(address) + '/at',
      isTimeless: true, params: { since: null, until: null, time: at || null, client: client || null }, name: 'at-'
      + address,
    empty: 'No name was behind it then.', columns: columns('name', { label: 'Through', value: row => row.via || '–',
        cell: row => row.via ? nameLink(row.via) : '–', from: 'wide' },
      { label: 'Known by', value: row => words[row.method] || row.method, from: 'tablet' },
          { label: 'Age', kind: 'num', title: 'How long before the moment it was seen last', value: row => row.age_s,
          cell: row => row.age_s === 0 ? 'seen then' : lasting(row.age_s) }, 'count', 'first', 'last') });
  self.node.id = 'show-moment';
  self.node.insertBefore(form, self.body);
  return self;
}

const KINDS = { names: 'Names', domains: 'Domains', clients: 'Clients', resolvers: 'Resolvers', types: 'Types',
    rcodes: 'Results' };
const KIND_CELLS = { names: nameLink, domains: value => !value ? '–' : el('a',
    { href: link('name', '*.' + value.replace(/^\*\.?/, '')) }, foreign(value)), clients: clientLink,
    resolvers: addressLink, types: value => foreignText(value || '–'), rcodes: rcodeLink };

/* Against the span before, which is asked for too. */
function topPanel(kind, title) {
  let largest = 1, before = null;
  const path = '/api/v1/top/' + kind;
  const change = row => {
    if (!before) return null;
    const then = before.get(row.value);
    return then === undefined ? (before.isWhole ? Infinity : null) : row.count / then - 1;
  };
  const changeWords = row => {
    const by = change(row);
    if (by === null) return '–';
    if (by === Infinity) return 'new';
    const percent = Math.round(100 * by);
    return percent === 0 ? '=' : (percent > 0 ? '▲' : '▼') + NBSP + (Math.abs(percent) > 999 ? '×' + NBSP
        + (1 + by).toFixed(by < 99 ? 1 : 0) : Math.abs(percent) + NBSP + '%');
  };
  const list = [{ label: KINDS[kind].replace(/s$/, ''), value: row => row.value || '–', cell: row =>
      KIND_CELLS[kind](row.value) }, { ...barColumn('Part', row => row.count, () => largest), from: 'tablet' },
    { label: 'Lookups', kind: 'num', value: row => row.count, cell: row =>
        el('span', { title: row.error ? 'At most ' + number(row.error) + ' more' : null }, number(row.count)
        + (row.error ? '+' : '')) }];
  if (state.since !== 'all') list.push({ label: 'Change', kind: 'num', title: 'Against the time before, equally long',
      value: row => { const by = change(row); return by === null ? -2 : by; }, cell: row =>
      el('span', { class: 'change', title: !before ? 'Not all of the time before is kept' : before.has(row.value)
      ? number(before.get(row.value)) + ' before' : null }, changeWords(row)), isLive: true });
  list.push(COLUMNS.first, COLUMNS.last);
  return tablePanel(title, { path, columns: list, name: 'top-' + kind, empty: 'No lookups',
    change: async rows => {
      largest = rows.length ? rows[0].count : 1;
      const from = sinceMs(), to = untilMs();
      before = null;
      if (isNaN(from) || !rows.length) return rows;
      try {
        if (!status) await takeStatus();
        if (oldestMs > 2 * from - to + (to - from) / 20) return rows; // not all of that time is kept
        const answer = await ask(path, { since: iso(2 * from - to), until: iso(from), limit: 1000, fresh: 0 });
        before = new Map(answer.rows.map(row => [row.value, row.count]));
        before.isWhole = !answer.more && !answer.partial && answer.rows.length > 0;
      } catch {
        before = null;
      }
      return rows;
    } });
}

function tabs(label, list) {
  return el('nav', { class: 'tabs', 'aria-label': label }, list.map(([words, href, isCurrent, count]) =>
      el('a', { href, 'aria-current': isCurrent ? 'true' : null }, words, count !== undefined
      && el('span', { class: 'count' }, count))));
}

function topView(subject) {
  const kind = KINDS[subject] ? subject : 'names';
  return { title: 'Top', lead: 'With most lookups, ' + spanWords() + (state.since === 'all' ? ''
      : ', and the change against the time before'), panels: [
    { node: tabs('What is counted', Object.entries(KINDS).map(([one, words]) =>
        [words, link('top', one), one === kind])), load: async () => {} },
    topPanel(kind, KINDS[kind])] };
}

function newView() {
  const one = (what, title, cell, className) => tablePanel(title, { className, path: '/api/v1/new/' + what,
      pages: true, limit: PAGE_ROWS, name: 'new-' + what, empty: 'No new ' + what,
    columns: [{ label: title.slice(4, -1).replace(/^./, c => c.toUpperCase()), value: row => row.value, cell: row =>
        cell(row.value) }, { label: 'First', kind: 'num time', value: row => row.first, cell: row =>
        timeNode(row.first) }],
    change: (rows, answer) => answer.more || answer.next ? rows : rows.slice().reverse() });
  return { title: 'New', lead: 'Answered for the first time, ' + spanWords()
      + '; those seen last first, where they are few enough', panels: [one('names', 'New names', nameLink, 'half'),
      one('domains', 'New domains', KIND_CELLS.domains, 'half')] };
}

function rcodeView(subject) {
  const rcode = subject || 'NXDOMAIN';
  let largest = 1;
  const bar = { node: el('div') };
  const usual = ['NXDOMAIN', 'SERVFAIL', 'REFUSED', 'FORMERR', 'NOTIMP'];
  const put = rows => {
    const counts = new Map(rows.map(row => [row.value, row.count]));
    const all = [...new Set([...usual, ...rows.map(row => row.value), rcode])].filter(one => one
        && (counts.has(one) || usual.includes(one) || one === rcode));
    const text = JSON.stringify(all.map(one => [one, counts.get(one)]));
    if (bar.text === text) return;
    const focused = bar.node.contains(document.activeElement) && document.activeElement.getAttribute('href');
    bar.text = text;
    bar.node.replaceChildren(tabs('Result', all.map(one => [one, link('rcode', one), one === rcode, counts.has(one)
        ? SHORT.format(counts.get(one)) : rows.length ? '0' : undefined])));
    if (focused) [...bar.node.querySelectorAll('a')].find(a => a.getAttribute('href') === focused)?.focus();
  };
  bar.load = async (signal, how) =>
      put((await ask('/api/v1/top/rcodes', { ...spanParams(), limit: 20, ...how }, signal)).rows);
  put([]);
  return { title: 'Who makes', subject: rcode, lead: 'Clients by how many of their lookups ended with it, '
      + spanWords(), panels: [bar,
    tablePanel('Clients', { path: '/api/v1/rcodes/' + quoted(rcode) + '/clients', name: 'rcode-'
        + rcode, empty: 'No lookup ended with it',
      columns: [COLUMNS.client, { ...barColumn('Part', row => row.count, () => largest), from: 'tablet' },
          LOOKUPS, COLUMNS.first, COLUMNS.last],
      change: rows => { largest = rows.length ? rows[0].count : 1; return rows; } })] };
}

function sensorView(subject) {
  const mine = rows => subject ? rows.filter(row => sensorOf(row) === subject) : rows;
  const filtered = (title, path, list, empty) => tablePanel(title, { path, limit: MOST_ROWS,
      name: path.split('/').pop(), columns: list, empty, change: mine });
  const source = { label: 'Address', from: 'tablet', value: row => row.source, cell: row => foreign(row.source) };
  const sensor = { label: 'Sensor', value: row => row.sensor || row.source, cell: row => subject
      ? (row.sensor ? 'Sensor ' + row.sensor.split('/')[0] + ', worker ' + row.sensor.split('/')[1]
      : foreign(row.source)) : sensorLink(row) };
  const lossy = (label, key, title) => ({ label, kind: 'num', title, ifAny: true, value: row => row[key],
      mark: row => row[key] ? 'lossy' : 'zero' });
  const plain = (label, key, from) => ({ label, kind: 'num', from, value: row => row[key] });
  const starts = filtered('Starts', '/api/v1/sensors', [sensor, source,
      { label: 'Signed', value: row => row.verified === 'yes' ? 'Yes' : 'No', from: 'wide' },
    { label: 'Started', kind: 'num time', value: row => row.started, cell: row => timeNode(row.started),
        from: 'tablet' }, clockColumn('clock_ahead_s'),
    plain('Records', 'records'), plain('Datagrams', 'datagrams', 'tablet'), COLUMNS.first, COLUMNS.last],
        'No sensor was heard');
  if (!subject) return { title: 'Sensors', lead: 'Each start of each worker, ' + spanWords(),
      panels: [lossPanel(''), starts] };
  const streams = filtered('Streams', '/api/v1/streams', [sensor, source, plain('Datagrams', 'datagrams'),
      plain('Records', 'records', 'tablet'), lossy('Network', 'network', 'Datagrams lost on the way'),
    lossy('Here', 'here', 'No room here'), lossy('Down', 'down', 'Nobody received'), lossy('Send', 'send', 'Not sent'),
    lossy('Ring', 'ring_packets', 'Packets that its ring had no room for'),
    lossy('Interface', 'interface_packets', 'Packets that the interface dropped'), COLUMNS.last], 'No stream of it');
  return { title: /^\d+$/.test(subject) ? 'Sensor' : 'Sensor at', subject,
      lead: el('span', {}, 'Its way from the tap to the store, ' + spanWords() + '. ',
      el('a', { href: link('sensor', '') }, 'All sensors')), panels: [lossPanel(subject), streams, starts] };
}

/* ---- search ---- */

const found = new Map();

/* Where a question of the search's answer is shown: [view, subject, more], or null. */
function placeOf(path) {
  const [way, query] = path.split('?', 2);
  const [kind, subject, what] = way.replace(/^\/api\/v1\//, '').split('/').map(decoded);
  const more = new URLSearchParams(query || '');
  if (kind === 'names' && subject) return ['name', subject, { show: { clients: 'who', leading: 'leading' }[what]
      || null }];
  if (kind === 'names' && more.has('below')) return ['name', '*.' + more.get('below').replace(/^\.$/, ''), {}];
  if (kind === 'names' && more.has('contains')) return ['name', '', { contains: more.get('contains') }];
  if (kind === 'addresses') {
    const rest = way.replace(/^\/api\/v1\/addresses\//, ''), end = /\/(at|clients)$/.exec(rest);
    return ['address', decoded(end ? rest.slice(0, end.index) : rest), { show: end
        ? { at: 'moment', clients: 'who' }[end[1]] : null }];
  }
  if (kind === 'clients') return ['client', subject, { show: what === 'lookups' ? 'lookups' : null }];
  return null;
}

const QUESTIONS = { name: 'Its answers', below: 'Names below', contains: 'Names with this text',
    address: 'Names behind it', at: 'At a moment', client: 'What it looked up', summary: 'As a client',
    who: 'Who asked', rdata: 'What leads to it' };

async function searched(text) {
  if (!found.has(text)) found.set(text, await ask('/api/v1/search', { q: text }));
  return found.get(text);
}

async function search(text) {
  if (!text.trim()) return;
  try {
    const answer = await searched(text.trim());
    const place = answer.questions.map(one => placeOf(one.path)).find(Boolean);
    if (!place) return foundBox(answer, text);
    go(link(place[0], place[1], { ...place[2], q: text.trim() }));
  } catch (why) {
    $('found').replaceChildren(stateBox('error', why.message, ADVICE[why.code], remedy(why)));
    show($('found'), true);
  }
}

function foundBox(answer, text) {
  const isNothing = !answer.questions.length;
  const links = answer.questions.map(one => [one, placeOf(one.path)]).filter(([, place]) =>
      place).map(([one, [view, subject, more]]) => {
    const shows = state.view === view && state.subject === subject && (state.more.get('contains')
        || null) === (more.contains || null) && (state.more.get('show') || null) === (more.show || null);
    return el('a', { href: link(view, subject, { ...more, q: text.trim() }), 'aria-current': shows ? 'true' : null },
        QUESTIONS[one.question] || one.question);
  });
  $('found').replaceChildren(el('p', { class: isNothing ? 'warn' : '' }, isNothing ? 'Nothing to search for: '
      : 'Understood as ', foreignText(answer.understood)), links.length ? el('nav',
      { class: 'links', 'aria-label': 'Questions about it' }, links) : '');
  show($('found'), true);
}

/* ---- frame: route, refresh, status, switches, keys ---- */

const REFRESH_MS = 10000, STATUS_MS = 5000, FRESH_MS = 20000;
let current = [], stop = new AbortController(), isRefreshing = false, refreshedMs = 0, freshMs = 0, timer = 0;
let isAway = false;

function announce(words) {
  const banner = $('banner');
  banner.className = 'note';
  banner.replaceChildren(foreignText(words));
  show(banner, true);
  setTimeout(() => { if (!isAway) show(banner, false); }, 8000);
}

function route(scroll) {
  const before = state.view + '/' + state.subject + '?' + (state.more.get('contains') || '');
  readState();
  const isOther = before !== state.view + '/' + state.subject + '?' + (state.more.get('contains') || '');
  stop.abort();
  stop = new AbortController();
  current.forEach(one => one.stop && one.stop());
  const view = VIEWS[state.view].make(state.subject);
  current = view.panels;
  $('title').replaceChildren(view.title, view.subject ? ' ' : '', view.subject ? foreign(view.subject) : '');
  document.title = view.title + (view.subject ? ' ' + view.subject.slice(0, 60) : '') + ' – dnsflow';
  $('lead').replaceChildren(state.unknown ? el('span', { class: 'lossy' }, 'There is no view ',
      foreign(state.unknown.slice(0, 60)), '. This is the first one.') : view.lead || '');
  $('view').replaceChildren(...current.map(one => one.node));
  for (const a of $('views').querySelectorAll('a')) {
    a.href = link(a.dataset.view, '');
    if (a.dataset.view === state.view) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  $('views').querySelector('[aria-current]').scrollIntoView({ block: 'nearest', inline: 'nearest' });
  rangeBox();
  setText($('clock'), state.isLocal ? 'Local' : 'UTC');
  $('clock').setAttribute('aria-label', 'Times are ' + (state.isLocal ? 'local' : 'in UTC') + '; change that');
  if (document.activeElement !== $('q')) $('q').value = state.more.get('q') || '';
  show($('found'), false);
  if (state.more.get('q')) {
    const text = state.more.get('q');
    searched(text).then(answer => { if (state.more.get('q') === text) foundBox(answer, text); }, () => {});
  }
  if (isOther && isStarted) $('title').focus({ preventScroll: true });
  if (scroll === null) scrollTo(0, 0);
  const asked = state.more.get('show');
  refresh(true).then(() => {
    if (typeof scroll === 'number') return scrollTo(0, scroll);
    const target = asked && ($('show-' + asked)
        || $('view').querySelector({ who: '[aria-labelledby^="panel-who-asked"]',
        lookups: '[aria-labelledby="panel-lookups"]', leading: '[aria-labelledby="panel-what-leads-to-it"]' }[asked]
        || null));
    if (target && scroll === null) target.scrollIntoView({ block: 'start' });
  });
}

let isStarted = false;

/* Asks for all that is shown. byUser: with what came up to now. */
async function refresh(byUser) {
  clearTimeout(timer);
  const { signal } = stop, mine = current;
  isRefreshing = true;
  tellLive();
  if (!status) await takeStatus().catch(() => {}); // what is empty is told by it
  const how = freshness(byUser ? REFRESH_MS : FRESH_MS);
  await Promise.all(mine.map(one => one.load(signal, how).catch(why => {
    if (!(why instanceof Refusal)) throw why;
    if (why.code === 'gone' || signal.aborted) return;
    if (why.code === 'away') setAway(true);
    if (one.fail) one.fail(why);
  })));
  if (signal.aborted) return;
  isRefreshing = false;
  refreshedMs = Date.now();
  ageTimes($('view'));
  tellLive();
  clearTimeout(timer);
  timer = setTimeout(whenDue, REFRESH_MS);
}

const isLive = () => !state.until;

function whenDue() {
  if (isLive() && !document.hidden && !isAway && !isTokenAsked) refresh(false);
  else timer = setTimeout(whenDue, 1000);
}

function tellLive() {
  setText($('live'), isAway ? 'Not answered' : isRefreshing ? 'Asking …' : !isLive()
      ? 'Does not follow: the time has an end' : 'Live, every 10 s');
  setText($('asked'), refreshedMs ? 'Asked at ' + exact(refreshedMs + aheadMs) : '');
}

/* What came is brought in once in that time and no more, whatever is asked. */
function freshness(eachMs) {
  if (Date.now() - freshMs < eachMs) return { fresh: 0 };
  freshMs = Date.now();
  return {};
}

let statusAsked = null;

function takeStatus(how) {
  statusAsked = statusAsked || askStatus(how || freshness(FRESH_MS)).finally(() => { statusAsked = null; });
  return statusAsked;
}

async function askStatus(how) {
  const s = await ask('/api/v1/status', how);
  status = s;
  aheadMs = Math.abs(Date.parse(s.time) - Date.now()) > 2000 ? Date.parse(s.time) - Date.now() : 0;
  oldestMs = s.lookups_since ? Date.parse(s.lookups_since) : now();
  return s;
}

function setStatus(kind, words) {
  const isSame = $('status').className === 'status ' + kind;
  if (!isSame) $('status').className = 'status ' + kind;
  setText($('status-text'), words);
}

function setAway(isNow) {
  if (isAway === isNow) return;
  isAway = isNow;
  $('banner').className = 'bad';
  $('banner').replaceChildren(el('strong', {}, AWAY), ' What is shown may be old. ' + ADVICE.away);
  show($('banner'), isNow);
  tellLive();
  if (isNow) setStatus('bad', 'No answer');
}

/* The line on top, and whether there is a collector at all. */
async function watch() {
  if (!document.hidden && !isTokenAsked) {
    try {
      const s = await takeStatus(), wrong = troubles(s);
      const alive = s.sensors.filter(one => one.alive).length, all = s.sensors.length;
      setStatus(wrong.some(([kind]) => kind === 'bad') ? 'bad' : wrong.length || !all ? 'warn' : 'good',
                !s.running ? 'Not receiving' : !all ? noneWords(s) : number(alive) + ' of ' + plural(all, 'sensor')
                    + ' alive' + (s.up_to_date ? '' : ', ' + SHORT.format(s.behind_records) + ' behind'));
      onStatus.forEach(put => put(s));
      if (isAway) {
        setAway(false);
        refresh(true);
      }
    } catch (why) {
      if (!(why instanceof Refusal)) throw why;
      if (why.code === 'away') setAway(true);
      else setStatus('warn', why.code === 'unauthorized' ? 'A token is needed' : why.message);
    }
  } else if (isTokenAsked) {
    setStatus('warn', 'A token is needed');
  }
  setTimeout(watch, STATUS_MS);
}

/* Time asked about. */
const SPANS = [['1h', '1 h'], ['6h', '6 h'], ['24h', '24 h'], ['7d', '7 d'], ['30d', '30 d'], ['all', 'All']];
/* Days begin in the time that clocks show. */
function spans() {
  const day = back => {
    const d = new Date(now());
    if (state.isLocal) d.setHours(0, 0, 0, 0);
    else d.setUTCHours(0, 0, 0, 0);
    if (state.isLocal) d.setDate(d.getDate() - back);
    else d.setUTCDate(d.getUTCDate() - back);
    return iso(d);
  };
  const list = SPANS.map(([since, words]) => [since, null, words]);
  list.splice(3, 0, [day(0), null, 'Today'], [day(1), day(0), 'Yesterday']);
  return list;
}
const inputTime = ms => isNaN(ms) ? '' : stamp(ms).replace(' ', 'T');
const fromInput = text => state.isLocal ? new Date(text).getTime() : Date.parse(text + 'Z');

function rangeBox() {
  const list = spans(), isShown = ([since, until]) => since === state.since && (until || '') === state.until;
  const isUsual = list.some(isShown);
  $('range').replaceChildren(...list.map(one => el('a', { href: changed({ since: one[0] === DEFAULT_SINCE ? null
      : one[0], until: one[1] }), 'aria-current': isShown(one) ? 'true' : null }, one[2])),
    el('button', { type: 'button', 'aria-expanded': String(!$('custom').hidden), 'aria-controls': 'custom',
        'aria-pressed': String(!isUsual), onclick: event => {
      show($('custom'), $('custom').hidden);
      event.currentTarget.setAttribute('aria-expanded', String(!$('custom').hidden));
      if (!$('custom').hidden) $('since').focus();
    } }, 'Other'));
  $('since').value = inputTime(sinceMs());
  $('until').value = state.until ? inputTime(untilMs()) : '';
  setText($('custom-zone'), state.isLocal ? 'local time' : 'UTC');
}

/* Token. */
function askToken(why, byUser) {
  isTokenAsked = true;
  setText($('token-why'), why);
  $('token-text').value = '';
  if (!$('token').open && (byUser || !$('token').dataset.closed)) $('token').showModal();
}

const THEMES = ['auto', 'light', 'dark'];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText($('theme'), theme.replace(/^./, c => c.toUpperCase()));
  $('theme').setAttribute('aria-label', 'Colors: ' + theme + '; change that');
  current.forEach(one => one.redraw && one.redraw());
}

const KEYS = [['/', 'Search'], ['r', 'Ask again now'], ['u', 'UTC or local times'], ['d', 'Light or dark'],
    ['?', 'This help'], ['Esc', 'Close, or leave the search']];
let isGoing = false;

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape') {
    show($('custom'), false);
    if (document.activeElement === $('q')) $('title').focus({ preventScroll: true });
    return;
  }
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
  const view = isGoing && Object.keys(VIEWS).find(name => VIEWS[name].key === event.key);
  const acts = { '/': () => { $('q').focus(); $('q').select(); }, '?': () => $('help').showModal(), r: () =>
      refresh(true), u: () => $('clock').click(), d: () => $('theme').click(),
      g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1500); } };
  if (view) go(link(view, ''));
  else if (acts[event.key]) acts[event.key]();
  else return;
  if (event.key !== 'g' || view) isGoing = false;
  event.preventDefault();
}

function start() {
  $('views').append(...Object.entries(VIEWS).map(([name, { label, key }]) =>
      el('a', { 'data-view': name, 'aria-keyshortcuts': 'g ' + key }, label,
      el('kbd', { 'aria-hidden': 'true' }, 'g ' + key))));
  $('title').tabIndex = -1;
  $('help-keys').append(el('table', {}, el('caption', { class: 'hidden' }, 'Keys'),
      el('thead', { class: 'hidden' }, el('tr', {}, el('th', { scope: 'col' }, 'Key'),
      el('th', { scope: 'col' }, 'What it does'))),
    el('tbody', {}, [...KEYS, ...Object.values(VIEWS).map(({ label, key }) =>
        ['g ' + key, label])].map(([key, words]) => el('tr', {}, el('th', { scope: 'row' },
        key.split(' ').map(one => el('kbd', {}, one))), el('td', {}, words))))));
  document.addEventListener('click', event => {
    const a = event.target.closest && event.target.closest('a[href^="#"]');
    if (!a || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (a.classList.contains('skip')) $('main').focus();
    else go(a.getAttribute('href'));
  });
  addEventListener('popstate', event => route(event.state && event.state.scroll !== undefined ? event.state.scroll
      : null));
  addEventListener('keydown', onKey);
  document.addEventListener('visibilitychange', () => { if (!document.hidden && isLive()
      && Date.now() - refreshedMs > REFRESH_MS) whenDue(); });
  history.scrollRestoration = 'manual';
  $('search').addEventListener('submit', event => { event.preventDefault(); $('q').blur(); search($('q').value); });
  $('clock').addEventListener('click', () => go(changed({ time: state.isLocal ? null : 'local' })));
  $('theme').addEventListener('click', () => {
    const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    localStorage.setItem('dnsflow-theme', theme);
    setTheme(theme);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      setTheme(document.documentElement.dataset.theme));
  $('help-open').addEventListener('click', () => $('help').showModal());
  for (const form of document.querySelectorAll('dialog form')) form.addEventListener('submit',
      event => { event.preventDefault(); form.closest('dialog').close(); });
  $('token-form').addEventListener('submit', () => {
    token = $('token-text').value.trim();
    sessionStorage.setItem('dnsflow-token', token);
    isTokenAsked = false;
    delete $('token').dataset.closed;
    route(scrollY);
  });
  $('token-close').addEventListener('click', () => $('token').close());
  $('token').addEventListener('close', () => { if (isTokenAsked) $('token').dataset.closed = 'yes'; });
  $('custom').addEventListener('submit', event => {
    event.preventDefault();
    const since = $('since').value ? iso(fromInput($('since').value)) : 'all', until = $('until').value
        ? iso(fromInput($('until').value)) : null;
    show($('custom'), false);
    go(changed({ since, until }));
  });
  $('custom-close').addEventListener('click', () => { show($('custom'), false); rangeBox(); });
  setTheme(THEMES.includes(localStorage.getItem('dnsflow-theme')) ? localStorage.getItem('dnsflow-theme') : 'auto');
  setInterval(() => ageTimes($('view')), 5000);
  route(undefined);
  isStarted = true;
  watch();
}

start();
})();
