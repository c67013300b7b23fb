// Where draws come from. On the device they are made where they are used. On the CPU they are drawn many blocks at a time, into
// memory that stays in cache, by who asks first: a team, instances of one id in several configurations, sees the same draws, and
// its other members read them. Included by random.cuh.
#pragma once

#if ENSEMBLE_DEVICE
// A draw of a step: what `Makes` makes of the words of block j.
template <class Makes>
struct Draws {
    const Random& random;
    Stream stream;
    HD Draws(const Random& random_, Stream stream_) : random(random_), stream(stream_) {}
    HD typename Makes::Made at(int j) const {
        return Makes::make(random.words_at(stream, random.step / Makes::steps, Makes::block(j), *random.keys), j);
    }
};
#else
constexpr int piece_blocks = 16;  // that are drawn by one call; ensemble/backends/cpu.py knows of it

// The blocks of a draw of one step: a piece of them, or all pieces.
struct Slot {
    unsigned long long* marks;  // of each piece, the step and the piece that lie there
    Words* blocks;
    int piece_mask;  // 0: one that is alone keeps the piece that it drew last
    unsigned long long step;

    HD unsigned long long mark(int j) const { return step | unsigned(j / piece_blocks); }
    HD bool holds(int j) const { return marks[j / piece_blocks & piece_mask] == mark(j); }
    HD void hold(int j) const { marks[j / piece_blocks & piece_mask] = mark(j); }
    HD Words* piece(int j) const { return blocks + (j / piece_blocks & piece_mask) * piece_blocks; }
};

// What a tile or a team has drawn of late, of `depth` steps at most, a power of two.
struct Drawn {
    static constexpr int most_names = 64;
    struct Named {  // a draw that was asked for: stream, place, and what is made of the words
        unsigned name;
        unsigned long long* marks;
        Words* blocks;
    } draw[most_names];
    int named, names, depth, last_step;
    int pieces, blocks;  // of a step, kept
    int piece_mask;
    char* room;

    // Takes its room from the workspace, for so many draws. Python makes it: ensemble/backends/cpu.py.
    HD Drawn(int names_, int depth_, int last_step_, bool alone)
        : named(0), names(names_ < most_names ? names_ : most_names), depth(depth_), last_step(last_step_) {
        const int whole = held();
        piece_mask = alone ? 0 : -1;
        pieces = alone ? 1 : (whole + piece_blocks - 1) / piece_blocks;
        blocks = alone && whole > piece_blocks ? piece_blocks : whole;
        room = workspace_room(names * bytes());
        workspace_reset(room + names * bytes());
    }
    // Of a draw, in whole vectors, so that what comes after it lies as well as it does.
    HD long bytes() const {
        return long(depth) * blocks * long(sizeof(Words)) + (long(depth) * pieces * 8 + 63) / 64 * 64;
    }
    HD Slot find(unsigned name, unsigned step) {
        int k = 0;
        while (k < named && draw[k].name != name) ++k;
        if (__builtin_expect(k == named, 0)) k = add(name);
        const int row = int(step & unsigned(depth - 1));
        return {draw[k].marks + row * pieces, draw[k].blocks + row * blocks, piece_mask,
                (unsigned long long)step << 32};
    }
    __attribute__((noinline)) int add(unsigned name) {
        if (named == names) {  // then there was not as much room as is asked for
            workspace.overflowed = true;
            --named;
        }
        char* here = room + named * bytes();
        Words* all = (Words*)here;
        draw[named] = {name, (unsigned long long*)(all + long(depth) * blocks), all};
        for (long k = 0; k < long(depth) * pieces; ++k) draw[named].marks[k] = ~0ull;
        return named++;
    }
    // How many steps from one on have rows one after another, and are taken: `served` of the launch's share a draw.
    HD int steps_ahead(unsigned step, int served) const {
        const int rows = depth - int(step & unsigned(depth - 1)), taken = last_step / served - int(step) + 1;
        return rows < taken ? rows : taken;
    }
};

// A draw of a step: what `Makes` makes of the words of block j.
template <class Makes>
struct Draws {
    using Made = typename Makes::Made;
    const Random& random;
    Stream stream;
    Slot slot;
    mutable int first;          // of the piece that was asked for last
    mutable const Made* block;  // the first of all, were they all beside it
    HD Draws(const Random& random_, Stream stream_)
        : random(random_),
          stream(stream_),
          slot(random.drawn->find(Makes::name << 16 | PLACE_STRIDE * random.place | unsigned(stream), step())),
          first(-piece_blocks) {}
    HD const Made& at(int j) const {
        if (unsigned(j - first) >= unsigned(piece_blocks)) {
            first = j / piece_blocks * piece_blocks;
            if (__builtin_expect(!slot.holds(first), 0)) draw(random, stream, slot, first);
            block = (const Made*)slot.piece(first) - first;
        }
        return block[j];
    }

private:
    HD unsigned step() const { return random.step / Makes::steps; }
    // A piece; where it is all that the step draws, of the next steps as well, which will ask for it.
    ONCE void draw(const Random& random, Stream stream, Slot slot, int first) {
        const Random own = random;
        const RoundKeys keys = *random.keys;
        const unsigned step = own.step / Makes::steps;
        const int blocks = Makes::block(0) == INSTANCE_BLOCK ? 1 : held();
        const int last = blocks < first + piece_blocks ? blocks : first + piece_blocks;
        const bool again = stream == NOISE || stream == NOISE_SECOND;
        const int steps = again && blocks < piece_blocks ? own.drawn->steps_ahead(step, Makes::steps) : 1;
        for (int ahead = 0; ahead < steps; ++ahead) {
            Made* made = (Made*)slot.piece(first) - first;
            for (int j = first; j < last; ++j)
                made[j] = Makes::make(own.words_at(stream, step + ahead, Makes::block(j), keys), j);
            if (last == blocks) zero_padding(made[last - 1], last - 1);
            slot.hold(first);
            slot.marks += own.drawn->pieces;
            slot.blocks += own.drawn->blocks;
            slot.step += 1ull << 32;
        }
    }
};
#endif
