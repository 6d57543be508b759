// The review page: shows one record at a time and sends verdicts. Record texts are only ever set as text.

const token = location.hash.slice(1) || sessionStorage.getItem("token") || "";
sessionStorage.setItem("token", token);
history.replaceState(null, "", location.pathname);

const $ = (id) => document.getElementById(id);
const state = { records: [], reasons: [], place: -1, item: null, viewer: null, boxes: true, reason: -1 };

async function call(path, body) {
  const headers = { "X-Review-Token": token };
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

const json = async (path, body) => (await call(path, body)).json();

function show(error) {
  $("error").textContent = error ? String(error.message || error) : "";
  $("error").hidden = !error;
}

async function makeViewer(response, modality, options) {
  if (modality !== "image") return lammViewer.cloud(await response.json(), options);
  const image = new Image();
  image.alt = options.name;
  image.src = URL.createObjectURL(await response.blob());
  await image.decode().finally(() => URL.revokeObjectURL(image.src));
  return lammViewer.picture(image, options);
}

async function loadMedium(place) {
  state.viewer?.end?.();
  state.viewer = null;
  $("shown").replaceChildren();
  const { item } = state;
  const response = await call(`api/items/${place}/media/0`);
  const made = await makeViewer(response, item.modality, { name: item.media[0], series: item.series });
  if (place !== state.place) return;
  $("shown").replaceChildren(made);
  state.viewer = made.viewer;
  if (!state.boxes) state.viewer.boxes(false);
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function turnElement(given, number) {
  const made = element("div", "", `turn ${given.from}`);
  made.append(element("b", `${number + 1} ${given.from === "human" ? "question" : "answer"}`), given.value);
  return made;
}

function showItem() {
  const { item } = state;
  $("about").textContent = `${item.stratum} · ${item.id}`;
  $("medium-name").textContent = item.media.join(", ");
  $("dialogue").replaceChildren(...item.turns.map(turnElement));
  $("captions").hidden = !item.captions.length;
  $("caption-list").replaceChildren(...item.captions.map((text) => element("li", text)));
  $("findings").replaceChildren(...item.findings.map((found) => element("li", `${found.kind}: ${found.detail}`)));
  askReason(false);
  showState();
}

function showState() {
  const { verdict } = state.records[state.place];
  const read = state.records.filter((record) => record.verdict).length;
  $("place").textContent = `record ${state.place + 1} of ${state.records.length}`;
  $("count").textContent = `${read} read`;
  $("progress").max = state.records.length;
  $("progress").value = read;
  $("state").className = verdict ? verdict.verdict : "";
  $("state").textContent = verdict ? `${verdict.verdict}ed${verdict.reason ? `: ${verdict.reason}` : ""}` : "not read yet";
}

async function showReport() {
  const { strata } = await json("api/report");
  const all = strata.all;
  const per = (share) => `${Math.round(100 * share)} %`;
  $("strata").textContent = all.read
    ? `accepted ${per(all.share)} of ${all.read} read (95 %: ${per(all.interval[0])} to ${per(all.interval[1])})`
    : "";
}

async function open(place) {
  if (place < 0 || place >= state.records.length) return;
  state.place = place;
  show(null);
  const item = await json(`api/items/${place}`);
  if (place !== state.place) return;
  state.item = item;
  showItem();
  await loadMedium(place);
}

function nextUnread() {
  const count = state.records.length;
  for (let step = 1; step <= count; step += 1) {
    const place = (state.place + step + count) % count;
    if (!state.records[place].verdict) return open(place);
  }
  $("state").textContent = "everything is read";
  return undefined;
}

async function judge(verdict, reason = "", note = "") {
  const { place } = state;
  const stored = await json(`api/items/${place}/verdict`, { verdict, reason, note });
  state.records[place].verdict = { verdict: stored.verdict, reason: stored.reason, note: stored.note };
  showState();
  await Promise.all([showReport(), nextUnread()]);
}

function askReason(open) {
  $("rejection").hidden = !open;
  state.reason = -1;
  $("note").value = "";
  $("note").blur();
  chooseReason(-1);
}

function chooseReason(number) {
  state.reason = number;
  [...$("reasons").children].forEach((entry, at) => entry.classList.toggle("chosen", at === number));
}

const reject = () => judge("reject", state.reasons[state.reason] || "", $("note").value.trim());
const attempt = (work) => Promise.resolve().then(work).catch(show);

const KEYS = {
  a: () => judge("accept"),
  r: () => askReason(true),
  n: nextUnread,
  b: () => { state.boxes = !state.boxes; state.viewer?.boxes(state.boxes); },
  t: () => state.viewer?.turn?.(),
  ArrowLeft: () => open(state.place - 1),
  ArrowRight: () => open(state.place + 1),
};
const BUTTONS = { accept: "a", reject: "r", previous: "ArrowLeft", next: "ArrowRight", unread: "n", boxes: "b", turn: "t" };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const asking = !$("rejection").hidden;
  if (event.key === "Escape" && asking) askReason(false);
  else if (event.target === $("note")) return;
  else if (asking && event.key === "Tab") $("note").focus();
  else if (asking && event.key === "Enter") attempt(reject);
  else if (asking && /^[1-9]$/.test(event.key) && state.reasons[event.key - 1]) chooseReason(event.key - 1);
  else if (!asking && KEYS[event.key] && state.item) attempt(KEYS[event.key]);
  else return;
  event.preventDefault();
});
for (const [id, key] of Object.entries(BUTTONS)) $(id).addEventListener("click", () => attempt(KEYS[key]));
$("rejection").addEventListener("submit", (event) => { event.preventDefault(); attempt(reject); });
// After a drag the keys are the review's again; who walks to the medium by Tab has the viewer's.
$("shown").addEventListener("pointerup", () => document.activeElement?.blur());

attempt(async () => {
  const { reviewer, reasons, records } = await json("api/overview");
  Object.assign(state, { reasons, records });
  $("reviewer").textContent = reviewer;
  $("reasons").replaceChildren(...reasons.map((text, at) => {
    const entry = element("li", text);
    entry.addEventListener("click", () => chooseReason(at));
    return entry;
  }));
  await Promise.all([showReport(), nextUnread()]);
  if (state.place < 0) await open(0);
});
