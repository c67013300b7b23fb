// The page: what is set, one ensemble for each optimizer in a thread of its own, and what is drawn of them.
async function page() {
const $ = (id) => document.getElementById(id);
const COUNTS = [1000, 4000, 10000, 20000, 40000, 100000], OWN = MANIFEST.scenes.length - 1, MOST = 4, LETTERS = "ABCD";
const DASHES = [[], [8, 3], [4, 4], [10, 3, 2, 3]];
const still = matchMedia("(prefers-reduced-motion: reduce)"), dark = matchMedia("(prefers-color-scheme: dark)");
const state = {
  scene: 0, count: 10000, sigma: 1, batch: 0, speed: 1, seed: 0, own: "x^4 - 3*x^2*y + y^2 + (x^2 + y^2)^2 / 2", level: -0.1, center: [0, 0], spread: 0.01,
  sides: [], playing: false, until: 0,
};
let typed = {};  // what was made of the formula last
function typedAs(text) {
  if (typed.text !== text) {
    const {tape, python} = tapeOf(text), {value} = ownFunction(text), {window: [[left, right], [bottom, top]]} = MANIFEST.scenes[OWN];
    const some = Array.from({length: 400}, (_, i) => value(left + ((i % 20) + 0.5) * (right - left) / 20, bottom + (Math.floor(i / 20) + 0.5) * (top - bottom) / 20));
    if (!some.some(Number.isFinite)) throw new Error("the formula has no finite value where it is drawn");
    typed = {text, tape, python, minima: minimaOf(text, MANIFEST.scenes[OWN].window)};
  }
  return typed;
}
const scene = () => {
  const here = MANIFEST.scenes[state.scene];
  if (state.scene !== OWN) return here;
  const {tape, minima} = typedAs(state.own), {level} = state;
  const python = {landscape: "Own()", event: `en.Below(value=${level}, stop=False)`};
  return {...here, minima, python, timed: `reached f ≤ ${String(level).replace("-", "−")}`, numbers: {"landscape.tape": tape, "event.value": level}};
};
const rule = (side) => MANIFEST.optimizers[side.rule];
const ruleOf = (name) => MANIFEST.optimizers.findIndex((one) => one.class === name);
const round = (v) => Number(v.toPrecision(3));
const sigma = () => round(state.sigma / Math.sqrt(2 ** state.batch));
const rateOf = ({fields}) => fields.lr ?? fields["base.lr"];
const temperature = (side) => (rateOf(side) * sigma() ** 2) / 2;
const modules = {};
const code = await unpacked(MANIFEST.modules), moduleOf = (key) => (modules[key] ??= new WebAssembly.Module(code[key]));
delete MANIFEST.modules;

let colours = {};
const colour = (name) => (colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue(name).trim());
const colourOf = (k) => colour(`--${"abcd"[k]}`);
const rgb = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));

// ---- what is set

