// The CPU form of the loop: a tile of `width` instances advances together; included by advance.cuh.
#pragma once

struct Loader {
    const Launch& launch;
    const Rows& rows;
    int vector_slot = 0, integer_slot = 0;
    void operator()(Vec& v) { load_rows(v, rows, launch.vectors + vector_slot++ * launch.rows * dim()); }
    void operator()(integer& v) { load_lanes(rows, v, launch.integers + integer_slot++ * launch.rows, 1); }
};
struct Saver {
    const Launch& launch;
    const Rows& rows;
    const bool* which;
    int vector_slot = 0, integer_slot = 0;
    void operator()(Vec& v) { save_rows(v, rows, which, launch.vectors + vector_slot++ * launch.rows * dim()); }
    void operator()(integer& v) { save_lanes(rows, which, v, launch.integers + integer_slot++ * launch.rows, 1); }
};

// As on the device.
struct Recording {
#if ENSEMBLE_RECORDED
    const Launch& launch;
    const Rows& rows;
    int slot = 0, next;
    Recording(const Launch& l, const Rows& r) : launch(l), rows(r), next(*l.recorded_steps) {}
    template <class State, class Landscape>
    HD void after(int t, State& state, const Vec& x, const bool* running, const Landscape& landscape) {
        if (t == next) save(state, x, running, landscape);
    }

private:
    template <class State, class Landscape>
    __attribute__((noinline)) void save(State& state, const Vec& x, const bool* running, const Landscape& landscape) {
        const Vec& shown = reported(state, x);
        Rows places = rows;
        bool which[width];
        for (int w = 0; w < width; ++w) {
            const long long place = launch.recorded_places[rows.row[w]];
            which[w] = running[w] && place >= 0;
            places.row[w] = place * launch.slots + slot;
        }
        if (launch.ring) save_rows(shown, places, which, launch.ring);
#if ENSEMBLE_RECORDED > 1
        state.each(VectorSaver([&](const Vec& v, real* to) { save_rows(v, places, which, to); }, launch));
#endif
        char* mark = workspace_top();
        measure(launch.measured, landscape, shown, LookNow{next}, [&](real* to, const scalar& number) {
            save_lanes(places, which, number, to, 1);
            workspace_reset(mark);
        });
        next = launch.recorded_steps[++slot];
    }
#else
    Recording(const Launch&, const Rows&) {}
    template <class State, class Landscape>
    void after(int, State&, const Vec&, const bool*, const Landscape&) {}
#endif
};

// What changes in the steps of a tile: where Vecs lie inside of it, the steps work on a copy, which may be in registers.
template <class P>
struct Moving {
    Vec x;
    typename decltype(P::optimizer)::State state;
    mask fine = as_mask(true);  // of each lane: all steps so far were within the bound
    integer good = integer_of(0);
};
#if ENSEMBLE_ARENA
template <class T>
using WorkedOn = T&;
#else
template <class T>
using WorkedOn = T;
#endif

// A tile of one configuration, or of several where it is mixed: a member of a team, whose tiles hold the same ids lane for lane.
template <class P>
struct Member {
    const Launch& launch;
    const counter& ids;
    Drawn* drawn;
    const Rows rows;
    bool running[width];
    int left = 0;
    const real* table;
    number steady[P::columns > 0 ? P::columns : 1];  // the columns that are the same at every step
#if ENSEMBLE_MIXED
    const P& parts;
    const int apart;    // columns in which owners differ
    const scalar* own;  // those of this tile: (step, column)
    counter stream_offset;
#else
    const P* parts;
    unsigned stream_offset;
#endif
    int event_step[width], event[width];
    Recording recording;
    int until_check;
    Moving<P> moving;

