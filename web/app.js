// The page: hears each turn of the loop, shows it, and passes on what a person wants done.
import { badge, bytes, clock, el, percent, span, spark, table, tree } from "/draw.js";

const $ = (id) => document.getElementById(id);
const POINTS_MAX = 600;
const state = { history: [], mayChange: false, mode: null, mask: "", lastTurn: 0, services: 0 };

const GAUGES = [
  { title: "CPU in use", top: () => 100, band: ({ cpu_busy_pct: band }) => band, note: (m) => `${m.cpus} cores, load ${m.load_1.toFixed(2)}` },
  { title: "Memory in use", top: () => 100, band: ({ memory_available_bytes: band }, m) => band?.map((free) => 100 * (1 - free / m.memory_total_bytes)).reverse(), note: (m) => `${bytes(m.memory_total_bytes - m.memory_available_bytes)} of ${bytes(m.memory_total_bytes)}` },
  { title: "Waiting for CPU", top: scale, note: () => "of the time, some task" },
  { title: "Waiting for memory", top: scale, note: () => "of the time, some task" },
  { title: "Waiting for I/O", top: scale, note: () => "of the time, some task" },
];
const EXAMPLES = {
  "Largest processes": "SELECT pid, name, rss_bytes, cpu_pct FROM processes ORDER BY rss_bytes DESC LIMIT 10",
  "Who waits for the CPU": "SELECT name, service, run_delay_pct FROM processes WHERE run_delay_pct > 1 ORDER BY run_delay_pct DESC LIMIT 10",
  "Fullest file systems": "SELECT mount_point, kind, 100 * (total_bytes - available_bytes) / total_bytes AS used_pct FROM filesystems WHERE total_bytes > 0 ORDER BY used_pct DESC",
  "Why it decided": "SELECT incident_id, action, target, verdict, propensity, candidates FROM decisions ORDER BY id DESC LIMIT 10",
  "Who differs from normal": "SELECT entity, sentence, probability, utc(since) AS since FROM anomalies ORDER BY probability",
  "What will be used up": "SELECT resource, sentence, exhaustion_s FROM forecasts ORDER BY exhaustion_s LIMIT 10",
  "Odd log lines": "SELECT state, entity, text, lines FROM log_templates ORDER BY state = 'known', lines DESC LIMIT 20",
  "Who calls the kernel otherwise": "SELECT program, state, probability, looks, sentence, utc(at) AS at FROM behaviour ORDER BY state <> 'strange', probability LIMIT 20",
  "Models of normal": "SELECT name, tier, samples, size_bytes, low, high, reason FROM models",
  "Latest events": "SELECT at, kind, entity, message FROM events ORDER BY at DESC LIMIT 20",
};

/** Top of the scale of a stall graph: what is seldom must still be seen. */
function scale(values) { return Math.max(10, ...values.filter((value) => value !== null)); }

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { hint: answer.hint });
  return answer;
}

function say(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("toast").hidden = true; }, 6000);
}

/** Runs what a person asked for and tells how it ended. */
async function order(button, work) {
  button.disabled = true;
  try { say(await work()); } catch (error) { say(error.hint ? `${error.message}. ${error.hint}` : error.message); }
  button.disabled = false;
}