function fill(select, names) {
  select.replaceChildren(...names.map((name, k) => new Option(name, k)));
}
function defaults(side) {
  side.fields = {};
  for (const [name, , , first] of rule(side).sliders) side.fields[name] = /^(base\.)?lr$/.test(name) ? rule(side).rates[state.scene] : first;
}
function sideOf(name) {
  const side = {rule: ruleOf(name), fields: {}};
  defaults(side);
  return side;
}
const panels = [];
function makePanels() {
  const {sides} = state;
  $("stage").replaceChildren(...sides.map((side, k) => {
    const box = $("panel").content.firstElementChild.cloneNode(true), letter = LETTERS[k], field = box.querySelector(".field");
    const [ground, cloud] = box.querySelectorAll("canvas"), select = box.querySelector("select"), off = box.querySelector(".off");
    box.style.setProperty("--own", `var(--${"abcd"[k]})`);
    box.querySelector("h2").textContent = letter;
    panels[k] = {k, box, field, ground, cloud, pen: cloud.getContext("2d"), select, sliders: box.querySelector(".row"), said: box.querySelector(".said")};
    fill(select, MANIFEST.optimizers.map(({name}) => name));
    select.setAttribute("aria-label", `optimizer ${letter}`);
    select.onchange = () => {
      side.rule = Number(select.value);
      defaults(side);
      makeSliders(panels[k]);
      showCommon();
      restart();
    };
    off.hidden = sides.length === 1;
    off.setAttribute("aria-label", `remove optimizer ${letter}`);
    off.onclick = () => { sides.splice(k, 1); makePanels(); restart(); $("add").focus(); };
    field.setAttribute("aria-label", `landscape and cloud of optimizer ${letter}; the arrow keys move the start, plus and minus spread it`);
    field.onclick = (event) => {
      const at = field.getBoundingClientRect(), [[left, right], [bottom, top]] = scene().window;
      begins([left + ((event.clientX - at.left) / at.width) * (right - left), top - ((event.clientY - at.top) / at.height) * (top - bottom)]);
    };
    field.onkeydown = (event) => {
      const [[left, right], [bottom, top]] = scene().window, [x, y] = state.center, dx = (right - left) / 50, dy = (top - bottom) / 50;
      const to = {ArrowLeft: [x - dx, y], ArrowRight: [x + dx, y], ArrowUp: [x, y + dy], ArrowDown: [x, y - dy]}[event.key];
      const times = {"+": 1.25, "=": 1.25, "-": 0.8}[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey || !(to || times)) return;
      event.preventDefault();
      if (to) begins(to); else spreads(state.spread * times);
    };
    makeSliders(panels[k]);
    return box;
  }));
  panels.length = sides.length;
  $("add").hidden = sides.length === MOST;
  while (runs.length > sides.length) runs.pop().worker.terminate();
  while (runs.length < sides.length) runs.push(newRun(runs.length));
  shown = {};
  showCommon();
}
function begins(at) {
  const [[left, right], [bottom, top]] = scene().window;
  state.center = [Math.min(right, Math.max(left, at[0])), Math.min(top, Math.max(bottom, at[1]))].map(round);
  restart();
}
function spreads(v) {
  state.spread = round(Math.min(5, Math.max(0.001, v)));
  showCommon();
  restart();
}
function makeSliders(panel) {
  const side = state.sides[panel.k];
  panel.select.value = side.rule;
  panel.sliders.replaceChildren(...rule(side).sliders.map(([name, low, high, , logarithmic]) => {
    const label = document.createElement("label"), head = document.createElement("span"), output = document.createElement("output");
    const to = logarithmic ? Math.log10 : (v) => v, from = logarithmic ? (v) => 10 ** v : (v) => v;
    const input = Object.assign(document.createElement("input"), {type: "range", min: to(low), max: to(high)});
    Object.assign(input, {step: (to(high) - to(low)) / 500, value: to(side.fields[name])});
    input.dataset.field = name;
    output.textContent = side.fields[name];
    input.oninput = () => {
      side.fields[name] = round(Math.min(high, Math.max(low, from(Number(input.value)))));
      output.textContent = side.fields[name];
      if (panel.k === 0) showCommon();
      changed(panel.k);
    };
    head.append(name.replace("base.", "").replace("_", " "), output);
    label.append(head, input);
    return label;
  }));
}
const logOf = (v) => Math.log10(Math.max(v, 1e-12));
function showCommon() {
  const hot = temperature(state.sides[0]);
  for (const [id, value, told] of [
    ["sigma", logOf(state.sigma), state.sigma], ["batch", state.batch, 2 ** state.batch], ["speed", state.speed, state.speed],
    ["spread", logOf(state.spread), state.spread], ["temperature", logOf(hot), Number(hot.toPrecision(2))],
  ]) {
    if (document.activeElement !== $(id)) $(id).value = value;
    $(`${id}-said`).textContent = told;
  }
  $("scene").value = state.scene;
  $("count").value = COUNTS.indexOf(state.count);
  $("seed").value = state.seed;
  $("own").value = state.own;
  $("level").value = state.level;
  $("own-row").hidden = state.scene !== OWN;
  $("formula").textContent = scene().formula;
}

// ---- ensembles