    Member(const Launch& launch_, int tile, const counter& ids_, Drawn* drawn_)
        : launch(launch_),
          ids(ids_),
          drawn(drawn_),
          rows(launch.active + (long long)tile * width),
#if ENSEMBLE_MIXED
          parts(((const P*)launch.parameters)[tile]),
          apart(__builtin_popcountll(launch.apart_columns)),
          own((const scalar*)launch.apart + (long long)tile * (launch.last - launch.first + 1) * apart),
#endif
          recording(launch, rows),
          until_check(launch.check_every - (launch.first - 1) % launch.check_every) {
        for (int w = 0; w < width; ++w) left += running[w] = rows.present[w];
        if (left == 0) return;
#if ENSEMBLE_MIXED
        table = launch.tables;
        word offsets;
        for (int w = 0; w < width; ++w) offsets.set(w, launch.stream_stride * unsigned(rows.row[w] / launch.instances));
        stream_offset = split(offsets);
#else
        const long long owner = rows.row[0] / launch.alike;
        parts = (const P*)launch.parameters + owner;
        table = launch.tables + owner * launch.table_stride * P::table_row;
        stream_offset = launch.stream_stride * unsigned(rows.row[0] / launch.instances);
#endif
        for (int k = 0; k < P::columns; ++k) {
            if (from_table(k)) continue;
#if ENSEMBLE_MIXED
            for (int w = 0; w < width; ++w)
                steady[k].set(w, launch.steady[rows.row[w] / launch.alike * P::table_row + k]);
#else
            steady[k] = launch.steady[owner * P::table_row + k];
#endif
        }
        load_rows(moving.x, rows, launch.x);
        moving.state.each(Loader{launch, rows});
        for (int w = 0; w < width; ++w)
            event_step[w] = launch.event_step[rows.row[w]], event[w] = launch.event[rows.row[w]];
    }

    bool from_table(int k) const { return !(launch.steady_columns >> (k & 63) & 1); }
    void write_out(Moving<P>& at, const bool* which) {
        save_rows(at.x, rows, which, launch.x);
        at.state.each(Saver{launch, rows, which});
        for (int w = 0; w < width; ++w) {
            if (!which[w]) continue;
            launch.event_step[rows.row[w]] = event_step[w];
            launch.event[rows.row[w]] = event[w];
        }
    }
    // The event has label `label` in some lanes: those that it is news to, and that have not diverged, finish.
    void finish(int t, const integer& label, Moving<P>& at) {
        bool finished[width];
        int now_finished = 0;
        for (int w = 0; w < width; ++w) {
            finished[w] = false;
            if (!running[w] || event_step[w] >= 0 || !at.fine.get(w) || label.get(w) == 0) continue;
            event_step[w] = t;
            event[w] = int(label.get(w));
            if (!launch.stop) continue;
            finished[w] = true;
            running[w] = false;
            ++now_finished;
        }
        if (now_finished) write_out(at, finished);
        left -= now_finished;
    }

    // Steps first ... last of the launch, which follow those taken before.
    void advance(int first, int last) {
#if !ENSEMBLE_MIXED
        const P parts = *this->parts;
#endif
        WorkedOn<Moving<P>> at = moving;
        Clock<P::columns> clock;
        clock.random.keys = &launch.keys;
        clock.random.instance = ids;
        clock.random.stream_offset = stream_offset;
        clock.random.drawn = drawn;
        for (int k = 0; k < P::columns; ++k)
            if (!from_table(k)) clock.column[k] = steady[k];
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
        Random::Kept kept[P::places];
        for (Random::Kept& one : kept) one.filled = false;
        clock.random.kept = kept;
#endif
        char* mark = workspace_top();
        for (int t = first; t <= last && left > 0; ++t) {
            clock.t = t;
            clock.random.step = unsigned(t);
            const real* columns = table + (long long)(t - launch.first) * P::table_row;
#if ENSEMBLE_MIXED
            const scalar* its_own = own + (long long)(t - launch.first) * apart;
#endif
            for (int k = 0; k < P::columns; ++k) {
                if (!from_table(k)) continue;
#if ENSEMBLE_MIXED
                clock.column[k] = launch.apart_columns >> (k & 63) & 1 ? *its_own++ : broadcast(columns[k]);
#else
                clock.column[k] = columns[k];
#endif
            }
            at.fine = at.fine & take_step(parts, at.x, at.state, clock, launch.bound);
            at.good = where(at.fine, at.good + 1, at.good);
            workspace_reset(mark);
            recording.after(t, at.state, at.x, running, parts.landscape);
            if constexpr (!same_type<decltype(P::event), Never>) {
                if (--until_check == 0) {
                    until_check = launch.check_every;
                    EventNow<P::event_at, P::columns> now(clock, reported(at.state, at.x));
                    integer label = parts.event.check(at.x, parts.landscape, now);
                    workspace_reset(mark);
                    if (any((label != 0) & at.fine)) finish(t, label, at);
                }
            }
        }
#if !ENSEMBLE_ARENA
        moving = at;
#endif
    }
    // Of those still running: a lane that was ever not fine has diverged and holds nothing worth keeping.
    void close() {
        if (left == 0) return;
        for (int w = 0; w < width; ++w) {
            if (!running[w] || moving.fine.get(w)) continue;
            launch.diverged_step[rows.row[w]] = launch.first + int(moving.good.get(w));
            EACH_BLOCK(j) EACH_COORDINATE {
                scalar v = moving.x.block[j].c[c];
                v.set(w, real(__builtin_nanf("")));
                moving.x.block[j].c[c] = v;
            }
        }
        write_out(moving, running);
    }
};

