// The two ways to sum a galaxy's spectra, behind Accumulator of stages.hpp.
#pragma once

#include <vector>

#include "simd/kernels.hpp"
#include "stages/row_sums.hpp"
#include "tessera/stages.hpp"

namespace tessera {

inline std::size_t paddedNodes(const DenseRange& r) {
    return (std::size_t(r.nodes) + 15) / 16 * 16;
}

std::vector<double> edgesOf(const WavelengthGrid&);
// Without stars, output and scratch.
simd::SpectrumArgs spectrumArgs(const KnotTable&, const KnotRange&, const WavelengthGrid& window,
                                const std::vector<double>& edges, double scale);

// A dense spaxel's coefficients [template][node], summed over its stars.
class DenseCoefficients {
public:
    DenseCoefficients(Host, const BinnedStars&, const KnotTable&);

    struct Spaxel {
        std::size_t spaxel;
        DenseRange range;
    };
    const std::vector<Spaxel>& spaxels() const { return spaxels_; }
    bool isDense(std::size_t spaxel) const { return dense_[spaxel] != 0; }
    // out[template * stride + node], zero before; 64-byte aligned, stride a multiple of 16.
    void add(std::size_t denseIndex, float* out, std::size_t stride) const;

private:
    void scatter(const DenseRange&, float* out, std::size_t stride) const;

    const BinnedStars& stars_;
    const KnotTable& table_;
    std::vector<Spaxel> spaxels_;
    std::vector<unsigned char> dense_;
    std::vector<Buffer<float>> giants_;  // [dense index] of spaxels that all threads have summed; else empty
};

class Accumulator::Way {
public:
    virtual ~Way() = default;
    virtual void sum(Host, const WavelengthGrid&, double scale, float* out, std::size_t stride) const = 0;
    virtual void sum(Host, const WavelengthGrid&, double scale, double* out, std::size_t stride) const = 0;
};

// Stars are summed at the library's wavelengths (knots), which are then placed on the pixels: for libraries that are
// coarser than the pixels.
class KnotWay : public Accumulator::Way {
public:
    KnotWay(Host, const BinnedStars&, const KnotTable&);
    void sum(Host exec, const WavelengthGrid& w, double scale, float* out, std::size_t stride) const override {
        sumTo(exec, w, scale, out, stride);
    }
    void sum(Host exec, const WavelengthGrid& w, double scale, double* out, std::size_t stride) const override {
        sumTo(exec, w, scale, out, stride);
    }

private:
    template <class Real>
    void sumTo(Host, const WavelengthGrid&, double scale, Real* out, std::size_t stride) const;

    const BinnedStars& stars_;
    const KnotTable& table_;
    DenseCoefficients dense_;
};

// Stars are summed at the pixels, from tables of the templates' pixel averages under one shift after the other: for
// libraries as fine as the pixels.
class PixelWay : public Accumulator::Way {
public:
    PixelWay(Host, const BinnedStars&, const KnotTable&);
    void sum(Host exec, const WavelengthGrid& w, double scale, float* out, std::size_t stride) const override {
        sumTo(exec, w, scale, out, stride);
    }
    void sum(Host exec, const WavelengthGrid& w, double scale, double* out, std::size_t stride) const override {
        sumTo(exec, w, scale, out, stride);
    }

private:
    template <class Real>
    class Span;

    template <class Real>
    void sumTo(Host, const WavelengthGrid&, double scale, Real* out, std::size_t stride) const;
    double centreOf(std::size_t bin) const { return double(table_.shiftMin) + (double(bin) + 0.5) * table_.shiftStep; }
    void sumRuns(Host, const BinnedStars&, const DenseCoefficients&);
    void sumNodes(Host, const DenseCoefficients&);

    const KnotTable& table_;
    std::size_t nSpaxels_;
    std::vector<RowStore> stores_;       // of the threads: what the sums point to
    std::vector<std::size_t> binStart_;  // [bins + 1] runs of each bin
    std::vector<simd::RowSum> runSums_;  // by bin, then by spaxel
    int firstNode_ = 0;
    std::vector<std::size_t> nodeStart_;  // [nodes + 1] sums of each node
    std::vector<simd::RowSum> nodeSums_;  // by node, then by spaxel
};

}  // namespace tessera
