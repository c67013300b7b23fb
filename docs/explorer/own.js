// A function of one's own, f(x, y): read by a small grammar, differentiated, and run in JavaScript.
const FUNCTIONS = {
  sin: {of: Math.sin, slope: (u) => ["call", "cos", u]},
  cos: {of: Math.cos, slope: (u) => ["neg", ["call", "sin", u]]},
  exp: {of: Math.exp, slope: (u) => ["call", "exp", u]},
  log: {of: Math.log, slope: (u) => ["/", ["number", 1], u]},
  sqrt: {of: Math.sqrt, slope: (u) => ["/", ["number", 0.5], ["call", "sqrt", u]]},
  tanh: {of: Math.tanh, slope: (u) => ["-", ["number", 1], ["^", ["call", "tanh", u], 2]]},
  abs: {of: Math.abs, slope: (u) => ["call", "sign", u]},
  sign: {of: Math.sign, slope: () => ["number", 0]},
};

// The tree of a formula; an Error says what is wrong, and where.
function parse(text) {
  const tokens = [...text.matchAll(/\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[A-Za-z_]\w*|\*\*|[-+*/^(),]|\S)/g)]
    .map((m) => m[1]);
  let at = 0;
  const peek = () => tokens[at];
  const expect = (token) => {
    if (tokens[at] !== token) throw new Error(`${token} was expected, not ${tokens[at] ?? "the end"}`);
    ++at;
  };
  function sum() {
    let left = product();
    while (peek() === "+" || peek() === "-") left = [tokens[at++], left, product()];
    return left;
  }
  function product() {
    let left = signed();
    while (peek() === "*" || peek() === "/") left = [tokens[at++], left, signed()];
    return left;
  }
  function signed() {
    if (peek() === "-") return ++at, ["neg", signed()];
    if (peek() === "+") return ++at, signed();
    return power();
  }
  function power() {
    const base = atom();
    if (peek() !== "^" && peek() !== "**") return base;
    ++at;
    const minus = peek() === "-" && (++at, true), exponent = atom();
    if (exponent[0] !== "number") throw new Error("an exponent must be a number");
    return ["^", base, minus ? -exponent[1] : exponent[1]];
  }
  function atom() {
    const token = tokens[at++];
    if (token === undefined) throw new Error("the formula ends too early");
    if (token === "(") {
      const inner = sum();
      expect(")");
      return inner;
    }
    if (/^[\d.]/.test(token) && Number.isFinite(Number(token))) return ["number", Number(token)];
    if (token === "x" || token === "y") return [token];
    if (token === "pi") return ["number", Math.PI];
    if (Object.hasOwn(FUNCTIONS, token)) {
      expect("(");
      const inner = sum();
      expect(")");
      return ["call", token, inner];
    }
    throw new Error(`${token} is not known: x, y, pi, numbers, + - * / ^ and ${Object.keys(FUNCTIONS).join(", ")} are`);
  }
  if (!tokens.length) throw new Error("give a formula, such as x^4 - 3 x^2 y + y^2, with * between factors");
  const tree = sum();
  if (at < tokens.length) throw new Error(`${tokens[at]} was not expected; write * between factors`);
  return tree;
}

function derivative(u, by) {
  const [kind, a, b] = u, zero = ["number", 0];
  switch (kind) {
    case "number": return zero;
    case "x": case "y": return ["number", kind === by ? 1 : 0];
    case "neg": return ["neg", derivative(a, by)];
    case "+": case "-": return [kind, derivative(a, by), derivative(b, by)];
    case "*": return ["+", ["*", derivative(a, by), b], ["*", a, derivative(b, by)]];
    case "/": return ["/", ["-", ["*", derivative(a, by), b], ["*", a, derivative(b, by)]], ["^", b, 2]];
    case "^": return ["*", ["*", ["number", b], b === 1 ? ["number", 1] : ["^", a, b - 1]], derivative(a, by)];
    case "call": return ["*", FUNCTIONS[a].slope(b), derivative(b, by)];
  }
}