function confirmed(text, yes) {
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = yes;
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

// ── health and gauges ──────────────────────────────────────────────────────────────────────────────────

function showTurn(turn) {
  state.lastTurn = Date.now();
  $("health").dataset.state = turn.is_healthy ? "healthy" : turn.severity ?? "warning";
  if ($("sentence").textContent !== turn.sentence) $("sentence").textContent = turn.sentence;
  document.title = turn.is_healthy ? "Homeostat: healthy" : `(${turn.counts.incidents}) Homeostat`;
  const { counts } = turn;
  const standing = counts.actions_standing ? ` · ${counts.actions_standing} ${counts.actions_standing === 1 ? "action stands" : "actions stand"}` : "";
  const muted = counts.muted ? ` · ${counts.muted} muted` : "";
  $("watched").textContent = `${counts.processes} processes · ${counts.services} services · ${counts.cgroups} cgroups · up ${span(turn.machine.uptime_s)}${standing}${muted}`;
  showMode(turn.mode);
  showGauges(turn.machine, turn.bands);
  showOwn(turn.self);
  $("footer").textContent = `Homeostat ${turn.version} · turn ${turn.turn} · everything on this page is a table; nothing leaves this machine`;
}

function point(turn) {
  const { machine } = turn;
  const stall = (resource) => turn.pressure.find((row) => row.resource === resource)?.some_pct ?? null;
  const cpu = machine.cpu_idle_pct === null ? null : 100 - machine.cpu_idle_pct - (machine.cpu_iowait_pct ?? 0);
  const memory = machine.memory_total_bytes ? 100 * (1 - machine.memory_available_bytes / machine.memory_total_bytes) : null;
  return [cpu, memory, stall("cpu"), stall("memory"), stall("io")];
}

function showGauges(machine, bands) {
  const cards = GAUGES.map((gauge, index) => {
    const values = state.history.map((values) => values[index]);
    const now = values.at(-1);
    const known = now !== null && now !== undefined;
    const band = gauge.band?.(bands, machine);
    const number = known ? [now.toFixed(now < 10 ? 1 : 0), el("small", {}, "%")] : ["–"];
    return el("dl", { class: "gauge" }, el("dt", {}, gauge.title), el("dd", {}, number),
      el("dd", { class: "note", title: band ? `Normal here: ${band.map((end) => end.toFixed(0)).join(" to ")} %, the shaded band` : null },
        known ? gauge.note(machine) : "not known here"), spark(values, gauge.top(values), band));
  });
  $("gauges").replaceChildren(...cards);
}

function showMode(mode) {
  if (state.mode === mode) return;
  state.mode = mode;
  for (const button of $("mode").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
}

async function setMode(button) {
  const { mode } = button.dataset;
  if (mode === state.mode) return;
  const text = "In heal mode Homeostat changes this machine by itself: it repairs what its rules allow, proves each repair, and undoes what does not prove itself.";
  if (mode === "heal" && !(await confirmed(text, "Allow repairs"))) return;
  await order(button, async () => { await ask("/api/mode", { mode }); showMode(mode); return `Mode is ${mode} now.`; });
}

// ── incidents ──────────────────────────────────────────────────────────────────────────────────────────

async function showIncidents() {
  const { incidents } = await ask("/api/incidents?all=1");
  const rank = (row) => ["critical", "warning", "notice"].indexOf(row.severity);
  const open = incidents.filter((row) => row.closed_at === null).sort((one, other) => rank(one) - rank(other));
  const closed = incidents.filter((row) => row.closed_at !== null).slice(0, 50);
  const none = el("p", { class: "empty" }, "Nothing is wrong. What Homeostat finds stands here with its cause, its evidence and what was done about it.");
  await replaceIncidents($("open-incidents"), open, none, true);
  $("earlier").hidden = closed.length === 0;
  $("earlier").querySelector("summary").textContent = `Earlier (${closed.length})`;
  await replaceIncidents($("closed-incidents"), closed, null, false);
}

async function replaceIncidents(place, rows, none, isOpen) {
  const shown = new Set([...place.querySelectorAll("details.incident[open]")].map((node) => node.dataset.id));
  const known = new Set([...place.querySelectorAll("details.incident")].map((node) => node.dataset.id));
  const focus = place.contains(document.activeElement) ? document.activeElement.closest("details")?.dataset.id : null;
  const cards = await Promise.all(rows.map(async (row, index) => {
    const id = String(row.id);
    const card = incident(row);
    if (shown.has(id) || (isOpen && index === 0 && !known.has(id))) { await fill(card, row.id); card.open = true; }
    return card;
  }));
  place.replaceChildren(...(cards.length ? cards : [none].filter(Boolean)));
  if (focus) place.querySelector(`details[data-id="${focus}"] > summary`)?.focus();
}

function incident(row) {
  const facts = [row.kind.replaceAll("_", " "), row.state, `${percent(row.confidence)} sure`];
  if (row.exhaustion_s !== null && row.closed_at === null) facts.push(`runs out in ${span(row.exhaustion_s)}`);
  if (row.recurrences) facts.push(`${row.recurrences} times before`);
  if (row.muted_until !== null) facts.push("muted");
  const card = el("details", { class: "card incident", "data-id": row.id },
    el("summary", {}, badge(row.closed_at === null ? row.severity : row.state), el("span", { class: "said" }, row.sentence),
      el("span", { class: "meta" }, `#${row.id} · since `, clock(row.opened_at), row.closed_at !== null && [" until ", clock(row.closed_at)], ` · ${facts.join(" · ")}`)),
    el("div", { class: "body" }));
  card.addEventListener("toggle", () => { if (card.open && !card.dataset.filled) fill(card, row.id).catch((error) => say(error.message)); });
  return card;
}

async function fill(card, id) {
  card.dataset.filled = "yes";
  const all = await ask(`/api/incidents/${id}`);
  const part = (title, ...nodes) => [el("h3", {}, title), ...nodes];
  const isOpen = all.incident.closed_at === null;
  card.querySelector(".body").replaceChildren(...[
    all.causes.length > 0 && part("Cause", tree(all.causes)),
    all.cells.length > 0 && part("Evidence", evidence(all.cells)),
    all.stacks.length > 0 && part("Stacks", stacks(all.stacks), el("p", {}, el("a", { href: `/api/incidents/${id}/flame.svg`, target: "_blank", rel: "noopener" }, "Flame graph"))),
    all.alternatives.length > 0 && part("Instead it could be", weights(all.alternatives)),
    all.decisions.length > 0 && part("Decided", decisions(all.decisions)),
    all.actions.length > 0 && part("Done", actionTable(all.actions)),
    isOpen && all.incident.suggestion && el("p", { class: "suggest" }, "What would repair it: ", all.incident.suggestion),
    state.mayChange && el("div", { class: "row end" }, isOpen && muteButton(all.incident), opinionButton(id, "confirm", "It was true"), opinionButton(id, "dismiss", "False alarm")),
  ].flat().filter(Boolean));
}

function muteButton(row) {
  const isMuted = row.muted_until !== null && row.muted_until > Date.now() * 1e6;
  const run = async (event) => order(event.target, async () => {
    await ask("/api/mute", { incident: row.id, for_s: isMuted ? 0 : 7 * 86400 });
    await showIncidents();
    return isMuted ? `Incident ${row.id} is announced again.` : `Incident ${row.id} is muted for seven days.`;
  });
  return el("button", { type: "button", onclick: run }, isMuted ? "Announce again" : "Mute for 7 days");
}

function opinionButton(id, opinion, words) {
  const run = (event) => order(event.target, async () => {
    const { feedback } = await ask("/api/feedback", { incident: id, opinion });
    return `Noted: ${feedback.sentence}.`;
  });
  return el("button", { type: "button", onclick: run }, words);
}

function evidence(cells) {
  return table([
    { title: "What was seen", class: "wide", cell: (row) => row.sentence },
    { title: "Value", number: true, cell: (row) => inUnit(row, row.value) },
    { title: "Normal", number: true, cell: (row) => inUnit(row, row.normal) },
    { title: "Where it stands", class: "mono nowrap", cell: (row) => `${row.source_table}.${row.source_column}` },
  ], cells);
}

/** A cell of a table in the unit that its column's name ends with. */
function inUnit(row, text) {
  const number = Number(text);
  if (text === null || text === "" || !Number.isFinite(number)) return text ?? "–";
  if (row.source_column?.endsWith("_bytes")) return bytes(number);
  if (row.source_column?.endsWith("bytes_per_s")) return `${bytes(number)}/s`;
  const unit = row.source_column?.endsWith("_pct") ? " %" : row.source_column?.endsWith("_s") && !row.source_column.endsWith("per_s") ? " s" : "";
  return number.toLocaleString("en", { maximumFractionDigits: 2 }) + unit;
}

function stacks(rows) {
  const amount = (row) => (row.unit === "bytes" ? bytes(row.weight) : row.unit === "us" ? `${(row.weight / 1e6).toFixed(2)} s` : `${row.weight} ${row.unit}`);
  return table([
    { title: "Share", number: true, cell: (row) => percent(row.share) },
    { title: "Much", number: true, class: "nowrap", cell: amount },
    { title: "Where", class: "wide mono", cell: (row) => row.path ?? row.stack },
  ], rows.slice(0, 8));
}

function weights(rows) {
  const line = (row) => {
    const bar = el("span");
    bar.style.width = percent(row.weight).replace(" ", "");
    return [el("span", { class: "share" }, percent(row.weight)), el("span", { class: "track" }, bar),
      el("span", {}, el("code", {}, row.entity), " ", row.sentence)];
  };
  return el("div", { class: "weights" }, rows.flatMap(line));
}

function decisions(rows) {
  const step = (row) => el("li", {}, clock(row.at), el("span", {}, row.sentence, " ", el("span", { class: "faint" }, `rule ${row.rule}`)), badge(row.verdict));
  return el("ul", { class: "steps" }, rows.map(step));
}

// ── actions and services ───────────────────────────────────────────────────────────────────────────────

async function showActions() {
  const { actions } = await ask("/api/actions");
  const none = el("p", { class: "empty" }, "Nothing was changed on this machine.");
  $("action-list").replaceChildren(actions.length ? actionTable(actions.slice(0, 100)) : none);
}

function actionTable(rows) {
  const change = (row) => (row.before && row.after ? `${row.before} → ${row.after}` : row.after ?? row.because ?? "");
  return table([
    { title: "#", number: true, cell: (row) => String(row.id) },
    { title: "When", class: "nowrap", cell: (row) => clock(row.at) },
    { title: "What", class: "nowrap", cell: (row) => row.action.replaceAll("_", " ") },
    { title: "On", class: "mono nowrap", cell: (row) => row.target },
    { title: "Change", class: "wide", cell: change },
    { title: "State", cell: (row) => badge(row.state) },
    { title: "Outcome", cell: (row) => (row.outcome ? el("span", { title: row.outcome.sentence }, badge(row.outcome.outcome)) : "") },
    { title: "", cell: (row) => (row.can_undo && state.mayChange ? undoButton(row) : "") },
  ], rows, "actions");
}

function undoButton(row) {
  const run = (event) => order(event.target, async () => {
    const answer = await ask("/api/undo", { action: row.id });
    await showActions();
    return `${answer.sentence}.`;
  });
  return el("button", { type: "button", onclick: run, "aria-label": `Undo action ${row.id}` }, "Undo");
}

async function showServices() {
  state.services = Date.now();
  const { services } = await ask("/api/services");
  const none = el("p", { class: "empty" }, "No service is known here: neither a systemd unit nor one of our own (", el("code", {}, "homeostat service start FILE"), ").");
  const number = (value, digits = 0) => (value === null ? "–" : value.toFixed(digits));
  const shown = table([
    { title: "Name", class: "mono", cell: (row) => row.name },
    { title: "By", cell: (row) => row.manager },
    { title: "State", cell: (row) => badge(row.state) },
    { title: "Healthy", cell: (row) => (row.is_healthy === null ? "–" : row.is_healthy ? "yes" : badge("failed")) },
    { title: "CPU %", number: true, cell: (row) => number(row.cpu_pct, 1) },
    { title: "Memory", number: true, cell: (row) => bytes(row.anon_bytes) },
    { title: "Files", number: true, cell: (row) => number(row.descriptors) },
    { title: "Up", number: true, cell: (row) => span(row.up_s) },
    { title: "Failures", number: true, cell: (row) => number(row.failures) },
  ], services);
  $("service-list").replaceChildren(services.length ? shown : none);
}

// ── doctor and own cost ────────────────────────────────────────────────────────────────────────────────

async function showCapabilities() {
  const { capabilities } = await ask("/api/capabilities");
  const missing = capabilities.filter((row) => !row.is_available);
  const here = capabilities.filter((row) => row.is_available);
  const line = (title, text) => (text ? [el("dt", {}, title), el("dd", {}, text)] : []);
  const card = (row) => el("div", { class: "missing" }, el("strong", {}, row.name.replaceAll("_", " ")), " ", el("span", { class: "faint" }, row.kind),
    el("dl", {}, line("lost", row.lost), line("why", row.reason), line("get it", row.remedy)));
  const seen = el("details", { id: "seen" }, el("summary", {}, `${here.length} of ${capabilities.length} work here`),
    el("div", {}, table([
      { title: "Name", cell: (row) => row.name.replaceAll("_", " ") },
      { title: "Kind", cell: (row) => row.kind },
      { title: "Can apply", cell: (row) => (row.can_apply === null ? "" : row.can_apply ? "yes" : "no") },
      { title: "Can undo", cell: (row) => (row.can_undo === null ? (row.kind === "actuator" ? "final" : "") : row.can_undo ? "yes" : "no") },
    ], here)));
  const all = el("p", { class: "empty" }, "Everything Homeostat can use is here.");
  $("capability-list").replaceChildren(missing.length ? el("div", { class: "card" }, missing.map(card)) : all, seen);
}

function showOwn(rows) {
  const shown = rows.map((row) => [row.name, row.value, row.note]);
  const mask = JSON.stringify(shown);
  if (mask === state.mask) return;
  state.mask = mask;
  const value = (row) => {
    if (row.value === null) return "–";
    if (row.unit === "bytes") return bytes(row.value);
    if (row.unit === "us") return row.value >= 1e6 ? `${(row.value / 1e6).toFixed(1)} s` : `${(row.value / 1e3).toFixed(1)} ms`;
    return `${row.value.toLocaleString("en", { maximumFractionDigits: 2 })} ${row.unit}`;
  };
  $("own-list").replaceChildren(table([
    { title: "Quantity", class: "mono", cell: (row) => row.name },
    { title: "Value", number: true, cell: value },
    { title: "Bound", number: true, cell: (row) => (row.bound === null ? "" : value({ ...row, value: row.bound })) },
    { title: "Note", class: "wide", cell: (row) => row.note },
  ], rows));
}

// ── SQL ────────────────────────────────────────────────────────────────────────────────────────────────

async function runSql(event) {
  event?.preventDefault();
  const place = $("sql-result");
  try {
    const answer = await ask("/api/sql", { sql: $("sql").value });
    place.replaceChildren(...(answer.actions ? [actionTable(answer.actions)] : resultTable(answer)));
    if (answer.actions) showActions();
  } catch (error) {
    place.replaceChildren(el("p", { class: "problem" }, error.message, error.hint && el("small", {}, error.hint)));
  }
}

function resultTable({ columns, rows, is_truncated: isTruncated }) {
  const isInstant = (name) => name === "at" || name === "until" || name.endsWith("_at");
  const cell = (name, value) => {
    if (value === null) return el("span", { class: "faint" }, "NULL");
    if (isInstant(name) && value > 1e18) return clock(value);
    return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : String(value);
  };
  const shape = columns.map((name, index) => ({ title: name, number: rows.some((row) => typeof row[index] === "number"), cell: (row) => cell(name, row[index]) }));
  const count = `${rows.length} ${rows.length === 1 ? "row" : "rows"}${isTruncated ? ", more were left out" : ""}`;
  return [table(shape, rows.slice(0, 500), "result"), el("p", { class: "faint" }, rows.length > 500 ? `${count}, the first 500 are shown` : count)];
}

async function showTables() {
  if ($("table-list").childElementCount) return;
  const { tables } = await ask("/api/tables");
  const names = (one) => one.columns.map((column) => column.name).join(", ");
  $("table-list").replaceChildren(el("dl", {}, tables.flatMap((one) => [el("dt", {}, one.name), el("dd", {}, `${one.doc} ${names(one)}`)])));
}

// ── live ───────────────────────────────────────────────────────────────────────────────────────────────

function hear() {
  const source = new EventSource("/api/events");
  source.addEventListener("turn", (event) => {
    const turn = JSON.parse(event.data);
    state.history.push(point(turn));
    state.history.splice(0, state.history.length - POINTS_MAX);
    showTurn(turn);
    if (turn.changed.incidents || turn.changed.decisions || turn.changed.actions) {
      showIncidents().catch(() => {});
      showActions().catch(() => {});
    }
    if (Date.now() - state.services > 5000 && document.visibilityState === "visible") showServices().catch(() => {});
  });
}

function showLive() {
  const age = (Date.now() - state.lastTurn) / 1000;
  const isLost = age > 5;
  $("live").className = isLost ? "live lost" : "live";
  $("live").textContent = state.lastTurn === 0 ? "connecting" : isLost ? `no word for ${Math.round(age)} s` : "live";
}

async function start() {
  // The token is in a cookie now; the address bar and the history need not keep it.
  if (location.search) history.replaceState(null, "", location.pathname + location.hash);
  $("sql-form").addEventListener("submit", runSql);
  $("sql").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) runSql(event); });
  $("sql").value = Object.values(EXAMPLES)[0];
  $("examples").replaceChildren(...Object.entries(EXAMPLES).map(([title, sql]) =>
    el("button", { type: "button", onclick: () => { $("sql").value = sql; runSql(); } }, title)));
  $("tables").addEventListener("toggle", () => showTables().catch((error) => say(error.message)));
  for (const button of $("mode").querySelectorAll("button")) button.addEventListener("click", () => setMode(button));
  setInterval(showLive, 1000);
  try {
    const status = await ask("/api/status?history=1");
    state.history = status.history.map((one) => one.values);
    state.mayChange = status.may_change;
    $("mode").disabled = !status.may_change;
    showTurn(status);
    showLive();
    hear();
    await Promise.all([showIncidents(), showActions(), showServices(), showCapabilities()]);
  } catch (error) {
    $("sentence").textContent = error.message;
    $("watched").textContent = error.hint ?? "";
    setTimeout(() => location.reload(), 3000);
  }
}

start();
