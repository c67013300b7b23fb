// The loop: many steps of many instances. Written once over the parts' structs, for a lane group and for a CPU tile.
//
//     x = landscape.project(optimizer.step(x, gradient, state, now))
//
// After each update divergence is watched and, every `check_every` steps, the event is asked. An instance that is
// finished is written out at that moment; what its lane does afterwards, while its neighbours go on, is never read.
#pragma once
#include "random.cuh"
#include "rows.cuh"
#if ENSEMBLE_RECORDED
#include "measure.cuh"
#endif

template <class Landscape, class Optimizer, class Noise, class Event>
struct Parts {
    Landscape landscape;
    Optimizer optimizer;
    Noise noise;
    Event event;
    // Where each part's columns start in a row of the tables.
    static constexpr int optimizer_at = 0;
    static constexpr int noise_at = optimizer_at + int(Optimizer::columns);
    static constexpr int landscape_at = noise_at + int(Noise::columns);
    static constexpr int event_at = landscape_at + int(Landscape::columns);
    static constexpr int columns = event_at + int(Event::columns);
    static constexpr int places = places_of<Noise>;
    static constexpr int draws = 2 * places + 6;  // that are kept for a team: what the library's parts may ask for
    static constexpr int table_row = columns <= 2 ? columns : (columns + 3) / 4 * 4;  // in whole loads
};

// One launch: steps first ... last of the listed rows. A row is an instance of a configuration; rows are ordered
// (configuration, instance). Python fills the same struct, field for field (ensemble/backends/layout.py).
struct Launch {
    const void* parameters;  // Parts, one per owner (see alike); on the CPU with ENSEMBLE_MIXED one per tile
    const real* tables;      // (owner, step, column), rows of Parts::table_row columns
    const int* active;       // rows to advance; CPU: whole teams of whole tiles, -1 where they are not full
    real* x;                 // (row, dim)
    real* vectors;           // (slot, row, dim): the optimizers' vectors
    int_of_real* integers;   // (slot, row): its per-instance numbers
    int* event_step;         // (row), -1 while none
    int* event;              // (row), label, 0 while none
    int* diverged_step;      // (row), -1 while none
    long long rows;
    long long table_stride;  // rows of the table from one owner to the next; 0: all share one
    int count;               // entries of active
    int team;                // tiles that advance together and draw once: of the same ids, lane for lane
    int together;            // steps that each of them takes before the next: a power of two
    int instances;           // per configuration
    unsigned first_instance;
    unsigned stream_stride;  // 0: paired; 256: every configuration draws for itself
    int alike;  // rows, one after another, that have one owner: those of a configuration, or each by itself
    int first, last;
    int check_every;
    int dim;
    int stop;  // 0: an event labels and the instance goes on
    real bound;
    RoundKeys keys;
    const real* steady;  // (owner, column) like a row of the tables: those that are the same at every step
    const real* apart;   // ENSEMBLE_MIXED: (tile, step, column, lane): those in which owners differ
    unsigned long long steady_columns;  // a bit for each: the tables do not have them
    unsigned long long apart_columns;   // likewise
    char* scratch;                      // ENSEMBLE_STREAMED: a slice for each group
    long long scratch_bytes;            // of a slice
#if ENSEMBLE_RECORDED
    const int* recorded_steps;   // those of the launch, in order, and then one that does not come
    const int* recorded_places;  // (row): its place in a slot of the ring, -1 where it is not recorded
    real* ring;                  // (place, recorded step, dim), what is shown; null: it is not asked for
    Measured measured;           // each (place, recorded step)
    long long slots;             // recorded steps that there is room for
#endif
#if ENSEMBLE_RECORDED > 1
    real* vector_ring;                // (vector, place, recorded step, dim)
    long long places;                 // rows that are recorded
    unsigned long long ring_vectors;  // a bit for each of the optimizer's vectors that are recorded
#endif
};

// What a part may ask about the step. Offset: where its own columns start.
template <int Columns>
struct Clock {
    int t;
    number column[Columns > 0 ? Columns : 1];
    Random random;
};
template <int Offset, int Columns>
struct Now {
    int t;
    const Random& random;
    const Clock<Columns>& clock;
    HD Now(const Clock<Columns>& c) : t(c.t), random(c.random), clock(c) {}
    HD const number& operator[](int k) const { return clock.column[Offset + k]; }
    template <int More>
    HD Now<Offset + More, Columns> after() const {
        return {clock};
    }
};

