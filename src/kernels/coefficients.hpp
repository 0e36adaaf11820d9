// Dense spaxels in coefficients (stages.hpp, nodeSpacing()): the template weights of a spaxel's stars at nodes of shift, spread by
// the cubic through four of them. Their product with the templates has the sums at the knots, of which accumulate() takes one a
// node instead of a run of stars.
//
// Stars add to the coefficients in any order: these are integers, in units of 2^-61 of the spaxel's mass, so that the order does not
// matter.
#pragma once

#include <cstdint>

#include "kernels/order.hpp"
#include "tessera/gpu/launch.hpp"
#include "tessera/model/star_record.hpp"

namespace tessera::gpu {
inline namespace TESSERA_GPU_BACKEND {

// Of the stars [first, end) of a spaxel.
struct StarSpan {
    std::uint32_t first, end;
};
struct SpanSums {
    double mass;
    float shiftMin, shiftMax;
};
struct SpanArgs {
    View<const StarRecord> star;
    View<const StarSpan> span;
    View<SpanSums> sums;  // [spans]
};
void sumSpans(const Stream&, const SpanArgs&);

// Nodes of shift k nodeStep of a spaxel, k = firstNode ...: one row of coefficients each, from `row` on.
struct DenseNodes {
    std::int32_t firstNode;
    std::uint32_t nodes, row;
    double unit;  // of the integers
};
double coefficientUnit(double mass);
struct DensePart {
    StarSpan stars;
    std::uint32_t spaxel;  // of `dense`
};
struct ScatterArgs {
    View<const StarRecord> star;
    View<const DensePart> part;  // a block each
    View<const DenseNodes> dense;
    double inverseNodeStep = 0;
    std::size_t templates = 0;
    int zStep = 0, ageStep = 0;    // as in AccumulateArgs
    View<unsigned long long> sum;  // [rows][templates] += ; two's complement
};
void scatterCoefficients(const Stream&, const ScatterArgs&);

// The integers as floats.
struct CoefficientArgs {
    View<const unsigned long long> sum;  // [rows][templates]
    View<const double> unit;             // [rows]
    std::size_t templates = 0;
    View<float> out;  // [rows][templates]
};
void coefficients(const Stream&, const CoefficientArgs&);

}  // namespace TESSERA_GPU_BACKEND
}  // namespace tessera::gpu