struct Room {};  // made where there is room for it
inline void* operator new(size_t, Room, void* at) { return at; }
inline void operator delete(void*, Room, void*) {}

// Members `first` ... of a team in turn, each as many steps as are kept of what the first of them draws.
constexpr int most_members = 8;
template <class P>
void advance_team(const Launch& launch, int team) {
    char* mark = workspace_top();
    const int size = launch.team, first_tile = team * size;
    const int* active = launch.active + (long long)first_tile * width;
    word of_lanes;
    for (int w = 0; w < width; ++w) {
        int row = active[w];
        for (int k = 1; k < size && row < 0; ++k) row = active[k * width + w];
        of_lanes.set(w, launch.first_instance + unsigned(row < 0 ? 0 : row % launch.instances));
    }
    const counter ids = split(of_lanes);
    const bool alone = size == 1;
    Drawn drawn(P::draws, launch.together, launch.last, alone);
    alignas(Member<P>) char room[most_members][sizeof(Member<P>)];
    auto member = [&](int k) -> Member<P>& { return *(Member<P>*)room[k]; };
    int members = 0;
    for (int k = 0; k < size; ++k) {
        if (first_row(active + k * width) < 0) continue;
        new (Room{}, room[members++]) Member<P>(launch, first_tile + k, ids, &drawn);
    }
    const int steps = alone ? launch.last - launch.first + 1 : launch.together;
    for (long long first = launch.first; first <= launch.last; first += steps) {
        const int last = launch.last - first < steps ? launch.last : int(first) + steps - 1;
        for (int k = 0; k < members; ++k) member(k).advance(int(first), last);
    }
    for (int k = 0; k < members; ++k) member(k).close();
    workspace_reset(mark);  // what Vecs took as well
}

// How many vectors and whole numbers a state visits: as many as Python has made room for.
struct Counter {
    int* counts;
    void operator()(Vec&) { ++counts[0]; }
    void operator()(integer&) { ++counts[1]; }
};
template <class State>
void count_state(int dim, char* arena, long long bytes, int* counts) {
    open_workspace(dim, arena, bytes);
    State state;
    state.each(Counter{counts});
}

template <class P>
int advance_tiles(const Launch& launch, int first_team, int last_team, char* arena, long long arena_bytes) {
    FlushSubnormals flush;
    open_workspace(launch.dim, arena, arena_bytes);
    for (int team = first_team; team < last_team; ++team) advance_team<P>(launch, team);
    return workspace_overflowed();
}
#define ENSEMBLE_ADVANCE(...)                                                                                   \
    extern "C" int advance(const Launch* launch, int first_team, int last_team, char* arena, long long bytes) { \
        return advance_tiles<Parts<__VA_ARGS__>>(*launch, first_team, last_team, arena, bytes);                 \
    }                                                                                                           \
    extern "C" void state_slots(int dim, char* arena, long long bytes, int* counts) {                           \
        count_state<typename decltype(Parts<__VA_ARGS__>::optimizer)::State>(dim, arena, bytes, counts);        \
    }                                                                                                           \
    extern "C" long long size_of_parts() { return sizeof(Parts<__VA_ARGS__>); }                                 \
    extern "C" long long size_of_launch() { return sizeof(Launch); }
