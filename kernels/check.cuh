// The event alone, of instances as they are after step `last`: asked between launches where windows of an instance advance
// each by itself. On the device only.
#pragma once
#include "advance.cuh"
#include "events.cuh"

template <class P>
HD void check_group(const Launch& launch) {
    Seat seat;
    if (!seat.take(launch.active, launch.count)) return;
    open_workspace(launch.scratch, launch.scratch_bytes);
    const long long row = seat.row;
    const unsigned owner = unsigned(row / launch.alike);
    const bool open = seat.present && launch.event_step[row] < 0 && launch.diverged_step[row] < 0;
    if (!any(open)) return;
    const P& parts = ((const P*)launch.parameters)[owner];

    Clock<P::columns> clock;
    open_clock<P>(clock, launch, row);
    clock.t = launch.last;
    clock.random.step = unsigned(launch.last);
    load_columns<P::columns>(clock.column,
                             table_of<P>(launch, owner) + (long long)(launch.last - launch.first) * P::table_row);
    Steady<P>(launch, owner).put(clock);
    Vec x;
    load_row(x, launch.x + row * dim());
    int label = 0;
    using State = typename decltype(parts.optimizer)::State;
    if constexpr (ENSEMBLE_REPORTS) {
        State state;
        state.each(Loader{launch, row});
        EventNow<P::event_at, P::columns> now(clock, reported(state, x));
        label = int(parts.event.check(x, parts.landscape, now));
    } else {
        EventNow<P::event_at, P::columns> now(clock, x);
        label = int(parts.event.check(x, parts.landscape, now));
    }
    if (open && label != 0 && seat.writes()) {
        launch.event_step[row] = launch.last;
        launch.event[row] = label;
    }
}
#define ENSEMBLE_CHECK(...)                                                                                      \
    static_assert(sizeof(Parts<__VA_ARGS__>) == ENSEMBLE_PARTS_BYTES && sizeof(Launch) == ENSEMBLE_LAUNCH_BYTES, \
                  "ensemble/backends/layout.py lays the structs out in the same way");                           \
    extern "C" __global__ void ENSEMBLE_BOUNDS check(const Launch launch) { check_group<Parts<__VA_ARGS__>>(launch); }
