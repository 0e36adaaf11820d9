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

// Coefficients of one spaxel: rows of the templates that its stars have, ascending. Short gaps between these are filled with
// rows of zeros, so that the rows are a few ranges of templates.
struct CoefficientRows {
    struct Range {
        std::size_t first, count;  // templates
    };
    std::vector<Range> ranges;
    std::size_t stride = 0;    // paddedNodes()
    std::vector<float> value;  // [row][stride], the ranges' one after the other

    // Zeros for the templates that are marked; rowOf[template] of these becomes their row.
    void begin(const std::vector<unsigned char>& marked, std::size_t rowStride, std::vector<std::uint32_t>& rowOf);
};

// Sums stars' coefficients. Stars between the same four templates share a table [node][corner], so that a star adds to sixteen
// floats that stand side by side; these tables are folded into rows at the end. Buffers of one thread.
class CoefficientSum {
public:
    explicit CoefficientSum(const KnotTable&);
    // The rows are valid until the next call.
    const CoefficientRows& operator()(const StarRecord*, const DenseRange&);

private:
    struct Tables {
        std::uint32_t at, left;  // of the latest of a corner: its place, and how many stars it may still take
    };
    std::uint32_t newTable(std::uint32_t corner);

    const KnotTable& table_;
    std::size_t nodes_ = 0;
    std::vector<Tables> latest_;           // [template]
    std::vector<std::uint32_t> cornerOf_;  // [tables]
    std::vector<float> sums_;              // [tables][nodes_][4]
    std::vector<unsigned char> marked_;    // [template]
    std::vector<std::uint32_t> rowOf_;     // [template]
    CoefficientRows rows_;
};

// The dense spaxels of a galaxy.
class DenseCoefficients {
public:
    DenseCoefficients(Host, const BinnedStars&, const KnotTable&);

    struct Spaxel {
        std::size_t spaxel;
        DenseRange range;
    };
    const std::vector<Spaxel>& spaxels() const { return spaxels_; }
    bool isDense(std::size_t spaxel) const { return dense_[spaxel] != 0; }
    // Of one of them; sum: the thread's.
    const CoefficientRows& rows(std::size_t denseIndex, CoefficientSum& sum) const;

private:
    void sumGiant(Host, std::size_t denseIndex, std::size_t parts);

    const BinnedStars& stars_;
    const KnotTable& table_;
    std::vector<Spaxel> spaxels_;
    std::vector<unsigned char> dense_;
    std::vector<CoefficientRows> giants_;  // [dense index] of spaxels that all threads have summed; else empty
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
    template <class Real>
    void addShifts(Span<Real>&) const;
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
