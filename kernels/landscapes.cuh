// Every landscape: value, gradient, Hessian-vector product and Hessian diagonal at a Vec.
#pragma once
#include "landscapes/quadratic.cuh"
#include "landscapes/saddles.cuh"
#include "landscapes/valleys.cuh"
#include "landscapes/wells.cuh"
