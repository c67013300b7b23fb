// Optimizers: the twins of ensemble/optimizers/, fields in the same order. step() returns the new iterate.
//
// `gradient` is a function of a named Vec; now[lr] is the scheduled rate, other columns are the part's own tables. A step
// whose result uses a local Vec returns Vec; an expression of x and the state may return auto. A wrapper's own columns and
// state come before its base's, and hand the base now.after<own>() and state.base.
#pragma once
#include "optimizers/adaptive.cuh"
#include "optimizers/curvature.cuh"
#include "optimizers/descent.cuh"
#include "optimizers/wrappers.cuh"