// Survival by steps, at most 2,000 numbers of it however long a run is: when there are more, every second is dropped.
class Curve {
  constructor() { Object.assign(this, {every: 1, values: [1], t: 0, last: 1}); }
  add(value) {
    ++this.t;
    this.last = value;
    if (this.t % this.every) return;
    this.values.push(value);
    if (this.values.length > 2000) {
      this.values = this.values.filter((_, k) => k % 2 === 0);
      this.every *= 2;
    }
  }
}
let run = 0, wanted = false, stale = false, reads = 0;  // answers of earlier runs are not looked at
const runs = [], normals = {}, url = URL.createObjectURL(new Blob([WORKER], {type: "text/javascript"}));
function newRun(k) {
  const one = {worker: new Worker(url), busy: false, sent: 0, t: 0, curve: new Curve(), left: 0, near: [], ms: 0, lost: 0, reading: {}};
  one.worker.onmessage = ({data}) => arrived(one, data);
  one.worker.onerror = (event) => arrived(one, {number: run, error: event.message || `the thread of optimizer ${LETTERS[k]} ended`});
  return one;
}
function startPointsNow() {
  const key = `${state.seed} ${state.count}`;
  if (normals.key !== key) Object.assign(normals, {key, z: startNormals(moduleOf("draw"), state.seed, state.count)});
  return startPoints(normals.z, state.center, state.spread);
}
// Where and how a panel's cloud is drawn: pixels, at most 1,000 across, and the ink of a dot.
function viewOf({k, field}) {
  const box = field.getBoundingClientRect(), ratio = Math.min(2, devicePixelRatio || 1, 1000 / box.width);
  const [r, g, b] = rgb(colourOf(k)), wide = Math.max(2, Math.round(box.width * ratio)), high = Math.max(2, Math.round(box.height * ratio));
  const ink = Math.min(0.9, Math.max(0.12, (9000 / state.count) * Math.min(1, (wide * high) / 250000)));
  return {wide, high, window: scene().window, colour: r | (g << 8) | (b << 16), ink};
}
function restart() {  // at the next frame: many requests are one
  wanted = true;
  state.until = 0;
}
function begin() {
  wanted = false;
  ++run;
  const x = startPointsNow(), here = scene();
  runs.forEach((one, k) => {
    const side = state.sides[k], key = `${state.scene}.${side.rule}`;
    Object.assign(one, {busy: true, fresh: false, sent: 0, t: 0, curve: new Curve(), left: state.count, median: 0, near: [], lost: 0, changed: false});
    one.law = lawOf(k);
    one.worker.postMessage({number: run, view: viewOf(panels[k]), start: {
      module: moduleOf(key), members: MANIFEST.members[key], rule: rule(side), numbers: here.numbers, width: MANIFEST.width, x, seed: state.seed, fields: side.fields, sigma: sigma(), minima: here.minima, window: here.window,
    }});
  });
  ground();
  remember();
}
function arrived(one, data) {
  if (data.read) { one.reading[data.read]?.(data); delete one.reading[data.read]; return; }
  if (data.number !== run) return;
  one.busy = false;
  if (data.error) { tell(data.error); pause(); return; }
  for (const count of data.events) {
    one.left -= count;
    one.curve.add(one.left / state.count);
    if (!one.median && one.left <= state.count / 2) one.median = one.curve.t;
  }
  if (data.events.length) one.ms = data.ms;
  Object.assign(one, {t: data.t, near: data.near, lost: data.lost, fresh: true});
  one.picture = {pixels: data.pixels, wide: data.wide, high: data.high};
}
function changed(k) {
  runs.forEach((one, which) => {
    if ((k ?? which) !== which || !one.sent && one.t === 0 && wanted) return;
    one.worker.postMessage({set: {fields: state.sides[which].fields, sigma: sigma()}});
    one.changed = one.changed || one.sent > 0;  // what has been taken so far was taken with other numbers
    one.law = one.changed ? null : lawOf(which);
  });
  remember();
}
const idle = () => !wanted && run > 0 && runs.every((one) => !one.busy);
function advance(steps) {
  if (!idle()) return false;
  runs.forEach((one, k) => {
    one.busy = true;
    one.sent += steps;
    const pixels = one.picture?.pixels;
    one.picture = null;
    one.worker.postMessage({number: run, advance: steps, pixels, view: stale && viewOf(panels[k])}, pixels ? [pixels] : []);
  });
  stale = false;
  return true;
}
// Points, event steps and diverged steps of a panel's instances: what a test compares.
function read(k) {
  const one = runs[k], name = ++reads;
  return new Promise((found) => { one.reading[name] = found; one.worker.postMessage({read: name}); });
}
function pause() { state.playing = false; $("play").textContent = "Play"; }
function toggle() {
  state.playing = !state.playing;
  state.until = 0;
  $("play").textContent = state.playing ? "Pause" : "Play";
}
let steps = 0;  // asked for one by one, and not yet taken
function step() { pause(); ++steps; }

