// One ensemble: a module of compiled kernels, its memory, and the numbers that the library computes in Python.
"use strict";
const f32 = Math.fround;
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// The modules of a page by their names.
async function unpacked({names, sizes, gzip}) {
  const stream = new Blob([bytesOf(gzip)]).stream().pipeThrough(new DecompressionStream("gzip")), found = {};
  const all = await new Response(stream).arrayBuffer();
  let at = 0;
  names.forEach((name, k) => { found[name] = new Uint8Array(all, at, sizes[k]); at += sizes[k]; });
  return found;
}

// The key words of each round of Philox, from a seed below 2^53: ensemble/arithmetic/random.py.
function roundKeys(seed) {
  const low = seed % 2 ** 32, high = Math.floor(seed / 2 ** 32), keys = new Uint32Array(20);
  for (let r = 0; r < 10; ++r) {
    keys[2 * r] = (low + r * 0x9e3779b9) % 2 ** 32;
    keys[2 * r + 1] = (high + r * 0xbb67ae85) % 2 ** 32;
  }
  return keys;
}

// What an optimizer derives from its fields in float64, as its class says in Python.
function constantsOf(fields) {
  const found = {};
  if ("beta1" in fields) found.gain1 = 1 - fields.beta1;
  if ("beta2" in fields) found.gain2 = 1 - fields.beta2;
  if ("rho" in fields) found.gain = 1 - fields.rho;
  return found;
}
// A column of the step's numbers is a field, or is made of the fields and the step.
const TABLES = {
  gain: (p) => 1 - p.beta,
  gain1: (p) => 1 - p.beta1,
  gain2: (p) => 1 - p.beta2,
  square_gain: (p) => 1 - p.rho,
  correction1: (p, t) => 1 / (1 - p.beta1 ** t),
  correction2: (p, t) => 1 / (1 - p.beta2 ** t),
  root_correction2: (p, t) => Math.sqrt(1 / (1 - p.beta2 ** t)),
  spread: (p) => Math.sqrt(2 * p.lr * p.temperature),
  of_gradient: (p, t, memo) => (1 - muOf(p, t)) / (1 - productOf(p, t, memo)),
  of_momentum: (p, t, memo) => muOf(p, t + 1) / (1 - productOf(p, t, memo) * muOf(p, t + 1)),
  rectified: (p, t) => {
    const power = p.beta2 ** t, most = 2 / (1 - p.beta2) - 1, n = most - (2 * t * power) / (1 - power);
    if (!(n > p.threshold)) return 0;
    return Math.sqrt((((n - 4) * (n - 2) * most) / ((most - 4) * (most - 2) * n)) * (1 - power));
  },
};
const muOf = (p, s) => p.beta1 * (1 - 0.5 * 0.96 ** (s * p.momentum_decay));
function productOf(p, t, memo) {  // mu_1 mu_2 ... mu_t
  if (memo.beta1 !== p.beta1 || !(memo.t <= t)) Object.assign(memo, {beta1: p.beta1, t: 0, product: 1});
  while (memo.t < t) memo.product *= muOf(p, ++memo.t);
  return memo.product;
}

class Memory {
  constructor(module) {
    this.exports = new WebAssembly.Instance(module, {}).exports;
  }
  put(array) {
    const at = this.exports.take(array.byteLength);
    new Uint8Array(this.exports.memory.buffer, at, array.byteLength)
      .set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return at;
  }
  view(kind, at, length) {  // memory that grows leaves old views empty: they are made where they are used
    return new kind(this.exports.memory.buffer, at, length);
  }
}

// Standard normals of instances 0 to count - 1 for their starts, (count, 2).
function startNormals(module, seed, count) {
  const memory = new Memory(module);
  const out = memory.put(new Float32Array(2 * count)), ids = memory.put(Uint32Array.from({length: count}, (_, i) => i));
  const keys = memory.put(roundKeys(seed));
  memory.exports.draws(out, ids, keys, count, 2, 0, 1, 0);
  return memory.view(Float32Array, out, 2 * count).slice();
}
function startPoints(normals, center, spread) {
  const x = new Float32Array(normals.length), scale = f32(spread), at = [f32(center[0]), f32(center[1])];
  for (let i = 0; i < x.length; ++i) x[i] = f32(f32(normals[i] * scale) + at[i & 1]);
  return x;
}

