// One optimizer's ensemble in a thread of its own: it advances when it is told to, and answers with a frame.
let ensemble, minima, seen, nearest, grid, view = null;
onmessage = ({data}) => {
  try {
    if (data.start) {
      const {module, members, rule, numbers, width, x, seed, fields, sigma} = data.start;
      minima = data.start.minima;
      nearest = minima.length ? nearestOf(minima, data.start.window) : null;
      ensemble = new Ensemble(module, members, rule, numbers, width);
      ensemble.start(x, seed, fields, sigma);
      seen = 0;
      view = data.view;
      answer(data, 0);
    } else if (data.set) {
      ensemble.set(data.set.fields, data.set.sigma);
    } else if (data.read) {
      const points = ensemble.points().slice();
      const bytes = ensemble.memory.exports.memory.buffer.byteLength;
      postMessage({read: data.read, t: ensemble.t, bytes, points, steps: ensemble.eventSteps().slice(), diverged: ensemble.divergedSteps().slice()});
    } else {
      view = data.view || view;
      const began = performance.now();
      ensemble.advance(data.advance);
      answer(data, performance.now() - began);
    }
  } catch (error) {
    postMessage({number: data.number, error: String(error.message || error)});
  }
};

// What has happened since the last answer: events at each step, near which minima the instances are, and their picture.
function answer({number, pixels}, ms) {
  const {t, count} = ensemble, steps = ensemble.eventSteps(), events = new Array(t - seen).fill(0), points = ensemble.points();
  for (let i = 0; i < count; ++i) if (steps[i] > seen) ++events[steps[i] - seen - 1];
  seen = t;
  const near = new Array(minima.length).fill(0), diverged = ensemble.divergedSteps();
  let lost = 0;
  for (let i = 0; i < count; ++i) {
    if (diverged[i] >= 0) { ++lost; continue; }
    if (nearest) ++near[nearest(points[2 * i], points[2 * i + 1])];
  }
  const {wide, high} = view, bytes = 4 * wide * high;
  if (pixels?.byteLength !== bytes) pixels = new ArrayBuffer(bytes);
  paint(points, count, view, new Uint32Array(pixels));
  postMessage({number, t, ms, events, near, lost, pixels, wide, high}, [pixels]);
}

// Dots as a picture of (high, wide) pixels: each dot's ink goes to the four pixels around it, ink on ink covers what is left.
// On the processor: where a browser has no graphics card, as many points of WebGL take ten times as long.
function paint(points, count, {wide, high, window: [[left, right], [bottom, top]], colour, ink}, out) {
  if (grid?.length !== wide * high) grid = new Uint32Array(wide * high);
  grid.fill(0);
  const sx = wide / (right - left), sy = high / (top - bottom), ox = -left * sx - 0.5, oy = top * sy - 0.5;
  for (let i = 0; i < count; ++i) {
    const px = points[2 * i] * sx + ox, py = oy - points[2 * i + 1] * sy;
    if (!(px >= 0 && py >= 0 && px < wide - 1 && py < high - 1)) continue;
    const a = px | 0, b = py | 0, u = (16 * (px - a)) | 0, v = (16 * (py - b)) | 0, at = b * wide + a;
    grid[at] += (16 - u) * (16 - v);
    grid[at + 1] += u * (16 - v);
    grid[at + wide] += (16 - u) * v;
    grid[at + wide + 1] += u * v;
  }
  const table = new Uint32Array(1024);  // by sixteenths of a dot's ink
  for (let k = 0; k < 1024; ++k) table[k] = ((Math.round(255 * (1 - (1 - ink) ** (k / 16))) << 24) | colour) >>> 0;
  for (let i = 0; i < out.length; ++i) {
    const c = grid[i] >> 4;
    out[i] = c ? table[c < 1024 ? c : 1023] : 0;
  }
}

// (x, y) -> index of the nearest minimum: of those alone that can be nearest within a cell of the window.
function nearestOf(all, [[left, right], [bottom, top]]) {
  const wide = 64, high = 48, w = (right - left) / wide, h = (top - bottom) / high, reach = Math.hypot(w, h) / 2;
  const everyone = all.map((_, k) => k), cells = [];
  for (let b = 0; b < high; ++b) {
    for (let a = 0; a < wide; ++a) {
      const far = all.map(({x}) => Math.hypot(x[0] - left - (a + 0.5) * w, x[1] - bottom - (b + 0.5) * h)), least = Math.min(...far);
      cells.push(everyone.filter((k) => far[k] <= least + 2 * reach));
    }
  }
  const xs = Float64Array.from(all, ({x}) => x[0]), ys = Float64Array.from(all, ({x}) => x[1]);
  return (x, y) => {
    const a = Math.floor((x - left) / w), b = Math.floor((y - bottom) / h);
    const among = a >= 0 && b >= 0 && a < wide && b < high ? cells[b * wide + a] : everyone;
    let best = among[0], least = Infinity;
    if (among.length > 1) {
      for (let j = 0; j < among.length; ++j) {
        const k = among[j], d = (x - xs[k]) ** 2 + (y - ys[k]) ** 2;
        if (d < least) least = d, (best = k);
      }
    }
    return best;
  };
}