// What a noise may ask: the step, its own columns, what it draws from, and what the landscape may ask. Place: in a sum.
template <int Offset, class P, int Place = 0>
struct NoiseNow {
    int t;
    const Random& random;
    const Clock<P::columns>& clock;
    HD NoiseNow(const Clock<P::columns>& c, const Random& r) : t(c.t), random(r), clock(c) {}
    HD const number& operator[](int k) const { return clock.column[Offset + k]; }
    HD Now<P::landscape_at, P::columns> landscape() const { return {clock}; }
    // Of the noise that comes after others in a sum: what it draws from, and its columns after theirs.
    template <int Places>
    HD Random random_after() const {
        return clock.random.of_place(Place + Places);
    }
    template <int More, int Places>
    HD NoiseNow<Offset + More, P, Place + Places> after(const Random& own) const {
        return {clock, own};
    }
};

// What an event may ask: the step, and the point that the optimizer reports.
template <int Offset, int Columns>
struct EventNow : Now<Offset, Columns> {
    const Vec& shown;
    HD EventNow(const Clock<Columns>& c, const Vec& s) : Now<Offset, Columns>(c), shown(s) {}
    template <int More>
    HD EventNow<Offset + More, Columns> after() const {
        return {this->clock, shown};
    }
};

template <class P>
struct Gradient {
    const P& parts;
    const Clock<P::columns>& clock;
    HD auto operator()(const Vec& y) const {
        Now<P::landscape_at, P::columns> landscape_now(clock);
        NoiseNow<P::noise_at, P> noise_now(clock, clock.random);
        if constexpr (gives_gradient<decltype(P::noise)>) {
            return parts.noise.apply(y, parts.noise.gradient(y, parts.landscape, noise_now), parts.landscape,
                                     noise_now);
        } else {
            return parts.noise.apply(y, parts.landscape.gradient(y, landscape_now), parts.landscape, noise_now);
        }
    }
    void operator()(Vec&&) const = delete;  // the result refers to the point: name it
    template <class E>
    HD auto project(E&& y) const {
        return parts.landscape.project(static_cast<E&&>(y), Now<P::landscape_at, P::columns>(clock));
    }
    // Exact, without noise: for methods that use them.
    HD auto value(const Vec& y) const { return parts.landscape.value(y, Now<P::landscape_at, P::columns>(clock)); }
    HD auto hessian_product(const Vec& y, const Vec& v) const {
        return parts.landscape.hessian_product(y, v, Now<P::landscape_at, P::columns>(clock));
    }
    HD auto hessian_diagonal(const Vec& y) const {
        return parts.landscape.hessian_diagonal(y, Now<P::landscape_at, P::columns>(clock));
    }
};

// The step and the watch on divergence: `seen` says whether all new iterates were finite and within the bound.
template <class P, class State>
HD void take_step(const P& parts, Vec& x, State& state, const Clock<P::columns>& clock, real bound, Within& seen) {
    Gradient<P> gradient{parts, clock};
    Now<P::optimizer_at, P::columns> now(clock);
    Now<P::landscape_at, P::columns> landscape_now(clock);
    store_within(x, parts.landscape.project(make_operand(parts.optimizer.step(x, gradient, state, now)), landscape_now),
                 bound, seen);
}
template <class P, class State>
HD mask take_step(const P& parts, Vec& x, State& state, const Clock<P::columns>& clock, real bound) {
    Within seen;
    take_step(parts, x, state, clock, bound, seen);
    return seen.all(bound);
}

#if ENSEMBLE_RECORDED > 1
// Calls save(vector, where its places begin) for those of the optimizer's vectors that are recorded.
template <class Save>
struct VectorSaver {
    Save save;
    const Launch& launch;
    int slot = 0, taken = 0;
    HD VectorSaver(const Save& s, const Launch& l) : save(s), launch(l) {}
    HD void operator()(const Vec& v) {
        if (launch.ring_vectors >> slot++ & 1)
            save(v, launch.vector_ring + taken++ * launch.places * launch.slots * dim());
    }
    HD void operator()(const integer&) {}
};
#endif

