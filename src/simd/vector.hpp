// What the kernels of one level share. Compiled once per level; TESSERA_SIMD_LEVEL names the namespace.
#pragma once

#include <cstddef>
#include <experimental/simd>

#include "simd/kernels.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

namespace stdx = std::experimental;
using Vf = stdx::native_simd<float>;
constexpr std::size_t W = Vf::size();

inline Vf load(const float* p) {
    return Vf(p, stdx::element_aligned);
}

void log10(const float* in, float* out, std::size_t n);
void spectrum(const SpectrumArgs&);
void spectrumOfNodes(const SpectrumArgs&, const NodeSumArgs&);
void spectrumTangent(const SpectrumArgs&, const StarRecordBar* dot);
void gather(const KnotCotangentArgs&, const GatherArgs&);
void gatherAtPixels(const PixelGatherArgs&);
void pixelTemplates(const PixelTemplateArgs&);
void transpose(const float* in, std::size_t inStride, std::size_t rows, std::size_t columns, float* out,
               std::size_t outStride);
void sumRows(const RowSumsArgs&);
void starCoefficients(StarCoefficients&);
void addCoefficients(const float* weights, const std::uint32_t* place, std::size_t n, float* sums);
void foldCorners(const float* sums, std::size_t nodes, float* const* rows);
void filter(const float* taps, std::size_t width, std::size_t tapStride, const float* in, float* out,
            std::size_t lanes);
void columns(const float* taps, std::size_t width, const float* in, std::size_t inStride, float* out,
             std::size_t outStride, std::size_t count, std::size_t lanes, bool add);
void weigh(const float* in, std::size_t rows, std::size_t lanes, const float* weight, float* sums);
void addNormals(const NormalsKey&, std::uint64_t firstVoxel, std::size_t count, const float* variance, float* flux);
bool scaleFloats(float* values, std::size_t n, double factor, double low, double high);
bool scaleDoubles(double* values, std::size_t n, double factor, double low, double high);
void sky(SkyArgs&);
void sumFrame(FrameArgs&);
void shiftRange(const StarRecord* stars, std::size_t n, float& low, float& high);
void mapColumns(MapColumns&);
void sumMaps(const MapColumns&, MapSums&);
void locate(const AxisArgs&, const float* values, std::size_t n, std::int32_t* lower, float* fraction,
            std::int32_t* clamped);
void ages(const AgeArgs&, const double* formation, std::size_t n, float* out);

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
