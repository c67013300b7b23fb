// A function of one's own, f(x, y): read by a small grammar, differentiated, and written as operations for the kernels.
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
    throw new Error(`${token.slice(0, 20)} is not known: x, y, pi, numbers, + - * / ^ and ${Object.keys(FUNCTIONS).join(", ")} are`);
  }
  if (!tokens.length) throw new Error("give a formula, such as x^4 - 3*x^2*y + y^2");
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
      if (!(a > 0 && det > 1e-9 * (a + c) ** 2) || Math.abs(dx) > wide / 8 || Math.abs(dy) > high / 8) break;
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

// A formula as operations on registers, its slopes with it, none twice: what typed.py carries out. {tape, python: its lines}.
const OPERATIONS = ["number", "x", "y", "+", "-", "*", "/", "neg", "sin", "cos", "exp", "log", "sqrt", "tanh", "abs", "sign", "pow"];
const MOST_OPERATIONS = 400, MOST_POWER = 64;
function tapeOf(text) {
  const tree = parse(text), rows = [], known = new Map(), lines = [];
  const said = (v) => (typeof v === "number" ? `r${v}` : Number.isInteger(v.constant) ? `${v.constant}.0` : String(v.constant)).replace(/^-.*/, "($&)");
  const constant = (c) => ({constant: c}), is = (v, c) => v.constant === c, both = (a, b) => typeof a !== "number" && typeof b !== "number";
  const registerOf = (v) => (typeof v === "number" ? v : row("number", 0, 0, v.constant, null));
  function row(kind, a, b, c, line) {
    const key = [kind, a, b, c].join(" ");
    if (!known.has(key)) {
      if (rows.length >= MOST_OPERATIONS) throw new Error(`the formula is too long: it and its slopes take more than ${MOST_OPERATIONS} operations`);
      known.set(key, rows.length);
      if (line) lines.push(`r${rows.length} = ${line}`);
      rows.push([OPERATIONS.indexOf(kind), a, b, c]);
    }
    return known.get(key);
  }
  const write = (kind, a, b, line) => { const i = registerOf(a), j = registerOf(b); return row(kind, i, j, 0, line ?? `${said(a)} ${kind} ${said(b)}`); };
  const alone = (kind, a, line) => row(kind, a, 0, 0, line);
  function add(a, b) { return both(a, b) ? constant(a.constant + b.constant) : is(a, 0) ? b : is(b, 0) ? a : write("+", a, b); }
  function less(a, b) { return both(a, b) ? constant(a.constant - b.constant) : is(b, 0) ? a : is(a, 0) ? minus(b) : write("-", a, b); }
  function times(a, b) {
    return both(a, b) ? constant(a.constant * b.constant) : is(a, 0) || is(b, 0) ? constant(0) : is(a, 1) ? b : is(b, 1) ? a : write("*", a, b);
  }
  function over(a, b) { return both(a, b) ? constant(a.constant / b.constant) : is(a, 0) ? a : is(b, 1) ? a : write("/", a, b); }
  function minus(a) { return typeof a === "number" ? alone("neg", a, `-${said(a)}`) : constant(-a.constant); }
  function power(a, n) {
    if (typeof a !== "number") return constant(a.constant ** n);
    if (!Number.isInteger(n) || Math.abs(n) > MOST_POWER) return row("pow", a, 0, n, `en.power(${said(a)}, ${said(constant(n))})`);
    if (n < 0) return over(constant(1), power(a, -n));
    if (n < 2) return n ? a : constant(1);
    const half = power(a, n >> 1), square = times(half, half);
    return n & 1 ? times(square, a) : square;
  }
  function call(name, a) {
    if (typeof a !== "number") return constant(FUNCTIONS[name].of(a.constant));
    if (name === "sign") return alone(name, a, `np.where(${said(a)} > 0.0, 1.0, np.where(${said(a)} < 0.0, -1.0, 0.0 * ${said(a)}))`);
    return alone(name, a, `${name === "abs" ? "np" : "en"}.${name}(${said(a)})`);
  }
  function of([kind, a, b]) {
    switch (kind) {
      case "number": return constant(a);
      case "x": case "y": return row(kind, 0, 0, 0, `en.at(x, ${kind === "x" ? 0 : 1})`);
      case "neg": return minus(of(a));
      case "^": return power(of(a), b);
      case "call": return call(a, of(b));
      default: return {"+": add, "-": less, "*": times, "/": over}[kind](of(a), of(b));
    }
  }
  // What does not depend on the point is made of it all the same: it has a value at each.
  const last = (v) => (typeof v === "number" ? v : write("+", write("*", constant(0), of(["x"])), v));
  const f = last(of(tree)), count = rows.length, shared = lines.length, slopes = ["x", "y"].map((by) => last(of(derivative(tree, by))));
  const tape = [f, count, ...slopes, rows.length, 0, 0, 0, ...rows.flat()];
  if (!tape.every((v) => Number.isFinite(Math.fround(v)))) throw new Error("a number of the formula is not finite in float32");
  const python = `@dataclass(frozen=True)
class Own(en.Landscape):
    """${text.replace(/[^-+*/^(),.\w ]/g, "")}"""

    dim = 2

    def value(self, x, now=None):
${lines.slice(0, shared).map((line) => `        ${line}\n`).join("")}        return r${f}

    def gradient(self, x, now=None):
${lines.map((line) => `        ${line}\n`).join("")}        return np.where(en.index(x) < 1.0, r${slopes[0]}, r${slopes[1]})
`;
  return {tape, python};
}
if (typeof module !== "undefined") Object.assign(module.exports, {parse, derivative, evaluator, ownFunction, minimaOf, tapeOf});