// ---- the law of SGD's first exit along x, exact: the density of those still inside, step by step

function lawOf(k) {
  const side = state.sides[k], noise = side.fields.lr * sigma();
  const inside = {
    "saddle": [-0.5, 0.5, (x) => x ** 3 - x], "double well": [-3, 0, (x) => x ** 3 - x], "degenerate saddle": [-0.5, 0.5, (x) => x ** 5 - x ** 3],
  }[scene().name];
  if (!inside || rule(side).class !== "GradientDescent") return null;
  const [low, high, slope] = inside, n = 160, width = (high - low) / n;
  if (noise < 1.5 * width || noise > (high - low)) return null;  // too fine for these nodes, or gone in a step
  const nodes = Float64Array.from({length: n}, (_, i) => low + (i + 0.5) * width), {lr} = side.fields, [center] = state.center, {spread} = state;
  const density = (from, to) => Math.exp(-0.5 * ((to - from + lr * slope(from)) / noise) ** 2) / (noise * Math.sqrt(2 * Math.PI)) * width;
  const kernel = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) for (let j = 0; j < n; ++j) kernel[i * n + j] = density(nodes[i], nodes[j]);
  const curve = new Curve();
  let p = new Float64Array(n), q = new Float64Array(n);
  function first() {  // from the cloud, whose instances may start anywhere
    const m = 81;
    let total = 0;
    for (let a = 0; a < m; ++a) {
      const z = -4 + (8 * a) / (m - 1), weight = Math.exp(-z * z / 2);
      total += weight;
      for (let j = 0; j < n; ++j) q[j] += weight * density(center + spread * z, nodes[j]);
    }
    for (let j = 0; j < n; ++j) q[j] /= total;
  }
  return {
    curve,
    to(t) {
      while (curve.t < t) {
        q.fill(0);
        if (!curve.t) first();
        else for (let i = 0; i < n; ++i) if (p[i] > 1e-300) for (let j = 0; j < n; ++j) q[j] += p[i] * kernel[i * n + j];
        [p, q] = [q, p];
        curve.add(Math.min(1, p.reduce((a, b) => a + b, 0)));
      }
      return curve;
    },
  };
}

// ---- drawing

