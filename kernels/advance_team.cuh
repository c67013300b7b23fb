// The device form of the loop where a group holds a team: one instance in several configurations, whose normals are drawn once
// for all; included by advance.cuh.
#pragma once

constexpr int members = ENSEMBLE_TEAM;

template <class P>
struct Member {
    Vec x;
    typename decltype(P::optimizer)::State state;
    int row, owner;
    int bad;             // the first step at which one of this lane's coordinates was not fine
    bool open, written;  // an event would be news; it has finished, or was never there
};

// As advance_group for one: `active` lists the rows of each team, -1 where a member is not there any more.
template <class P>
HD void advance_group(const Launch& launch) {
    const long long group = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / lanes, teams = launch.count / members;
    constexpr int together = shares_warp ? 32 / lanes : 1;  // groups of a warp, which take part in every shuffle
    if (group / together * together >= teams) return;
    const bool present = group < teams;
    const int* rows = launch.active + (present ? group : teams - 1) * members;
    int some = -1;
    UNROLL for (int k = 0; k < members; ++k) some = rows[k] >= 0 ? rows[k] : some;

    Member<P> team[members];
    UNROLL for (int k = 0; k < members; ++k) {
        Member<P>& m = team[k];
        m.written = !present || rows[k] < 0;
        m.row = rows[k] < 0 ? some : rows[k];
        m.owner = m.row / launch.alike;
        load_row(m.x, launch.x + (long long)m.row * dim());
        m.state.each(Loader{launch, m.row});
        m.open = !m.written && launch.event_step[m.row] < 0;
        m.bad = launch.last + 1;
    }
    Clock<P::columns> clock;
    clock.random.keys = &launch.keys;
    clock.random.instance = launch.first_instance + unsigned(some % launch.instances);
    clock.random.stream_offset = 0;  // they are paired
    Vec normals;
    clock.random.shared = &normals;
    int until_check = launch.check_every - (launch.first - 1) % launch.check_every;
    ROLLED for (int t = launch.first; t <= launch.last; ++t) {
        clock.t = t;
        clock.random.step = unsigned(t);
        clock.random.fresh = true;
        normals = Normals(clock.random, NOISE);
        clock.random.fresh = false;
        const bool asked = !same_type<decltype(P::event), Never> && --until_check == 0;
        if (asked) until_check = launch.check_every;
        UNROLL for (int k = 0; k < members; ++k) {
            Member<P>& m = team[k];
            if (!same_type<decltype(P::event), Never> && !any(!m.written)) continue;
            const long long at = m.owner * launch.table_stride + (t - launch.first);
            load_columns<P::columns>(clock.column, launch.tables + at * P::table_row);
            Steady<P>(launch, m.owner).put(clock);
            const P parts = *read_again((const P*)launch.parameters + m.owner);
            if (!take_step(parts, m.x, m.state, clock, launch.bound)) m.bad = t < m.bad ? t : m.bad;
            if constexpr (!same_type<decltype(P::event), Never>) {
                if (!asked) continue;
                EventNow<P::event_at, P::columns> now(clock, reported(m.state, m.x));
                const int label = int(parts.event.check(m.x, parts.landscape, now));
                const bool hit = m.open && label != 0;
                if (!any(hit)) continue;
                const bool earlier = t < reduce_lanes(m.bad, Earliest{});  // of the two, divergence wins a tie
                if (!hit) continue;
                m.open = false;
                if (!earlier) continue;
                if (lane_in_group() == 0) {
                    launch.event_step[m.row] = t;
                    launch.event[m.row] = label;
                }
                if (!launch.stop) continue;
                save_row(m.x, launch.x + (long long)m.row * dim());
                m.state.each(Saver{launch, m.row});
                m.written = true;
            }
        }
        if constexpr (!same_type<decltype(P::event), Never>) {
            bool left = !asked;
            UNROLL for (int k = 0; k < members; ++k) left = left || !team[k].written;
            if (!any(left)) return;
        }
    }
    UNROLL for (int k = 0; k < members; ++k) {
        Member<P>& m = team[k];
        const int bad = reduce_lanes(m.bad, Earliest{});
        if (m.written) continue;
        if (bad <= launch.last) {
            EACH_BLOCK(j) EACH_COORDINATE m.x.block[j].c[c] = elementary::not_a_number();
            if (lane_in_group() == 0) launch.diverged_step[m.row] = bad;
        }
        save_row(m.x, launch.x + (long long)m.row * dim());
        m.state.each(Saver{launch, m.row});
    }
}
