// The page: what is set, two ensembles in threads of their own, and what is drawn of them.
(() => {
const $ = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COUNTS = [1000, 4000, 10000, 20000, 40000, 100000], OWN = MANIFEST.scenes.length;
const OWN_SCENE = {
  name: "your own", formula: "", timed: "", center: [0.1, 0.1], spread: 0.3, sigma: 0.3, lr: 0.01, window: [[-2, 2], [-1.5, 1.5]], minima: [],
};
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const state = {
  scene: 0, count: 10000, sigma: 1, batch: 0, speed: 1, seed: 0, own: "x^4 - 3*x^2*y + y^2 + (x^2 + y^2)^2 / 2", center: [0, 0], spread: 0.01,
  sides: [{rule: 0, fields: {}}, {rule: 5, fields: {}}], playing: false,
};
const scene = () => (state.scene === OWN ? {...OWN_SCENE, formula: state.own} : MANIFEST.scenes[state.scene]);
const rule = (side) => MANIFEST.optimizers[side.rule];
const sigma = () => round(state.sigma / Math.sqrt(2 ** state.batch));
const round = (v) => Number(v.toPrecision(3));
const modules = {};
const moduleOf = (key) => (modules[key] ??= new WebAssembly.Module(bytesOf(MANIFEST.modules[key])));

// ---- sliders

function fill(select, names) {
  select.replaceChildren(...names.map((name, k) => new Option(name, k)));
}
function defaults(side) {
  side.fields = {};
  const {lr, window: [[left, right]]} = scene(), [basis, factor] = rule(side).share;
  const rate = round((basis === "lr" ? lr : right - left) * factor);
  for (const [name, , , first] of rule(side).sliders) side.fields[name] = name === "lr" ? rate : first;
}
const panels = [...document.querySelectorAll(".stage > section")].map((box, k) => {
  const [ground, cloud] = box.querySelectorAll("canvas");
  return {k, box, ground, cloud, select: box.querySelector("select"), sliders: box.querySelector(".row"), said: box.querySelector(".said")};
});
function makeSliders(panel) {
  const side = state.sides[panel.k];
  panel.select.value = side.rule;
  panel.sliders.replaceChildren(...rule(side).sliders.map(([name, low, high, , logarithmic]) => {
    const label = document.createElement("label"), head = document.createElement("span"), output = document.createElement("output");
    const input = Object.assign(document.createElement("input"), {type: "range", step: "any"});
    const to = logarithmic ? Math.log10 : (v) => v, from = logarithmic ? (v) => 10 ** v : (v) => v;
    Object.assign(input, {min: to(low), max: to(high), value: to(side.fields[name])});
    output.textContent = side.fields[name];
    input.oninput = () => {
      side.fields[name] = round(Math.min(high, Math.max(low, from(Number(input.value)))));
      output.textContent = side.fields[name];
      changed(panel.k);
    };
    head.append(name, output);
    label.append(head, input);
    return label;
  }));
}
function showCommon() {
  $("scene").value = state.scene;
  $("count").value = COUNTS.indexOf(state.count);
  $("sigma").value = Math.log10(Math.max(state.sigma, 1e-3));
  $("sigma-said").textContent = state.sigma;
  $("batch").value = state.batch;
  $("batch-said").textContent = 2 ** state.batch;
  $("speed").value = state.speed;
  $("speed-said").textContent = state.speed;
  $("seed").value = state.seed;
  $("own").value = state.own;
  $("own-row").hidden = state.scene !== OWN;
}

// ---- ensembles

let run = 0;  // frames of earlier runs are not looked at
const runs = [0, 1].map(() => ({worker: null, busy: false, t: 0, events: [], near: [], points: null, ms: 0, lost: 0}));
const url = URL.createObjectURL(new Blob([WORKER], {type: "text/javascript"}));
function startPointsNow() {
  normals.key !== `${state.seed} ${state.count}` &&
    Object.assign(normals, {key: `${state.seed} ${state.count}`, z: startNormals(moduleOf("draw"), state.seed, state.count)});
  return startPoints(normals.z, state.center, state.spread);
}
const normals = {};
function restart() {
  ++run;
  const wrong = $("own-wrong");
  wrong.textContent = "";
  if (state.scene === OWN) {
    try { ownFunction(state.own); } catch (error) { wrong.textContent = error.message; return; }
  }
  const x = startPointsNow(), here = scene();
  runs.forEach((one, k) => {
    one.worker?.terminate();
    const side = state.sides[k], key = `${state.scene}.${side.rule}`, own = state.scene === OWN ? state.own : "";
    Object.assign(one, {worker: new Worker(url), busy: true, t: 0, events: [], near: [], lost: 0, law: null, changed: false});
    one.worker.onmessage = ({data}) => arrived(k, data);
    one.worker.postMessage({number: run, start: {
      own, module: own ? null : moduleOf(key), draw: moduleOf("draw"), members: MANIFEST.members[key], rule: rule(side),
      numbers: here.numbers, width: MANIFEST.width, x, seed: state.seed, fields: side.fields, sigma: sigma(), minima: here.minima,
    }});
    one.law = lawOf(k);
  });
  ground();
  remember();
}
function arrived(k, data) {
  if (data.number !== run) return;
  const one = runs[k];
  one.busy = false;
  if (data.error) { $("told").textContent = data.error; pause(); return; }
  for (const count of data.events) one.events.push(count);
  Object.assign(one, {t: data.t, ms: data.ms, near: data.near, points: data.points, lost: data.lost});
  one.fresh = true;
}
function changed(k) {
  for (const which of k === undefined ? [0, 1] : [k]) {
    const one = runs[which];
    one.worker?.postMessage({set: {fields: state.sides[which].fields, sigma: sigma()}});
    one.changed = one.changed || one.t > 0;  // what has been taken so far was taken with other numbers
    one.law = one.changed ? null : lawOf(which);
  }
  remember();
}
function advance(steps) {
  if (runs.some((one) => one.busy || !one.worker)) return false;
  for (const one of runs) {
    one.busy = true;
    one.worker.postMessage({number: run, advance: steps});
  }
  return true;
}
function pause() { state.playing = false; $("play").textContent = "Play"; }
function toggle() {
  state.playing = !state.playing;
  $("play").textContent = state.playing ? "Pause" : "Play";
}

// ---- the law of SGD's first exit along x, exact: the density of those still inside, step by step

function lawOf(k) {
  const side = state.sides[k], noise = side.fields.lr * sigma();
  const inside = {0: [-0.5, 0.5, (x) => x * x * x - x], 1: [-3, 0, (x) => x * x * x - x]}[state.scene];
  if (!inside || rule(side).class !== "GradientDescent") return null;
  const [low, high, slope] = inside, n = 160, width = (high - low) / n;
  if (noise < 1.5 * width || noise > (high - low)) return null;  // too fine for these nodes, or gone in a step
  const nodes = Float64Array.from({length: n}, (_, i) => low + (i + 0.5) * width);
  const density = (from, to) => Math.exp(-0.5 * ((to - from + side.fields.lr * slope(from)) / noise) ** 2) / (noise * Math.sqrt(2 * Math.PI)) * width;
  const kernel = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) for (let j = 0; j < n; ++j) kernel[i * n + j] = density(nodes[i], nodes[j]);
  let p = new Float64Array(n), first = true;
  return {
    survival: [1],
    to(t) {
      while (this.survival.length <= t) {
        const q = new Float64Array(n);
        if (first) {  // from the cloud, whose instances may start anywhere
          const m = 81;
          let total = 0;
          for (let a = 0; a < m; ++a) {
            const z = -4 + (8 * a) / (m - 1), weight = Math.exp(-z * z / 2), from = state.center[0] + state.spread * z;
            total += weight;
            for (let j = 0; j < n; ++j) q[j] += weight * density(from, nodes[j]);
          }
          for (let j = 0; j < n; ++j) q[j] /= total;
          first = false;
        } else {
          for (let i = 0; i < n; ++i) if (p[i] > 1e-300) for (let j = 0; j < n; ++j) q[j] += p[i] * kernel[i * n + j];
        }
        p = q;
        this.survival.push(Math.min(1, p.reduce((a, b) => a + b, 0)));
      }
      return this.survival;
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
const rgb = (text) => {
  const hex = text.replace("#", "");
  return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
};
// Contours: bands of equal rank, so that a valley is seen as well as a wall.
function ground() {
  const here = scene(), wide = 720, high = 540, width = MANIFEST.width, n = Math.ceil((wide * high) / width) * width;
  const [[left, right], [bottom, top]] = here.window, x = new Float32Array(2 * n);
  for (let i = 0; i < wide * high; ++i) {
    x[2 * i] = left + ((i % wide) + 0.5) * (right - left) / wide;
    x[2 * i + 1] = top - (Math.floor(i / wide) + 0.5) * (top - bottom) / high;
  }
  let f;
  if (state.scene === OWN) {
    const {value} = ownFunction(state.own);
    f = Float32Array.from({length: n}, (_, i) => value(x[2 * i], x[2 * i + 1]));
  } else {
    const key = `${state.scene}.0`, one = new Ensemble(moduleOf(key), MANIFEST.members[key], MANIFEST.optimizers[0], here.numbers, width);
    one.start(new Float32Array(2 * width), 0, {lr: 0}, 0);
    f = one.values(x);
  }
  const sorted = f.slice(0, wide * high).filter(Number.isFinite).sort();
  const levels = Array.from({length: 15}, (_, k) => sorted[Math.floor(((k + 1) / 16) ** 1.5 * (sorted.length - 1))]);
  const band = (v) => { let k = 0; while (k < levels.length && v > levels[k]) ++k; return k; };
  const low = rgb(colour("--low")), top_ = rgb(colour("--high")), line = rgb(colour("--line"));
  const image = new ImageData(wide, high);
  for (let i = 0; i < wide * high; ++i) {
    const k = band(f[i]), edge = (i % wide && band(f[i - 1]) !== k) || (i >= wide && band(f[i - wide]) !== k);
    for (let c = 0; c < 3; ++c) image.data[4 * i + c] = edge ? line[c] : low[c] + ((top_[c] - low[c]) * k) / 15;
    image.data[4 * i + 3] = 255;
  }
  const sheet = new OffscreenCanvas(wide, high);
  sheet.getContext("2d").putImageData(image, 0, 0);
  for (const {ground: canvas} of panels) {
    fitted(canvas);
    const g = canvas.getContext("2d");
    g.imageSmoothingQuality = "high";
    g.drawImage(sheet, 0, 0, canvas.width, canvas.height);
    const px = canvas.width / (right - left), py = canvas.height / (top - bottom);
    g.strokeStyle = colour("--ink");
    g.lineWidth = canvas.width / 400;
    for (const {x: [a, b]} of here.minima) {
      g.beginPath();
      g.arc((a - left) * px, (top - b) * py, canvas.width / 90, 0, 7);
      g.stroke();
    }
  }
}
const VERTEX = `#version 300 es
in vec2 x; uniform vec4 window; uniform float size;
void main() { gl_Position = vec4(2. * (x - window.xy) / (window.zw - window.xy) - 1., 0, 1); gl_PointSize = size; }`;
const FRAGMENT = `#version 300 es
precision mediump float; uniform vec4 color; out vec4 o; void main() { o = vec4(color.rgb * color.a, color.a); }`;
function pen(canvas) {
  const gl = canvas.getContext("webgl2", {alpha: true, antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: true});
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  const at = gl.getAttribLocation(program, "x");
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, 2, gl.FLOAT, false, 0, 0);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const where = Object.fromEntries(["window", "size", "color"].map((name) => [name, gl.getUniformLocation(program, name)]));
  return {gl, where};
}
for (const panel of panels) panel.pen = pen(panel.cloud);
function drawCloud(panel) {
  const {points, count = points?.length / 2} = runs[panel.k];
  if (!points) return;
  const ratio = fitted(panel.cloud), [[left, right], [bottom, top]] = scene().window, c = rgb(colour(panel.k ? "--b" : "--a")).map((v) => v / 255);
  const alpha = Math.min(0.85, Math.max(0.08, 2500 / count));
  if (!panel.pen) {  // no WebGL: some of the dots
    const g = panel.cloud.getContext("2d"), every = Math.ceil(count / 5000);
    g.clearRect(0, 0, panel.cloud.width, panel.cloud.height);
    g.fillStyle = colour(panel.k ? "--b" : "--a");
    for (let i = 0; i < count; i += every)
      g.fillRect(((points[2 * i] - left) / (right - left)) * panel.cloud.width, ((top - points[2 * i + 1]) / (top - bottom)) * panel.cloud.height, 2, 2);
    return;
  }
  const {gl, where} = panel.pen;
  gl.viewport(0, 0, panel.cloud.width, panel.cloud.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.uniform4f(where.window, left, bottom, right, top);
  gl.uniform4f(where.color, c[0], c[1], c[2], alpha);
  gl.uniform1f(where.size, 1.6 * ratio);
  gl.bufferData(gl.ARRAY_BUFFER, points, gl.STREAM_DRAW);
  gl.drawArrays(gl.POINTS, 0, count);
}
const nice = (v) => {
  const power = 10 ** Math.floor(Math.log10(v)), m = v / power;
  return (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10) * power;
};
function paper(canvas) {
  const ratio = fitted(canvas), g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  const w = canvas.width / ratio, h = canvas.height / ratio;
  g.clearRect(0, 0, w, h);
  g.font = "12px system-ui, sans-serif";
  g.lineWidth = 1;
  return [g, w, h];
}
function drawSurvival() {
  const [g, w, h] = paper($("survival")), x0 = 42, y0 = h - 34, x1 = w - 10, y1 = 26, end = Math.max(50, runs[0].t);
  const px = (t) => x0 + ((x1 - x0) * t) / end, py = (s) => y0 + (y1 - y0) * s, here = scene();
  g.fillStyle = colour("--soft");
  g.strokeStyle = colour("--line");
  g.textAlign = "left";
  g.fillText(here.timed ? `share that has not yet ${here.timed}` : "your own function has no event", x0, 14);
  g.textAlign = "right";
  for (const s of [0, 0.5, 1]) { g.fillText(s, x0 - 6, py(s) + 4); g.beginPath(); g.moveTo(x0, py(s)); g.lineTo(x1, py(s)); g.stroke(); }
  g.textAlign = "center";
  const tick = nice(end / 5);
  for (let t = 0; t <= end * 1.0001; t += tick) g.fillText(Math.round(t).toLocaleString("en"), Math.min(px(t), x1 - 12), y0 + 16);
  g.fillText("step", (x0 + x1) / 2, h - 4);
  if (!here.timed) return;
  const stride = Math.max(1, Math.floor(end / 600));
  const line = (values, style, dashes, thick) => {
    g.strokeStyle = style;
    g.setLineDash(dashes);
    g.lineWidth = thick;
    g.beginPath();
    for (let t = 0; t < values.length; t += stride) t ? g.lineTo(px(t), py(values[t])) : g.moveTo(px(t), py(values[t]));
    g.stroke();
    g.setLineDash([]);
  };
  let lawful = false;
  runs.forEach((one, k) => {
    let left = state.count;
    line([left, ...one.events.map((count) => (left -= count))].map((v) => v / state.count), colour(k ? "--b" : "--a"), k ? [8, 3] : [], 2);
    if (one.law) { line(one.law.to(one.t).slice(0, one.t + 1), colour("--law"), [2, 3], 1.5); lawful = true; }
  });
  if (lawful) { g.textAlign = "right"; g.fillStyle = colour("--law"); g.fillText("dotted: the exact law of SGD", x1, y1 + 14); }
}
function drawShares() {
  const [g, w, h] = paper($("shares")), here = scene(), rows = here.minima;
  g.fillStyle = colour("--soft");
  g.textAlign = "left";
  g.fillText(rows.length ? "nearest minimum, share of the instances" : "no minimum is listed", 4, 14);
  const each = Math.min(44, (h - 30) / Math.max(1, rows.length));
  rows.forEach(({name}, k) => {
    const y = 26 + k * each;
    g.fillStyle = colour("--ink");
    g.textAlign = "left";
    g.fillText(name.slice(0, 24), 4, y + each / 2);
    runs.forEach((one, side) => {
      const share = (one.near[k] || 0) / state.count, top = y + (side * (each - 10)) / 2 + 2, wide = (w - 220) * share;
      g.fillStyle = colour(side ? "--b" : "--a");
      g.fillRect(165, top, Math.max(1, wide), (each - 12) / 2);
      g.fillText(share.toFixed(3), 171 + wide, top + (each - 12) / 2);
    });
  });
}
function said(panel) {
  const one = runs[panel.k], side = state.sides[panel.k], gone = one.events.reduce((a, b) => a + b, 0), half = state.count / 2;
  let left = state.count, median = 0;
  for (let t = 0; t < one.events.length && !median; ++t) if ((left -= one.events[t]) <= half) median = t + 1;
  const temperature = (side.fields.lr * sigma() ** 2) / 2;
  panel.said.textContent = `step ${one.t.toLocaleString("en")}; ` + (scene().timed ? `median time ${median ? median.toLocaleString("en") : "not yet"}; ` : "") +
    `temperature lr σ²/2 = ${temperature.toPrecision(2)}` + (one.lost ? `; ${one.lost.toLocaleString("en")} diverged` : "") +
    (one.changed ? "; numbers changed on the way" : "") + `; ${one.ms.toFixed(1)} ms a frame`;
}
let frames = 0, last = performance.now();
function tick() {
  if (runs.every((one) => one.fresh)) {
    panels.forEach(drawCloud);
    panels.forEach(said);
    drawSurvival();
    drawShares();
    for (const one of runs) one.fresh = false;
    if (state.playing) advance(state.speed);
  } else if (state.playing) {
    advance(state.speed);
  }
  ++frames;
  const now = performance.now();
  if (now - last > 1000) {
    window.framesPerSecond = (1000 * frames) / (now - last);
    [frames, last] = [0, now];
  }
  requestAnimationFrame(tick);
}

// ---- links and Python

function remember() {
  const all = new URLSearchParams({
    scene: scene().name, n: state.count, sigma: state.sigma, batch: state.batch, speed: state.speed, seed: state.seed,
    at: state.center.join(","), spread: state.spread, ...(state.scene === OWN ? {own: state.own} : {}),
  });
  state.sides.forEach((side, k) => all.set("ab"[k], [rule(side).class, ...Object.entries(side.fields).map(([n, v]) => `${n}=${v}`)].join(" ")));
  history.replaceState(null, "", `#${all}`);
}
function recall() {
  const all = new URLSearchParams(location.hash.slice(1)), number = (name, low, high) => {
    const v = Number(all.get(name));
    return all.has(name) && Number.isFinite(v) && v >= low && v <= high ? v : undefined;
  };
  const named = [...MANIFEST.scenes, OWN_SCENE].findIndex(({name}) => name === all.get("scene"));
  choose(Math.max(0, named));
  if (COUNTS.includes(Number(all.get("n")))) state.count = Number(all.get("n"));
  for (const [name, low, high] of [["sigma", 0, 1000], ["batch", 0, 10], ["speed", 1, 16], ["seed", 0, Number.MAX_SAFE_INTEGER], ["spread", 0, 10]])
    state[name] = number(name, low, high) ?? state[name];
  const at = (all.get("at") || "").split(",").map(Number);
  if (at.length === 2 && at.every(Number.isFinite)) state.center = at;
  if (all.get("own")) state.own = all.get("own").slice(0, 300);
  state.sides.forEach((side, k) => {
    const [name, ...fields] = (all.get("ab"[k]) || "").split(" "), found = MANIFEST.optimizers.findIndex((one) => one.class === name);
    if (found < 0) return;
    side.rule = found;
    defaults(side);
    for (const field of fields) {
      const [key, value] = field.split("="), slider = rule(side).sliders.find(([one]) => one === key), v = Number(value);
      if (slider && v >= slider[1] && v <= slider[2]) side.fields[key] = v;
    }
  });
}
function python() {
  const here = scene(), own = state.scene === OWN;
  const call = (side) => `en.${rule(side).class}(${Object.entries(side.fields).map(([name, v]) => `${name}=${v}`).join(", ")})`;
  const made = own
    ? `@en.landscape(dim=2)\ndef own(x, y):\n    return ${state.own.replaceAll("^", "**")}\n\n\n`
    : "";
  const names = rule(state.sides[0]).name === rule(state.sides[1]).name ? ["A", "B"] : state.sides.map((side) => rule(side).name);
  return `import ensemble as en\n\n${own ? "\n" : ""}${made}result = en.compare(
    {${state.sides.map((side, k) => `${JSON.stringify(names[k])}: ${call(side)}`).join(", ")}},
    landscape=${own ? "own()" : here.python.landscape},
    noise=en.Gaussian(${sigma()}),
    start=en.NormalCloud(${state.spread}, (${state.center.join(", ")})),${own ? "" : `\n    event=${here.python.event},`}
    instances=${state.count},
    steps=${Math.max(1, runs[0].t)},
    seed=${state.seed},
    math="precise",
)
`;
}
async function copy(text, told) {
  $("told").textContent = told;
  try { await navigator.clipboard.writeText(text); } catch { $("told").textContent = `${told.replace("copied", "below")}`; }
}

// ---- what is done to the page

function choose(k) {
  state.scene = k;
  const here = scene();
  Object.assign(state, {center: [...here.center], spread: here.spread, sigma: here.sigma, batch: 0});
  state.sides.forEach(defaults);
}
function all() { showCommon(); panels.forEach(makeSliders); restart(); }
fill($("scene"), [...MANIFEST.scenes.map(({name, formula}) => `${name}: ${formula}`), "your own f(x, y) …"]);
fill($("count"), COUNTS.map((n) => n.toLocaleString("en")));
for (const panel of panels) {
  fill(panel.select, MANIFEST.optimizers.map(({name}) => name));
  panel.select.onchange = () => {
    const side = state.sides[panel.k];
    side.rule = Number(panel.select.value);
    defaults(side);
    makeSliders(panel);
    restart();
  };
  const field = panel.box.querySelector(".field");
  field.onclick = (event) => {
    const box = field.getBoundingClientRect(), [[left, right], [bottom, top]] = scene().window;
    state.center = [left + ((event.clientX - box.left) / box.width) * (right - left), top - ((event.clientY - box.top) / box.height) * (top - bottom)].map(round);
    restart();
  };
  field.addEventListener("wheel", (event) => {
    event.preventDefault();
    state.spread = round(Math.min(5, Math.max(0.001, state.spread * Math.exp(-event.deltaY / 500))));
    restart();
  }, {passive: false});
}
$("scene").onchange = () => { choose(Number($("scene").value)); all(); };
$("count").onchange = () => { state.count = COUNTS[Number($("count").value)]; restart(); };
$("sigma").oninput = () => {
  const v = Number($("sigma").value);
  state.sigma = v <= -2.99 ? 0 : round(10 ** v);
  $("sigma-said").textContent = state.sigma;
  changed();
};
$("batch").oninput = () => { state.batch = Number($("batch").value); $("batch-said").textContent = 2 ** state.batch; changed(); };
$("speed").oninput = () => { state.speed = Number($("speed").value); $("speed-said").textContent = state.speed; remember(); };
$("seed").onchange = () => { state.seed = Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(Number($("seed").value) || 0))); all(); };
$("own").onchange = () => { state.own = $("own").value.slice(0, 300); restart(); };
$("play").onclick = toggle;
$("step").onclick = () => { pause(); advance(1); };
$("again").onclick = restart;
$("link").onclick = () => copy(location.href, "the link is copied");
$("python").onclick = () => { $("code").hidden = false; $("code").textContent = python(); copy(python(), "the Python is copied"); };
addEventListener("keydown", (event) => {
  if (/^(INPUT|SELECT|BUTTON|TEXTAREA)$/.test(event.target.tagName) && event.key !== "Escape" || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = {" ": toggle, ".": $("step").onclick, r: restart, R: restart}[event.key];
  if (action) { event.preventDefault(); action(); }
});
addEventListener("resize", () => { ground(); for (const one of runs) one.fresh = one.points !== null; });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { ground(); for (const one of runs) one.fresh = one.points !== null; });
$("about").textContent = `The kernels are the product's own C++ sources, compiled to WebAssembly by ${MANIFEST.compiler} for descent-ensemble ` +
  `${MANIFEST.version}: what “Copy Python” gives has the same bits on any machine, by math="precise". A function of your own runs in ` +
  `JavaScript, by the same laws and other bits.`;
recall();
all();
if (!still) toggle();
window.explorer = {state, runs, python, restart, toggle, advance};
requestAnimationFrame(tick);
})();