class Ensemble {
  // module: compiled; members: paths in its struct; rule: an optimizer of the manifest; numbers: of landscape and event.
  constructor(module, members, rule, numbers, width) {
    Object.assign(this, {members, rule, numbers, width});
    this.memory = new Memory(module);
    this.t = 0;
    this.memo = {};
  }
  start(x, seed, fields, sigma) {
    const {memory} = this, n = (this.count = x.length / 2);
    if (n % this.width) throw new Error(`instances must be a multiple of ${this.width}`);
    this.parts = memory.put(new Uint8Array(memory.exports.size()));
    this.placed = {};
    this.set(fields, sigma);
    this.x = memory.put(x);
    this.steps = memory.put(new Int32Array(n).fill(-1));
    this.diverged = memory.put(new Int32Array(n).fill(-1));
    this.rows = memory.exports.row_size();
    this.tables = memory.put(new Float32Array(64 * this.rows));
    this.arena = memory.exports.take(4096);
    this.active = memory.put(Int32Array.from({length: n}, (_, i) => i));
    const vectors = memory.put(new Float32Array(2 * n * Math.max(1, this.rule.vectors)));
    const events = memory.put(new Int32Array(n)), keys = memory.put(roundKeys(seed));
    memory.exports.setup(this.parts, this.active, this.x, vectors, this.steps, events, this.diverged, keys, n, 0);
    this.t = 0;
  }
  // The fields of the optimizer and the noise from here on.
  set(fields, sigma) {
    this.fields = {...this.rule.fixed, ...fields};
    this.sigma = sigma;
    const values = {...this.numbers};
    for (const [name, value] of Object.entries({...this.fields, ...constantsOf(this.fields)})) values[`optimizer.${name}`] = value;
    const {memory} = this;
    this.members.forEach((path, k) => {
      const value = values[path], at = this.parts + memory.exports.offset(k);
      if (value === undefined) throw new Error(`nothing is known of ${path}`);
      if (Array.isArray(value)) {  // a vector is read through a pointer, in whole blocks
        memory.view(Uint32Array, at, 1)[0] = this.placed[path] ??= memory.put(Float32Array.from([...value, 0, 0]));
      } else {
        memory.view(Float32Array, at, 1)[0] = value;
      }
    });
  }
  advance(steps) {
    const {memory, rows, fields, memo, sigma} = this, columns = this.rule.columns.map((name) => {
      const field = name.replace("optimizer.", "");
      return name === "noise.sigma" ? () => sigma : field in fields ? () => fields[field] : TABLES[field];
    });
    for (let left = steps; left > 0;) {
      const now = Math.min(left, 64), table = memory.view(Float32Array, this.tables, now * rows);
      for (let s = 0; s < now; ++s)
        columns.forEach((column, k) => (table[s * rows + k] = column(fields, this.t + 1 + s, memo)));
      if (memory.exports.run(this.tables, this.t + 1, this.t + now, this.arena, 4096)) throw new Error("the arena is too small");
      this.leave();
      this.t += now;
      left -= now;
    }
  }
  // Who has diverged takes no more steps.
  leave() {
    const diverged = this.divergedSteps(), active = this.memory.view(Int32Array, this.active, this.count);
    for (let i = 0; i < this.count; ++i) if (diverged[i] >= 0) active[i] = -1;
  }
  // f at points (n, 2), n a multiple of the width.
  values(x) {
    const {memory} = this, n = x.length / 2, exports = memory.exports;
    const active = memory.put(Int32Array.from({length: n}, (_, i) => i)), out = memory.put(new Float32Array(n));
    exports.values(this.parts, active, memory.put(x), out, n, this.arena, 4096);
    return memory.view(Float32Array, out, n).slice();
  }
  points() { return this.memory.view(Float32Array, this.x, 2 * this.count); }
  eventSteps() { return this.memory.view(Int32Array, this.steps, this.count); }
  divergedSteps() { return this.memory.view(Int32Array, this.diverged, this.count); }
}
if (typeof module !== "undefined") module.exports = {Ensemble, startNormals, startPoints, bytesOf};
