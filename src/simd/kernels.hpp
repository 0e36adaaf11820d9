// The hot loops, compiled once per instruction set (src/CMakeLists.txt) and chosen at run time by simdKernels().
// Plain pointers only: nothing inline from the standard library may leak out of these translation units.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tessera/model/star_record.hpp"

namespace tessera::simd {

// One spaxel's spectrum: see accumulate() in stages.hpp for the meaning.
struct SpectrumArgs {
    const StarRecord* stars;  // of the spaxel, ordered by shift bin
    std::size_t count;
    float shiftStep, shiftMin;  // bins: floor((shift - shiftMin) / shiftStep)
    const float* flux;          // [template][stride]
    std::size_t fluxStride;
    int nAge;     // templates from one metallicity to the next; 0: the library has one metallicity
    int ageStep;  // 1, or 0 for a library of one age
    const double* position;
    const double* inverseStep;
    std::size_t knots;
    const double* lnPosition;  // ln(position); nullptr on a linear grid
    const double* edges;       // [pixels + 1]
    std::size_t pixels;
    double inverseWidth;  // pixel of x: floor((x - edges[0]) inverseWidth); where log of ln x
    double scale;
    float* out;       // [pixels]
    double* precise;  // [pixels] instead of out, or nullptr
    double* scratch;  // scratchDoubles(knots, pixels), 64-byte aligned
};

constexpr std::size_t scratchDoubles(std::size_t knots, std::size_t pixels) {
    return (pixels + 2) * 4 + 7 * (knots + 32);
}

// The spectrum of one spaxel from sums at the knots for `count` nodes of shift: as SpectrumArgs, without stars.
struct NodeSumArgs {
    const float* sums;  // [count][sumStride]
    std::size_t count, sumStride;
    const double* shift;  // [count]
};

// Spaxel and shift of a block of stars: see project() in stages.hpp for the meaning. shift: of the relativistic kind for |v| <
// 0.02 c, all of them where `slow`; else it is to be taken from the speeds.
constexpr std::size_t skyBlock = 256;
constexpr std::uint32_t outsideOfSky = 0xffffffffU;
struct SkyArgs {
    const double* position;  // [n][3]
    const float* velocity;   // [n][3]
    std::size_t n;           // at most skyBlock
    double centre[3], velocityZero[3], axes[3][3], inverseC;
    double box;        // 0: not periodic
    double halfDepth;  // infinite: no star is too deep
    double spaxelKpc;
    std::size_t side;  // of the grid, at most 65535 spaxels
    std::uint32_t* spaxel;
    double* speed;  // along the line of sight
    float* shift;
    // Results: of the shifts inside the grid (infinite if none), their number, and whether all speeds are below 0.02 c.
    float low, high;
    std::size_t inside;
    bool slow;
};

// frameSums() of physics/orient.hpp of stars within a radius of the centre, summed: the same for every instruction set.
struct FrameArgs {
    const double* position;  // [n][3]
    const float* velocity;   // [n][3]
    const float* mass;
    std::size_t n;
    double centre[3], velocityZero[3];
    double box;       // 0: not periodic
    double radius2;   // its square; infinite: all stars
    double sums[13];  // result: mass; momentum; spin; xx, yy, zz, xy, xz, yz
};

// An axis of two points or more, ascending, as floats.
struct alignas(16) AxisInterval {
    float next;          // a value that is not below lies beyond the interval; the last one's is infinite
    float coarse, rest;  // its first point, in two parts
    float inverse;       // of its length
};
struct AxisArgs {
    float low, high;             // the values in [low, high] lie on the axis
    const std::uint16_t* cells;  // of int((value - low) scale): the point at or below the cell, or one before it
    float scale;
    int steps;                      // at most so many points from there to the value's
    const AxisInterval* intervals;  // [count]
    int count;                      // points - 1
};

// A block of records in columns.
constexpr std::size_t recordBlock = 256;
struct alignas(64) RecordColumns {
    std::int32_t corner[recordBlock];
    float ageFraction[recordBlock], zFraction[recordBlock], mass[recordBlock], shift[recordBlock], age[recordBlock],
        metallicity[recordBlock];
    std::uint32_t source[recordBlock];
};

// A block of one spaxel's stars and what the maps want of them: see BandLight, SpaxelSums and LibraryLimits in physics/maps.hpp.
constexpr std::size_t mapBlock = recordBlock;
struct MapColumns {
    const StarRecord* stars;
    std::size_t n;       // at most mapBlock, above 0
    const float* table;  // CornerLight: [corner][node][4]
    double firstShift, step;
    std::size_t nodes;
    double c;                             // speed of light
    double ageLow, ageHigh, zLow, zHigh;  // a star beyond them is clamped
    // [mapBlock] of the stars: light; velocity of the relativistic kind for |shift| < 0.02, all of them where `slow`, else
    // it is to be filled in
    double *light, *velocity;
    RecordColumns* records;  // filled by mapColumns(), read by sumMaps()
    bool slow;
};
struct MapSums {
    enum { mass, light, clampedMass, massAge, massZ, lightAge, lightZ, massV, lightV, lightV2, count };
    std::uint64_t stars = 0, clampedAge = 0, clampedMetallicity = 0;
    alignas(64) double lane[count][8] = {};
};

// Ages at a snapshot from scale factors at formation: FormationClock's table (io/formation_clock.hpp). What was formed at no
// time (<= 0) gets the age of the universe.
struct AgeArgs {
    const double* time;  // [intervals + 1]
    const double* slope;
    int intervals;
    double end, step;
};

// Every template's averages over the pixels [edges[j], edges[j + 1]] under one shift, template by template in lanes.
struct PixelTemplateArgs {
    const float* flux;  // [knots][lanes]
    std::size_t lanes;  // templates, rounded up to 16
    const double* position;
    const double* inverseStep;
    std::size_t knots;
    double shift;
    const double* edges;
    std::size_t pixels;
    float* average;  // [pixels][lanes]
    float* slope;    // [pixels][lanes] derivative of the average in the shift, or nullptr
    // Sixteen lanes each, of which alone anything is written; nullptr: all.
    const std::uint16_t* blocks = nullptr;
    std::size_t blockCount = 0;
};

// A spaxel's sum of rows of a table, each with a weight.
struct RowSum {
    const std::uint16_t* row;
    const float* weight;
    std::uint32_t count, spaxel;
};
// Adds them on a tile of pixels: out[spaxel][j] += scale sum_k weight[k] table[row[k]][j].
constexpr std::size_t rowTile = 32;  // so narrow that the table stays in the first-level cache
struct RowSumsArgs {
    const RowSum* sums;
    std::size_t count;
    const float* table;  // [row][rowTile]
    float scale;
    float* out;          // the tile's first pixel of spaxel 0
    std::size_t stride;  // from one spaxel to the next
    // What comes next: for each of the sums one so many sums behind it, and which part of its rows is to be fetched.
    std::size_t following, part;
};

// What a block of a dense spaxel's stars adds to the coefficients: mass times a template's weight times that of a node of
// shift, for a star's four templates and the four nodes about it (cubic Lagrange). Nodes are at shift k step, k = firstNode,
// firstNode + 1, ..., the first of them at least one below every star's.
constexpr std::size_t coefficientBlock = recordBlock;
struct StarCoefficients {
    const StarRecord* stars;
    std::size_t n;  // at most coefficientBlock, above 0
    double inverseStep;
    int firstNode;
    // Results, of coefficientBlock stars: mass times the weights of the corner, its neighbour in age, in metallicity and in both,
    // and of the four nodes; the corner; the first of the four nodes, counted from firstNode.
    float* weights;  // [stars][8]
    std::int32_t *corner, *node;
};

// The cotangent of a spectrum as the knots see it: the first and the second integral of its density (cotangent / width of
// the pixel) over wavelength, from the window's first edge on.
struct KnotCotangentArgs {
    // [pixels + 2][4] second and first integral at the left edge, density, left edge; before and behind the window one
    // cell each, of density 0.
    const double* cells;
    std::size_t pixels;
    double firstEdge, inverseWidth;                     // as in SpectrumArgs
    double total;                                       // first integral behind the last pixel
    const double *position, *inverseStep, *lnPosition;  // as in SpectrumArgs
    std::size_t knots;
    double* scratch;  // cotangentScratch(knots), 64-byte aligned
};
constexpr std::size_t cotangentScratch(std::size_t knots) {
    return 6 * (knots + 32);  // three of doubles, one of places, three of floats
}

// One spaxel's stars and templates, as in SpectrumArgs; bar[i] += cotangent of stars[i].
struct GatherArgs {
    const StarRecord* stars;
    std::size_t count;
    float shiftStep, shiftMin;
    const float* flux;
    std::size_t fluxStride;
    int nAge, ageStep;
    StarRecordBar* bar;
    float* templatesBar;  // [template][fluxStride] +=, or nullptr
};

// A star in the order in which it is gathered: copies of what its record has, so that they are read one after the other.
struct GatherItem {
    std::uint32_t star, spaxel;
    std::int32_t corner;
    float mass, shift, ageFraction, zFraction;
};

// Stars of one bin of shifts, on a tile of pixels: templates' averages at the bin's lower edge, and slopes at both edges.
// bar[i] += the cotangent of items[i]. Stars of one corner that follow each other share what is loaded of the tables; a
// star's result does not depend on its neighbours.
struct PixelGatherArgs {
    const GatherItem* items;
    StarRecordBar* bar;
    std::size_t count;
    std::size_t ahead;                          // items behind these, which may be fetched already
    double lowerEdge, inverseStep;              // of the bin
    int nAge, ageStep;                          // as in SpectrumArgs
    const float *average, *slope, *upperSlope;  // [template][stride]: at the lower edge, and the slope at the upper one
    std::size_t stride;
    std::size_t lanes;            // pixels, a multiple of 16
    const float* cotangents;      // [spaxel][cotangentStride], zero behind the pixels
    std::size_t cotangentStride;  // a multiple of 16
};

// What standardNormals() of physics/noise.hpp makes of seed, galaxy and view: the counter's upper half, and the key.
struct NormalsKey {
    std::uint32_t counter2, counter3, key0, key1;
};

struct Kernels {
    const char* name;
    // out[i] = log10 in[i] of normal positive floats to 4 ulp; -inf of 0, NaN of negative numbers
    void (*log10)(const float* in, float* out, std::size_t n);
    void (*spectrum)(const SpectrumArgs&);
    void (*spectrumOfNodes)(const SpectrumArgs&, const NodeSumArgs&);
    // Tangent of spectrum() for those of the stars' records.
    void (*spectrumTangent)(const SpectrumArgs&, const StarRecordBar* dot);
    // Transpose of spectrum().
    void (*gather)(const KnotCotangentArgs&, const GatherArgs&);
    void (*gatherAtPixels)(const PixelGatherArgs&);
    void (*pixelTemplates)(const PixelTemplateArgs&);
    // out[c][r] = in[r][c] for r < rows, c < columns, both multiples of 16
    void (*transpose)(const float* in, std::size_t inStride, std::size_t rows, std::size_t columns, float* out,
                      std::size_t outStride);
    void (*sumRows)(const RowSumsArgs&);
    void (*starCoefficients)(StarCoefficients&);
    // sums[place[i] + 4 k + q] += weights[i][q] weights[i][4 + k], q and k < 4; places are multiples of four
    void (*addCoefficients)(const float* weights, const std::uint32_t* place, std::size_t n, float* sums);
    // rows[q][node] += sums[node][q], q < 4; nodes: a multiple of 8; rows may be the same
    void (*foldCorners)(const float* sums, std::size_t nodes, float* const* rows);
    // out[j] = sum_d taps[d] in[j + d], d < width; taps[d tapStride + j] where tapStride > 0. Whole vectors of up to 16
    // floats are computed.
    void (*filter)(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
                   std::size_t lanes);
    // out[c][i] = sum_d taps[d] in[c + d][i] for lanes i < lanes, a multiple of 16; rows `stride` floats apart
    void (*columns)(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
                    std::size_t outStride, std::size_t count, std::size_t lanes, bool add);
    // sums[r] = sum_i weight[i] in[r][i] over rows of `lanes` floats, a multiple of 16
    void (*weigh)(const float* in, std::size_t rows, std::size_t lanes, const float* weight, float* sums);
    // flux[j] += sqrt(variance[j]) times the standard normal number of voxel firstVoxel + j
    void (*addNormals)(const NormalsKey&, std::uint64_t firstVoxel, std::size_t count, const float* variance,
                       float* flux);
    // values[i] *= factor, rounded once; whether all products lie in [low, high] (NaN does not)
    bool (*scaleFloats)(float* values, std::size_t n, double factor, double low, double high);
    bool (*scaleDoubles)(double* values, std::size_t n, double factor, double low, double high);
    void (*sky)(SkyArgs&);
    void (*sumFrame)(FrameArgs&);
    void (*shiftRange)(const StarRecord*, std::size_t n, float& low, float& high);  // least and largest of n > 0
    void (*mapColumns)(MapColumns&);
    void (*sumMaps)(const MapColumns&, MapSums&);  // adds to the sums
    // Interval of each value and how far into it, as locate() of physics/ssp.hpp; clamped: 1 or 0.
    void (*locate)(const AxisArgs&, const float* values, std::size_t n, std::int32_t* lower, float* fraction,
                   std::int32_t* clamped);
    void (*ages)(const AgeArgs&, const double* formation, std::size_t n, float* out);
};

const Kernels& kernels();                     // the best this CPU has; TESSERA_SIMD=baseline|avx2|avx512 overrides
const Kernels* kernelsOf(const char* level);  // nullptr: not compiled or not supported here

namespace baseline {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}

}  // namespace tessera::simd
