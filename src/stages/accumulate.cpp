#include "stages/accumulator.hpp"
#include "tessera/stages.hpp"

namespace tessera {

Accumulator::Accumulator(Host exec, const BinnedStars& stars, const KnotTable& table) : exec_(exec) {
    if (table.fine)
        way_ = std::make_unique<PixelWay>(exec, stars, table);
    else
        way_ = std::make_unique<KnotWay>(exec, stars, table);
}
Accumulator::~Accumulator() = default;

void Accumulator::operator()(const WavelengthGrid& window, double scale, float* out, std::size_t stride) const {
    way_->sum(exec_, window, scale, out, stride);
}

void Accumulator::operator()(const WavelengthGrid& window, double scale, double* out, std::size_t stride) const {
    way_->sum(exec_, window, scale, out, stride);
}

void accumulate(Host exec, const BinnedStars& stars, const KnotTable& table, const WavelengthGrid& window, double scale,
                float* out, std::size_t stride) {
    Accumulator(exec, stars, table)(window, scale, out, stride);
}

}  // namespace tessera
