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
    template <class Landscape>
    HD void after(int t, const Vec& shown, const bool* running, const Landscape& landscape) {
        if (t == next) save(shown, running, landscape);
    }

private:
    template <class Landscape>
    __attribute__((noinline)) void save(const Vec& shown, const bool* running, const Landscape& landscape) {
        Rows places = rows;
        bool which[width];
        for (int w = 0; w < width; ++w) {
            const long long place = launch.recorded_places[rows.row[w]];
            which[w] = running[w] && place >= 0;
            places.row[w] = place * launch.slots + slot;
        }
        if (launch.ring) save_rows(shown, places, which, launch.ring);
        char* mark = workspace_top();
        measure(launch.measured, landscape, shown, LookNow{next}, [&](real* to, const scalar& number) {
            save_lanes(places, which, number, to, 1);
            workspace_reset(mark);
        });
        next = launch.recorded_steps[++slot];
    }
#else
    Recording(const Launch&, const Rows&) {}
    template <class Landscape>
    void after(int, const Vec&, const bool*, const Landscape&) {}
#endif
};

template <class P>
void advance_tile(const Launch& launch, int tile) {
    const Rows rows(launch.active + (long long)tile * width);
    bool running[width];
    int left = 0;
    for (int w = 0; w < width; ++w) left += running[w] = rows.present[w];
#if ENSEMBLE_MIXED
    const P& parts = ((const P*)launch.parameters)[tile];
    const real* tables[width];
    for (int w = 0; w < width; ++w)
        tables[w] = launch.tables + rows.row[w] / launch.instances * launch.table_stride * P::table_row;
#else
    long long configuration = rows.row[0] / launch.instances;
    const P parts = ((const P*)launch.parameters)[configuration];
    const real* table = launch.tables + configuration * launch.table_stride * P::table_row;
#endif

    word ids;
    for (int w = 0; w < width; ++w) {
#if ENSEMBLE_MIXED
        long long place = rows.row[w] % launch.instances;
#else
        long long place = rows.row[w] - configuration * launch.instances;
#endif
        ids.set(w, launch.first_instance + unsigned(place));
    }
    Clock<P::columns> clock;
    clock.random.keys = &launch.keys;
    clock.random.instance = split(ids);
#if ENSEMBLE_MIXED
    word offsets;
    for (int w = 0; w < width; ++w)
        offsets.set(w, launch.stream_stride * unsigned(launch.first_configuration + rows.row[w] / launch.instances));
    clock.random.stream_offset = split(offsets);
#else
    clock.random.stream_offset = launch.stream_stride * unsigned(launch.first_configuration + configuration);
#endif
#if ENSEMBLE_DIM == 1 || ENSEMBLE_DIM == 2
    Random::Kept kept[P::places];
    for (Random::Kept& one : kept) one.filled = false;
    clock.random.kept = kept;
#endif

    Vec x;
    typename decltype(parts.optimizer)::State state;
    {
        load_rows(x, rows, launch.x);
        state.each(Loader{launch, rows});
    }
    int event_step[width], event[width];
    for (int w = 0; w < width; ++w)
        event_step[w] = launch.event_step[rows.row[w]], event[w] = launch.event[rows.row[w]];

    auto write_out = [&](const bool* which) {
        save_rows(x, rows, which, launch.x);
        state.each(Saver{launch, rows, which});
        for (int w = 0; w < width; ++w) {
            if (!which[w]) continue;
            launch.event_step[rows.row[w]] = event_step[w];
            launch.event[rows.row[w]] = event[w];
        }
    };

    char* mark = workspace_top();
    mask fine = as_mask(true);
    integer good = integer_of(0);
    Recording recording(launch, rows);
    int until_check = launch.check_every - (launch.first - 1) % launch.check_every;
    for (int t = launch.first; t <= launch.last && left > 0; ++t) {
        clock.t = t;
        clock.random.step = unsigned(t);
#if ENSEMBLE_MIXED
        for (int k = 0; k < P::columns; ++k)
            for (int w = 0; w < width; ++w)
                clock.column[k].set(w, tables[w][(long long)(t - launch.first) * P::table_row + k]);
#else
        for (int k = 0; k < P::columns; ++k) clock.column[k] = table[k];
        table += P::table_row;
#endif
        fine = fine & take_step(parts, x, state, clock, launch.bound);
        good = where(fine, good + 1, good);
        workspace_reset(mark);
        recording.after(t, reported(state, x), running, parts.landscape);
        if constexpr (!same_type<decltype(parts.event), Never>) {
            if (--until_check == 0) {
                until_check = launch.check_every;
                EventNow<P::event_at, P::columns> now(clock, reported(state, x));
                integer label = parts.event.check(x, parts.landscape, now);
                workspace_reset(mark);
                if (any((label != 0) & fine)) {
                    bool finished[width];
                    int now_finished = 0;
                    for (int w = 0; w < width; ++w) {
                        finished[w] = false;
                        if (!running[w] || event_step[w] >= 0 || !fine.get(w) || label.get(w) == 0) continue;
                        event_step[w] = t;
                        event[w] = int(label.get(w));
                        if (!launch.stop) continue;
                        finished[w] = true;
                        running[w] = false;
                        ++now_finished;
                    }
                    if (now_finished) write_out(finished);
                    left -= now_finished;
                }
            }
        }
    }
    if (left == 0) return;
    // Those still running: a lane that was ever not fine has diverged and holds nothing worth keeping.
    for (int w = 0; w < width; ++w) {
        if (!running[w] || fine.get(w)) continue;
        launch.diverged_step[rows.row[w]] = launch.first + int(good.get(w));
        EACH_BLOCK(j) EACH_COORDINATE {
            scalar v = x.block[j].c[c];
            v.set(w, real(__builtin_nanf("")));
            x.block[j].c[c] = v;
        }
    }
    write_out(running);
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
int advance_tiles(const Launch& launch, int first_tile, int last_tile, char* arena, long long arena_bytes) {
    FlushSubnormals flush;
    open_workspace(launch.dim, arena, arena_bytes);
    for (int tile = first_tile; tile < last_tile; ++tile) advance_tile<P>(launch, tile);
    return workspace_overflowed();
}
#define ENSEMBLE_ADVANCE(...)                                                                                   \
    extern "C" int advance(const Launch* launch, int first_tile, int last_tile, char* arena, long long bytes) { \
        return advance_tiles<Parts<__VA_ARGS__>>(*launch, first_tile, last_tile, arena, bytes);                 \
    }                                                                                                           \
    extern "C" void state_slots(int dim, char* arena, long long bytes, int* counts) {                           \
        count_state<typename decltype(Parts<__VA_ARGS__>::optimizer)::State>(dim, arena, bytes, counts);        \
    }                                                                                                           \
    extern "C" long long size_of_parts() { return sizeof(Parts<__VA_ARGS__>); }                                 \
    extern "C" long long size_of_launch() { return sizeof(Launch); }