#if ENSEMBLE_DEVICE
// ---- device: a group of lanes holds one instance
struct Loader {
    const Launch& launch;
    long long row;
    int vector_slot = 0, integer_slot = 0;
    HD void operator()(Vec& v) { load_row(v, launch.vectors + (vector_slot++ * launch.rows + row) * dim()); }
    HD void operator()(integer& v) { v = launch.integers[integer_slot++ * launch.rows + row]; }
};
struct Saver {
    const Launch& launch;
    long long row;
    int vector_slot = 0, integer_slot = 0;
    HD void operator()(Vec& v) { save_row(v, launch.vectors + (vector_slot++ * launch.rows + row) * dim()); }
    HD void operator()(integer& v) {
        long long at = integer_slot++ * launch.rows + row;
        if (lane_in_group() == 0) launch.integers[at] = v;
    }
};
// What is shown after a recorded step, and what is measured there, goes to the step's slot of a row's place. Of an instance
// that is frozen or has diverged it is not what is recorded: the host knows when that was, and writes its last over it.
struct Recording {
#if ENSEMBLE_RECORDED
    const Launch& launch;
    long long row;
    int slot = 0, next;
    HD Recording(const Launch& l, long long r) : launch(l), row(r), next(*l.recorded_steps) {}
    template <class State, class Landscape>
    HD void after(int t, State& state, const Vec& x, bool present, const Landscape& landscape) {
        if (t != next) return;
        const Vec& shown = reported(state, x);
        const long long place = launch.recorded_places[row], at = place * launch.slots + slot;
        const bool kept = present && place >= 0;
        if (launch.ring && kept) save_row(shown, launch.ring + at * dim());
#if ENSEMBLE_RECORDED > 1
        auto save = [&](const Vec& v, real* to) {
            if (kept) save_row(v, to + at * dim());
        };
        state.each(VectorSaver(save, launch));
#endif
        measure(launch.measured, landscape, shown, LookNow{t}, [&](real* to, scalar number) {
            if (kept && lane_in_group() == 0) to[at] = number;
        });
        next = launch.recorded_steps[++slot];
    }
#else
    HD Recording(const Launch&, long long) {}
    template <class State, class Landscape>
    HD void after(int, State&, const Vec&, bool, const Landscape&) {}
#endif
};
struct Earliest {
    static constexpr bool commutes = true;
    HD int operator()(int a, int b) const { return a < b ? a : b; }
};

template <class P>
HD void open_clock(Clock<P::columns>& clock, const Launch& launch, long long row) {
    clock.random.keys = &launch.keys;
    clock.random.instance = launch.first_instance + unsigned(row % launch.instances);
    clock.random.stream_offset = launch.stream_stride * unsigned(row / launch.instances);
}
template <class P>
HD const real* table_of(const Launch& launch, unsigned owner) {
    return launch.tables + owner * launch.table_stride * P::table_row;
}
// The columns that are the same at every step, read once and put over those of the tables.
template <class P>
struct Steady {
#if ENSEMBLE_STEADY
    unsigned long long columns;
    number column[P::columns > 0 ? P::columns : 1];
    HD Steady(const Launch& launch, unsigned owner) : columns(launch.steady_columns) {
        load_columns<P::columns>(column, launch.steady + (long long)owner * P::table_row);
    }
    HD void put(Clock<P::columns>& clock) const {
        UNROLL for (int k = 0; k < P::columns; ++k) if (columns >> k & 1) clock.column[k] = column[k];
    }
#else
    HD Steady(const Launch&, unsigned) {}
    HD void put(Clock<P::columns>&) const {}
#endif
};

#if ENSEMBLE_WINDOW
// A window of an instance takes its steps by itself: nothing of them depends on the other windows. The event is asked
// between launches (check.cuh), and where a coordinate has diverged the host gives up the whole instance in the end.
template <class P>
HD void advance_group(const Launch& launch) {
    const int group = group_of_launch();
    if (group / windows >= launch.count || block_of(0) >= static_blocks) return;
    const long long row = launch.active[group / windows];
    if (launch.stop && launch.event_step[row] >= 0) return;  // since an earlier launch of the segment
    const unsigned owner = unsigned(row / launch.alike);
    const P parts = ((const P*)launch.parameters)[owner];

    Vec x;
    typename decltype(parts.optimizer)::State state;
    load_row(x, launch.x + row * dim());
    state.each(Loader{launch, row});
    Clock<P::columns> clock;
    open_clock<P>(clock, launch, row);
    const real* table = table_of<P>(launch, owner);
    const Steady<P> steady(launch, owner);

    int bad = launch.last + 1;
    ROLLED for (int t = launch.first; t <= launch.last; ++t) {
        clock.t = t;
        clock.random.step = unsigned(t);
        load_columns<P::columns>(clock.column, table);
        steady.put(clock);
        table += P::table_row;
        bool fine = take_step(parts, x, state, clock, launch.bound);
        if (!fine) bad = t < bad ? t : bad;
    }
    save_row(x, launch.x + row * dim());
    state.each(Saver{launch, row});
    if (bad <= launch.last) atomicMin((unsigned*)&launch.diverged_step[row], unsigned(bad));  // -1 is the largest
}
#elif ENSEMBLE_TEAM > 1
#include "advance_team.cuh"
#else
// Where doubles fill the registers and there are no more lanes to take, what all lanes need is read again in every step.
constexpr bool crowded = ENSEMBLE_DOUBLE && (lanes >= 512 || 2 * lanes > static_blocks);