function fitted(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(2, devicePixelRatio || 1);
  const w = Math.max(1, Math.round(box.width * ratio)), h = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
  return ratio;
}
// Contours: bands of equal rank, so that a valley is seen as well as a wall. (wide, high) values, and a picture by them.
const WIDE = 720, HIGH = 540;
let land = {}, shown = {};
function heights() {
  const here = scene(), width = MANIFEST.width, n = Math.ceil((WIDE * HIGH) / width) * width, x = new Float32Array(2 * n);
  const [[left, right], [bottom, top]] = here.window;
  for (let i = 0; i < WIDE * HIGH; ++i) {
    x[2 * i] = left + ((i % WIDE) + 0.5) * (right - left) / WIDE;
    x[2 * i + 1] = top - (Math.floor(i / WIDE) + 0.5) * (top - bottom) / HIGH;
  }
  const key = `${state.scene}.0`, one = new Ensemble(moduleOf(key), MANIFEST.members[key], MANIFEST.optimizers[0], here.numbers, width);
  one.start(new Float32Array(2 * width), 0, {lr: 0}, 0);
  const f = one.values(x);
  const sorted = f.slice(0, WIDE * HIGH).filter(Number.isFinite).sort();
  const levels = Array.from({length: 15}, (_, k) => sorted[Math.floor(((k + 1) / 16) ** 1.5 * (sorted.length - 1))]);
  return Uint8Array.from({length: WIDE * HIGH}, (_, i) => {
    let k = 0;
    while (k < 15 && !(f[i] <= levels[k])) ++k;
    return k;
  });
}
function ground() {
  const here = scene(), key = `${state.scene} ${state.scene === OWN ? state.own : ""}`;
  if (land.key !== key) land = {key, bands: heights()};
  const tone = `${key} ${dark.matches}`;
  if (land.tone !== tone) {
    const low = rgb(colour("--low")), high = rgb(colour("--high")), line = rgb(colour("--edge")), {bands} = land;
    const image = new ImageData(WIDE, HIGH);
    for (let i = 0; i < WIDE * HIGH; ++i) {
      const k = bands[i], edge = (i % WIDE && bands[i - 1] !== k) || (i >= WIDE && bands[i - WIDE] !== k);
      for (let c = 0; c < 3; ++c) image.data[4 * i + c] = edge ? line[c] : low[c] + ((high[c] - low[c]) * k) / 15;
      image.data[4 * i + 3] = 255;
    }
    land.sheet = new OffscreenCanvas(WIDE, HIGH);
    land.sheet.getContext("2d").putImageData(image, 0, 0);
    land.tone = tone;
  }
  const [[left, right], [bottom, top]] = here.window;
  for (const {k, ground: canvas} of panels) {
    const ratio = fitted(canvas), size = `${tone} ${canvas.width} ${canvas.height}`;
    if (shown[k] === size) continue;
    shown[k] = size;
    const g = canvas.getContext("2d"), px = canvas.width / (right - left), py = canvas.height / (top - bottom);
    g.imageSmoothingQuality = "high";
    g.drawImage(land.sheet, 0, 0, canvas.width, canvas.height);
    g.strokeStyle = colour("--ink");
    g.lineWidth = 1.2 * ratio;
    for (const {x: [a, b]} of here.minima) {
      g.beginPath();
      g.arc((a - left) * px, (top - b) * py, (here.minima.length > 20 ? 2.5 : 5) * ratio, 0, 7);
      g.stroke();
    }
  }
}
function drawCloud({k, cloud, pen}) {
  const {picture} = runs[k];
  if (!picture) return;
  const {pixels, wide, high} = picture;
  if (cloud.width !== wide || cloud.height !== high) Object.assign(cloud, {width: wide, height: high});
  pen.putImageData(new ImageData(new Uint8ClampedArray(pixels), wide, high), 0, 0);
}
const nice = (v) => {
  const power = 10 ** Math.floor(Math.log10(v)), m = v / power;
  return (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10) * power;
};
function paper(canvas) {
  const ratio = fitted(canvas), g = canvas.getContext("2d"), w = canvas.width / ratio, h = canvas.height / ratio;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, w, h);
  g.font = "12px system-ui, sans-serif";
  g.lineWidth = 1;
  return [g, w, h];
}
function stroke(g, points, style, dashes, thick) {
  g.strokeStyle = style;
  g.setLineDash(dashes);
  g.lineWidth = thick;
  g.beginPath();
  points.forEach(([x, y], k) => (k ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.stroke();
  g.setLineDash([]);
}
function drawSurvival() {
  const [g, w, h] = paper($("survival")), here = scene();
  g.fillStyle = colour("--soft");
  g.textAlign = "left";
  g.fillText(`share that has not yet ${here.timed}`, 4, 14);
  let at = 4, y1 = 34;  // what is what, as many on a line as there is room for
  const lines = runs.map((one, k) => [`${LETTERS[k]} ${rule(state.sides[k]).name}`, colourOf(k), DASHES[k], 2]);
  if (runs.some((one) => one.law)) lines.push(["exact law of SGD", colour("--law"), [1.5, 3], 1.5]);
  for (const [told, style, dashes, thick] of lines) {
    const wide = 34 + g.measureText(told).width;
    if (at > 4 && at + wide > w) { at = 4; y1 += 17; }
    stroke(g, [[at, y1 - 4], [at + 22, y1 - 4]], style, dashes, thick);
    g.fillStyle = colour("--ink");
    g.fillText(told, at + 27, y1);
    at += wide + 12;
  }
  y1 += 14;
  const x0 = 32, y0 = h - 34, x1 = w - 12, end = Math.max(50, runs[0].t);
  const px = (t) => x0 + ((x1 - x0) * t) / end, py = (s) => y0 + (y1 - y0) * s;
  g.fillStyle = colour("--soft");
  g.textAlign = "right";
  for (const s of [0, 0.5, 1]) { g.fillText(s, x0 - 6, py(s) + 4); stroke(g, [[x0, py(s)], [x1, py(s)]], colour("--line"), [], 1); }
  g.textAlign = "center";
  const tick = nice(end / 5);
  for (let t = 0; t <= end * 1.0001; t += tick) {
    const told = Math.round(t).toLocaleString("en");
    g.fillText(told, Math.min(px(t), w - 2 - g.measureText(told).width / 2), y0 + 16);
  }
  g.fillText("step", (x0 + x1) / 2, h - 4);
  const pointsOf = ({every, values, t, last}) => {
    const stride = Math.max(1, Math.floor(values.length / 700)), points = [];
    for (let k = 0; k < values.length; k += stride) points.push([px(k * every), py(values[k])]);
    points.push([px(t), py(last)]);
    return points;
  };
  runs.forEach((one, k) => stroke(g, pointsOf(one.curve), colourOf(k), DASHES[k], 2));
  for (const one of runs) if (one.law) stroke(g, pointsOf(one.law.to(one.t)), colour("--law"), [1.5, 3], 1.5);
}
function drawShares() {
  const here = scene(), sides = runs.length, count = here.minima.length, thick = sides > 2 ? 11 : 13, each = thick * sides + 10;
  $("shares").style.height = `${Math.min(270, 26 + Math.max(1, count) * each)}px`;
  const [g, w, h] = paper($("shares"));
  g.fillStyle = colour("--soft");
  g.textAlign = "left";
  g.fillText(count ? "nearest minimum, share of the instances" : "no minimum is known here", 4, 14);
  if (!count) return;
  const room = Math.max(1, Math.floor((h - 26) / each));
  const most = here.minima.map((_, k) => Math.max(...runs.map((one) => one.near[k] || 0)));
  let order = most.map((_, k) => k);
  if (count > room) order.sort((a, b) => most[b] - most[a] || a - b);
  const kept = count > room ? order.slice(0, room - 1) : order, rest = order.slice(kept.length);
  const rows = [...kept.map((k) => [here.minima[k].name, [k]]), ...(rest.length ? [[`${rest.length} others`, rest]] : [])];
  rows.forEach(([name, members], r) => {
    const y = 24 + r * each;
    g.fillStyle = colour("--ink");
    g.fillText(name, 4, y + (thick * sides) / 2 + 4);
    runs.forEach((one, side) => {
      const share = members.reduce((sum, k) => sum + (one.near[k] || 0), 0) / state.count, top = y + side * thick, wide = (w - 160) * share;
      g.fillStyle = colourOf(side);
      g.fillRect(104, top, Math.max(1, wide), thick - 2);
      g.fillText(share.toFixed(3), 110 + wide, top + thick - 3);
    });
  });
}
function said(panel) {
  const one = runs[panel.k], many = (n) => n.toLocaleString("en");
  panel.said.textContent = `step ${many(one.t)}; ` + `median time ${one.median ? many(one.median) : "not yet"}; ` +
    `temperature lr σ²/2 = ${temperature(state.sides[panel.k]).toPrecision(2)}` + (one.lost ? `; ${many(one.lost)} diverged` : "") +
    (one.changed ? "; numbers changed on the way" : "") + `; ${one.ms.toFixed(1)} ms a frame`;
}
const shownFrames = {frames: 0, drawn: 0, since: performance.now()};
let told = 0;
function tick(now) {
  ++shownFrames.frames;
  if (wanted && runs.every((one) => !one.busy)) {
    begin();
  } else if (runs.every((one) => one.fresh)) {
    ++shownFrames.drawn;
    panels.forEach(drawCloud);
    for (const one of runs) one.fresh = false;
    onward();
    if (!(state.playing || state.until) || now - told > 60) {  // words and charts need no sixty times a second
      told = now;
      panels.forEach(said);
      drawSurvival();
      drawShares();
    }
  } else {
    onward();
  }
  requestAnimationFrame(tick);
}
// The next steps, where there are any to take: those of a link, those asked for, those of a frame.
function onward() {
  if (!idle() || runs.some((one) => one.fresh)) return;
  if (stale) advance(0);
  else if (state.until > runs[0].t) advance(Math.min(64, state.until - runs[0].t));
  else if (steps) advance(steps), (steps = 0);
  else if (state.playing) advance(state.speed);
  if (state.until <= runs[0].sent) state.until = 0;
}
function redraw() {
  colours = {};
  shown = {};
  stale = true;
  ground();
}

// ---- links and Python

function linkOf(t) {
  const all = new URLSearchParams({
    scene: scene().name, n: state.count, sigma: state.sigma, batch: state.batch, speed: state.speed, seed: state.seed,
    at: state.center.join(","), spread: state.spread, ...(state.scene === OWN ? {own: state.own, level: state.level} : {}), ...(t ? {t} : {}),
  });
  state.sides.forEach((side, k) => all.set("abcd"[k], [rule(side).class, ...Object.entries(side.fields).map(([n, v]) => `${n}=${v}`)].join(" ")));
  return `#${all}`;
}
let later = 0;
function remember() {  // not at every move of a slider: browsers stop a page that changes its address a hundred times a second
  clearTimeout(later);
  later = setTimeout(() => history.replaceState(null, "", linkOf(0)), 300);
}
function recall() {
  const all = new URLSearchParams(location.hash.slice(1)), number = (name, low, high, whole) => {
    const v = Number(all.get(name));
    return all.get(name) && Number.isFinite(v) && v >= low && v <= high && (!whole || Number.isInteger(v)) ? v : undefined;
  };
  const own = (all.get("own") || "").slice(0, 300);
  if (own) {
    try { typedAs(own); state.own = own; } catch (error) { tell(`the link's function is not one: ${error.message}`); }
  }
  const named = MANIFEST.scenes.findIndex(({name}) => name === all.get("scene"));
  state.scene = Math.max(0, named);
  state.level = number("level", -1e6, 1e6) ?? state.level;
  state.sides = [];
  for (const letter of "abcd") {
    const [name, ...fields] = (all.get(letter) || "").split(" ");
    if (ruleOf(name) < 0) continue;
    const side = sideOf(name);
    for (const field of fields) {
      const [key, value] = field.split("="), slider = rule(side).sliders.find(([one]) => one === key), v = Number(value);
      if (slider && value && v >= slider[1] && v <= slider[2]) side.fields[key] = v;
    }
    state.sides.push(side);
  }
  if (!state.sides.length) state.sides = [sideOf("GradientDescent"), sideOf("Adam")];
  choose(state.scene, false);
  if (COUNTS.includes(Number(all.get("n")))) state.count = Number(all.get("n"));
  for (const [name, low, high, whole] of [["sigma", 0, 1000], ["batch", 0, 10, true], ["speed", 1, 16, true], ["seed", 0, Number.MAX_SAFE_INTEGER, true], ["spread", 0, 10]])
    state[name] = number(name, low, high, whole) ?? state[name];
  const at = (all.get("at") || "").split(",");
  if (at.length === 2 && at.every((v) => v && Math.abs(Number(v)) < 1e6)) state.center = at.map(Number);
  makePanels();
  restart();
  state.until = number("t", 1, 1e7, true) ?? 0;
  if (state.until) pause();
}
function python() {
  const here = scene(), own = state.scene === OWN, {sides} = state;
  const call = (side) => rule(side).call.replace(/{([\w.]+)}/g, (_, name) => side.fields[name]);
  const names = sides.map((side, k) => (sides.filter((other) => other.rule === side.rule).length > 1 ? `${rule(side).name} ${LETTERS[k]}` : rule(side).name));
  const made = own ? `from dataclasses import dataclass\n\nimport numpy as np\n\nimport ensemble as en\n\n\n${typed.python}\n\n` : "import ensemble as en\n\n";
  const changed = runs.some((one) => one.changed) ? "# Numbers were changed on the way: this is a run of those that are set now, from its start.\n" : "";
  return `${made}${changed}result = en.${sides.length > 1 ? "compare" : "simulate"}(
    ${sides.length > 1 ? `{\n${sides.map((side, k) => `        ${JSON.stringify(names[k])}: ${call(side)},\n`).join("")}    }` : `optimizer=${call(sides[0])}`},
    landscape=${here.python.landscape},
    noise=en.Gaussian(${sigma()}),
    start=en.NormalCloud(${state.spread}, (${state.center.join(", ")})),
    event=${here.python.event},
    instances=${state.count},
    steps=${Math.max(1, runs[0].t)},
    seed=${state.seed},
    math="precise",
)
`;
}
function tell(text) { $("told").textContent = text; }
async function copy(text, what, otherwise) {
  try { await navigator.clipboard.writeText(text); tell(`${what} is copied`); } catch { tell(otherwise); }
}

// ---- what is done to the page

function choose(k, sides = true) {
  state.scene = k;
  const here = scene();
  Object.assign(state, {center: [...here.center], spread: here.spread, sigma: here.sigma, batch: 0});
  if (sides) state.sides.forEach(defaults);
}
fill($("scene"), MANIFEST.scenes.map(({name}) => name));
fill($("count"), COUNTS.map((n) => n.toLocaleString("en")));
$("scene").onchange = () => { choose(Number($("scene").value)); panels.forEach(makeSliders); showCommon(); restart(); };
$("count").onchange = () => { state.count = COUNTS[Number($("count").value)]; restart(); };
$("sigma").oninput = () => {
  const v = Number($("sigma").value);
  state.sigma = v <= -2.99 ? 0 : round(10 ** v);
  showCommon();
  changed();
};
$("temperature").oninput = () => {  // the noise that gives it: T = lr sigma^2/(2 batch)
  state.sigma = round(Math.min(1000, Math.sqrt((2 * 10 ** Number($("temperature").value) * 2 ** state.batch) / rateOf(state.sides[0]))));
  showCommon();
  changed();
};
$("batch").oninput = () => { state.batch = Number($("batch").value); showCommon(); changed(); };
$("speed").oninput = () => { state.speed = Number($("speed").value); showCommon(); remember(); };
$("spread").oninput = () => spreads(10 ** Number($("spread").value));
$("seed").onchange = () => { state.seed = Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(Number($("seed").value) || 0))); showCommon(); restart(); };
$("own").onchange = () => {
  const text = $("own").value.slice(0, 300).trim(), wrong = $("own-wrong");
  try { typedAs(text); } catch (error) { wrong.textContent = error.message; return; }
  wrong.textContent = "";
  state.own = text;
  restart();
};
$("level").onchange = () => {
  const v = Number($("level").value);
  if ($("level").value && Math.abs(v) <= 1e6) state.level = v;
  showCommon();
  restart();
};
$("play").onclick = toggle;
$("step").onclick = step;
$("again").onclick = restart;
$("add").onclick = () => {
  const other = MANIFEST.optimizers.find((one) => !state.sides.some((side) => rule(side) === one)) || MANIFEST.optimizers[0];
  state.sides.push(sideOf(other.class));
  makePanels();
  restart();
};
$("link").onclick = () => {
  const link = linkOf(runs.some((one) => one.changed) || state.playing ? 0 : runs[0].t);
  clearTimeout(later);
  history.replaceState(null, "", link);
  copy(location.href, "the link", "copy the page's address: it is the link");
};
$("python").onclick = () => {
  const text = python();
  $("code").hidden = false;
  $("code").textContent = text;
  copy(text, "the Python", "the Python is below");
};
addEventListener("keydown", (event) => {
  const {tagName, type} = event.target, typed = tagName === "SELECT" || (tagName === "INPUT" && type !== "range");
  if (typed || (tagName === "BUTTON" && event.key === " ") || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = {" ": toggle, ".": step, r: restart, R: restart}[event.key];
  if (action) { event.preventDefault(); action(); }
});
addEventListener("hashchange", recall);
addEventListener("resize", redraw);
dark.addEventListener("change", redraw);
still.addEventListener("change", () => { if (still.matches) pause(); });
$("about").textContent = `The kernels are the product's own C++ sources, compiled to WebAssembly by ${MANIFEST.compiler} for descent-ensemble ` +
  `${MANIFEST.version}: what “Copy Python” gives has the same bits on any machine, by math="precise". A function of your own is ` +
  `differentiated here and carried out by the same kernels, one operation after another.`;
recall();
if (!still.matches && !state.until) toggle();
window.explorer = {state, runs, shownFrames, python, linkOf, restart, toggle, step, advance, read, idle};
requestAnimationFrame(tick);
}
page().catch((error) => {
  document.getElementById("told").textContent = `This page needs a browser with WebAssembly's SIMD and DecompressionStream. ${error.message || error}`;
  throw error;
});