// A function (x, y) -> number of a tree: made of closures, no text is ever run.
function evaluator(u) {
  const [kind, a, b] = u;
  switch (kind) {
    case "number": return () => a;
    case "x": return (x) => x;
    case "y": return (x, y) => y;
    case "neg": { const f = evaluator(a); return (x, y) => -f(x, y); }
    case "+": { const f = evaluator(a), g = evaluator(b); return (x, y) => f(x, y) + g(x, y); }
    case "-": { const f = evaluator(a), g = evaluator(b); return (x, y) => f(x, y) - g(x, y); }
    case "*": {
      const f = evaluator(a), g = evaluator(b);
      if (a[0] === "number" && a[1] === 0 || b[0] === "number" && b[1] === 0) return () => 0;
      return (x, y) => f(x, y) * g(x, y);
    }
    case "/": { const f = evaluator(a), g = evaluator(b); return (x, y) => f(x, y) / g(x, y); }
    case "^": {
      const f = evaluator(a);
      if (b === 2) return (x, y) => { const v = f(x, y); return v * v; };
      if (b === 3) return (x, y) => { const v = f(x, y); return v * v * v; };
      return (x, y) => f(x, y) ** b;
    }
    case "call": { const f = evaluator(b), g = FUNCTIONS[a].of; return (x, y) => g(f(x, y)); }
  }
}
function ownFunction(text) {
  const tree = parse(text);
  return {value: evaluator(tree), slopes: ["x", "y"].map((by) => evaluator(derivative(tree, by)))};
}

// The least values of a formula within a window: Newton's steps from a grid of points, where they end and the Hessian is positive.
function minimaOf(text, [[left, right], [bottom, top]]) {
  const tree = parse(text), slopes = ["x", "y"].map((by) => derivative(tree, by)), found = [], wide = right - left, high = top - bottom;
  const [gx, gy] = slopes.map(evaluator), [[xx, xy], [, yy]] = slopes.map((slope) => ["x", "y"].map((by) => evaluator(derivative(slope, by))));
  for (let i = 0; i < 21 * 15; ++i) {
    let x = left + (((i % 21) + 0.5) * wide) / 21, y = bottom + ((Math.floor(i / 21) + 0.5) * high) / 15, moved = Infinity;
    for (let k = 0; k < 30 && moved > 1e-9; ++k) {
      const a = xx(x, y), b = xy(x, y), c = yy(x, y), g = gx(x, y), h = gy(x, y), det = a * c - b * b;
      const dx = (c * g - b * h) / det, dy = (a * h - b * g) / det;
      if (!(a > 0 && det > 0) || Math.abs(dx) > wide / 8 || Math.abs(dy) > high / 8) break;
      x -= dx;
      y -= dy;
      moved = Math.hypot(dx, dy);
    }
    const inside = x >= left && x <= right && y >= bottom && y <= top;
    if (moved <= 1e-9 && inside && found.length < 200 && !found.some(({x: [a, b]}) => Math.hypot(a - x, b - y) < 1e-5 * wide)) found.push({x: [x, y]});
  }
  const said = (v) => String(Number(v.toFixed(2)) || 0).replace("-", "−");
  return found.sort((p, q) => p.x[0] - q.x[0] || p.x[1] - q.x[1]).map(({x}) => ({x, name: `(${x.map(said).join(", ")})`}));
}

// A formula as Python with NumPy's functions: written from the tree, so that nothing else can be in it.
function pythonOf(u) {
  const [kind, a, b] = u;
  switch (kind) {
    case "number": return a === Math.PI ? "np.pi" : String(a);
    case "x": case "y": return kind;
    case "neg": return `(-${pythonOf(a)})`;
    case "^": return `(${pythonOf(a)})**${Number.isInteger(b) || b < 0 ? `(${b})` : b}`;
    case "call": return `np.${a}(${pythonOf(b)})`;
    default: return `(${pythonOf(a)} ${kind} ${pythonOf(b)})`;
  }
}

