// The device form of the loop where a group holds a team: one instance in several configurations, whose normals are drawn once
// for all; included by advance.cuh.
#pragma once

constexpr int members = ENSEMBLE_TEAM;
constexpr unsigned everyone = (1u << members) - 1;

template <class P>
struct Member {
    Vec x;
    typename decltype(P::optimizer)::State state;
    int owner;
    unsigned table;  // its row of the tables at step 0: of more than 2^32 no memory has room
    Within seen;     // all coordinates of this lane at all steps,
    int last_fine;   // which were fine up to this one
};

// The row of a member, -1 where it is not there: looked up whenever it is asked for, which is seldom.
HD int row_of_member(const Launch& launch, int k) {
    const long long group = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / lanes, teams = launch.count / members;
    return group < teams ? read_again(launch.active)[group * members + k] : -1;
}

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
    // A bit for each member: an event would be news; it has finished, or was never there.
    unsigned open = 0, written = 0;
    UNROLL for (int k = 0; k < members; ++k) {
        Member<P>& m = team[k];
        const int row = rows[k] < 0 ? some : rows[k];
        const bool there = present && rows[k] >= 0;
        m.owner = row / launch.alike;
        m.table = unsigned(m.owner * launch.table_stride) - unsigned(launch.first);
        load_row(m.x, launch.x + (long long)row * dim());
        m.state.each(Loader{launch, row});
        written |= unsigned(!there) << k;
        open |= unsigned(there && launch.event_step[row] < 0) << k;
        m.last_fine = launch.first - 1;
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
            if (!same_type<decltype(P::event), Never> && !any(!(written >> k & 1))) continue;
            const unsigned at = m.table + unsigned(t);
            load_columns<P::columns>(clock.column, launch.tables + (unsigned long long)at * P::table_row);
            Steady<P>(launch, m.owner).put(clock);
            const P parts = *read_again((const P*)launch.parameters + m.owner);
            take_step(parts, m.x, m.state, clock, launch.bound, m.seen);
            if (m.seen.all(launch.bound)) m.last_fine = t;
            if constexpr (!same_type<decltype(P::event), Never>) {
                if (!asked) continue;
                EventNow<P::event_at, P::columns> now(clock, reported(m.state, m.x));
                const int label = int(parts.event.check(m.x, parts.landscape, now));
                const bool hit = (open >> k & 1) && label != 0;
                if (!any(hit)) continue;
                const bool earlier = t <= reduce_lanes(m.last_fine, Earliest{});  // of the two, divergence wins a tie
                if (!hit) continue;
                open &= ~(1u << k);
                if (!earlier) continue;
                const int row = row_of_member(launch, k);
                if (lane_in_group() == 0) {
                    launch.event_step[row] = t;
                    launch.event[row] = label;
                }
                if (!launch.stop) continue;
                save_row(m.x, launch.x + (long long)row * dim());
                m.state.each(Saver{launch, row});
                written |= 1u << k;
            }
        }
        if constexpr (!same_type<decltype(P::event), Never>) {
            if (!any(!asked || written != everyone)) return;
        }
    }
    UNROLL for (int k = 0; k < members; ++k) {
        Member<P>& m = team[k];
        const int bad = reduce_lanes(m.last_fine, Earliest{}) + 1;
        const int row = row_of_member(launch, k);
        if (same_type<decltype(P::event), Never> ? row < 0 : written >> k & 1) continue;
        if (bad <= launch.last) {
            EACH_BLOCK(j) EACH_COORDINATE m.x.block[j].c[c] = elementary::not_a_number();
            if (lane_in_group() == 0) launch.diverged_step[row] = bad;
        }
        save_row(m.x, launch.x + (long long)row * dim());
        m.state.each(Saver{launch, row});
    }
}
