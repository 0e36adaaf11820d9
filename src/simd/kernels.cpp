#include "simd/kernels.hpp"

#include "simd/vector.hpp"

namespace tessera::simd::TESSERA_SIMD_LEVEL {

#define TESSERA_TEXT_(x) #x
#define TESSERA_TEXT(x) TESSERA_TEXT_(x)
extern const Kernels table{.name = TESSERA_TEXT(TESSERA_SIMD_LEVEL),
                           .log10 = log10,
                           .spectrum = spectrum,
                           .spectrumOfNodes = spectrumOfNodes,
                           .spectrumTangent = spectrumTangent,
                           .gather = gather,
                           .gatherAtPixels = gatherAtPixels,
                           .pixelTemplates = pixelTemplates,
                           .transpose = transpose,
                           .sumRows = sumRows,
                           .starCoefficients = starCoefficients,
                           .addCoefficients = addCoefficients,
                           .foldCorners = foldCorners,
                           .filter = filter,
                           .columns = columns,
                           .weigh = weigh,
                           .addNormals = addNormals,
                           .scaleFloats = scaleFloats,
                           .scaleDoubles = scaleDoubles,
                           .sky = sky,
                           .sumFrame = sumFrame,
                           .shiftRange = shiftRange,
                           .mapColumns = mapColumns,
                           .sumMaps = sumMaps,
                           .locate = locate,
                           .ages = ages};

}  // namespace tessera::simd::TESSERA_SIMD_LEVEL