// The rules in double precision, one coordinate at a time: (g, state, k, fields, t) -> what is added to the coordinate.
const RULES = {
  GradientDescent: (g, s, k, p) => -p.lr * g,
  HeavyBall: (g, s, k, p) => (s[0][k] = p.beta * s[0][k] - p.lr * g),
  AdaGrad: (g, s, k, p) => (s[0][k] += g * g, -p.lr * g / Math.sqrt(s[0][k] + p.eps)),
  RMSProp: (g, s, k, p) => (s[0][k] = p.rho * s[0][k] + (1 - p.rho) * g * g, -p.lr * g / Math.sqrt(s[0][k] + p.eps)),
  Adam: (g, s, k, p, t) => {
    s[0][k] = p.beta1 * s[0][k] + (1 - p.beta1) * g;
    s[1][k] = p.beta2 * s[1][k] + (1 - p.beta2) * g * g;
    return -p.lr * s[0][k] / (1 - p.beta1 ** t) / (Math.sqrt(s[1][k] / (1 - p.beta2 ** t)) + p.eps);
  },
  SignSGD: (g, s, k, p) => -p.lr * Math.sign(g),
};

// As Ensemble, for a formula: the same laws, by other arithmetic, and so other bits.
class OwnEnsemble {
  constructor(text, draw, rule) {
    Object.assign(this, {rule, memory: new Memory(draw)}, ownFunction(text));
  }
  start(x, seed, fields, sigma) {
    const n = (this.count = x.length / 2), {memory} = this;
    this.at = Float32Array.from(x);
    this.state = [new Float64Array(2 * n), new Float64Array(2 * n)];
    this.steps = new Int32Array(n).fill(-1);
    this.diverged = new Int32Array(n).fill(-1);
    this.out = memory.put(new Float32Array(2 * n));
    this.ids = memory.put(Uint32Array.from({length: n}, (_, i) => i));
    this.keys = memory.put(roundKeys(seed));
    this.t = 0;
    this.set(fields, sigma);
  }
  set(fields, sigma) { this.fields = {...this.rule.fixed, ...fields}; this.sigma = sigma; }
  advance(steps) {
    const {at, state, fields: p, sigma, slopes, memory, count, diverged} = this, look = this.rule.class === "Nesterov";
    const change = RULES[look ? "HeavyBall" : this.rule.class];
    for (let s = 0; s < steps; ++s) {
      ++this.t;
      memory.exports.draws(this.out, this.ids, this.keys, count, 2, this.t, 0, 0);
      const z = memory.view(Float32Array, this.out, 2 * count);
      for (let i = 0; i < count; ++i) {
        if (diverged[i] >= 0) continue;
        const k = 2 * i, x = at[k] + (look ? p.beta * state[0][k] : 0), y = at[k + 1] + (look ? p.beta * state[0][k + 1] : 0);
        const gx = slopes[0](x, y) + sigma * z[k], gy = slopes[1](x, y) + sigma * z[k + 1];
        at[k] += change(gx, state, k, p, this.t);
        at[k + 1] += change(gy, state, k + 1, p, this.t);
        if (!(Math.abs(at[k]) <= 1e18 && Math.abs(at[k + 1]) <= 1e18)) at[k] = at[k + 1] = NaN, (diverged[i] = this.t);
      }
    }
  }
  values(x) { return Float32Array.from({length: x.length / 2}, (_, i) => this.value(x[2 * i], x[2 * i + 1])); }
  points() { return this.at; }
  eventSteps() { return this.steps; }
  divergedSteps() { return this.diverged; }
}
if (typeof module !== "undefined") Object.assign(module.exports, {parse, derivative, evaluator, ownFunction, minimaOf, pythonOf});