template <class P>
HD void advance_group(const Launch& launch) {
    Seat seat;
    if (!seat.take(launch.active, launch.count)) return;
    open_workspace(launch.scratch, launch.scratch_bytes);
    const long long row = seat.row;
    const unsigned owner = unsigned(row / launch.alike);
    const P parts = ((const P*)launch.parameters)[owner];

    Vec x;
    typename decltype(parts.optimizer)::State state;
    load_row(x, launch.x + row * dim());
    state.each(Loader{launch, row});

    Clock<P::columns> clock;
    open_clock<P>(clock, launch, row);
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
    Random::Kept kept[P::places];
    UNROLL for (int k = 0; k < P::places; ++k) kept[k].filled = false;
    clock.random.kept = kept;
#endif
    const real* table = table_of<P>(launch, owner);
    const Steady<P> steady(launch, owner);

    int event_step = launch.event_step[row], event = launch.event[row];
    auto write_out = [&] {
        save_row(x, launch.x + row * dim());
        state.each(Saver{launch, row});
        if (lane_in_group() == 0) {
            launch.event_step[row] = event_step;
            launch.event[row] = event;
        }
    };
    bool open = seat.present && event_step < 0;  // an event would be news
    bool written = !seat.present;
    int until_check = launch.check_every - (launch.first - 1) % launch.check_every;
    Recording recording(launch, row);
    int bad = launch.last + 1;  // the first step at which one of this lane's coordinates was not fine
    ROLLED for (int t = launch.first; t <= launch.last; ++t) {
        clock.t = t;
        clock.random.step = unsigned(t);
        load_columns<P::columns>(clock.column, table);
        steady.put(clock);
        table += P::table_row;
        const Scope of_step;  // a result that lies over what its function held keeps that from being given back
        const P here = crowded ? *read_again((const P*)launch.parameters + owner) : parts;
        bool fine = take_step(here, x, state, clock, launch.bound);
        if (!fine) bad = t < bad ? t : bad;
        recording.after(t, state, x, !written, here.landscape);
        if constexpr (!same_type<decltype(parts.event), Never>) {
            if (--until_check == 0) {
                until_check = launch.check_every;
                EventNow<P::event_at, P::columns> now(clock, reported(state, x));
                int label = int(here.event.check(x, here.landscape, now));
                bool hit = open && label != 0;
                if (any(hit)) {
                    bool earlier = t < reduce_lanes(bad, Earliest{});  // of the two, divergence wins a tie
                    if (hit) {
                        open = false;
                        if (earlier) {
                            event_step = t;
                            event = label;
                            if (launch.stop) {
                                write_out();
                                written = true;
                            }
                        }
                    }
                    if (!any(!written)) return;
                }
            }
        }
    }
    bad = reduce_lanes(bad, Earliest{});
    if (written) return;
    if (bad <= launch.last) {
        EACH_BLOCK(j) EACH_COORDINATE x.block[j].c[c] = elementary::not_a_number();
        if (lane_in_group() == 0) launch.diverged_step[row] = bad;
    }
    write_out();
}
#endif
#define ENSEMBLE_ADVANCE(...)                                                                                    \
    static_assert(sizeof(Parts<__VA_ARGS__>) == ENSEMBLE_PARTS_BYTES && sizeof(Launch) == ENSEMBLE_LAUNCH_BYTES, \
                  "ensemble/backends/layout.py lays the structs out in the same way");                           \
    extern "C" __global__ void ENSEMBLE_BOUNDS advance(const Launch launch) {                                    \
        advance_group<Parts<__VA_ARGS__>>(launch);                                                               \
    }
#else
// ---- CPU: a tile of instances
#include "advance_tile.cuh"
#endif
