// One optimizer's ensemble in a thread of its own: it advances when it is told to, and answers with a frame.
let ensemble, minima, seen;
onmessage = ({data}) => {
  try {
    if (data.start) {
      const {own, module, draw, members, rule, numbers, width, x, seed, fields, sigma} = data.start;
      minima = data.start.minima;
      ensemble = own ? new OwnEnsemble(own, draw, rule) : new Ensemble(module, members, rule, numbers, width);
      ensemble.start(x, seed, fields, sigma);
      seen = 0;
      postMessage({number: data.number, ...frame(0)});
    } else if (data.set) {
      ensemble.set(data.set.fields, data.set.sigma);
    } else if (data.advance) {
      const began = performance.now();
      ensemble.advance(data.advance);
      postMessage({number: data.number, ...frame(performance.now() - began)});
    }
  } catch (error) {
    postMessage({number: data.number, error: String(error.message || error)});
  }
};

// What has happened since the last one: events at each step, where the instances are, and near which minima.
function frame(ms) {
  const {t, count} = ensemble, steps = ensemble.eventSteps(), events = new Array(t - seen).fill(0);
  for (let i = 0; i < count; ++i) if (steps[i] > seen) ++events[steps[i] - seen - 1];
  seen = t;
  const points = ensemble.points().slice(), near = new Array(minima.length).fill(0);
  let lost = 0;
  for (let i = 0; i < 2 * count; i += 2) {
    if (!(Math.abs(points[i]) < 1e18)) { ++lost; continue; }
    let best = 0, least = Infinity;
    for (let k = 0; k < minima.length; ++k) {
      const a = points[i] - minima[k].x[0], b = points[i + 1] - minima[k].x[1], d = a * a + b * b;
      if (d < least) least = d, (best = k);
    }
    if (minima.length) ++near[best];
  }
  return {t, ms, events, near, lost, points};
}
