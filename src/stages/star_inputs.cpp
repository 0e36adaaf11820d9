#include "stages/star_inputs.hpp"

#include <cmath>

#include <span>

#include "stages/blocks.hpp"
#include "stages/spread.hpp"
#include "tessera/core/error.hpp"
#include "tessera/physics/doppler.hpp"

namespace tessera {

namespace {

// Of a table, with the slopes themselves.
class TableSlopes {
public:
    explicit TableSlopes(const KnotTable& t)
        : age_(ageSlopes(t.logAgeGyr)),
          z_(metallicitySlopes(t.zAxis, t.rubix)),
          slopes_{t.nAge, t.rubix, age_.at(age_.slope.data()), z_.at(z_.slope.data())} {}
    TableSlopes(const TableSlopes&) = delete;
    TableSlopes& operator=(const TableSlopes&) = delete;
    RecordSlope operator()(const StarRecord& r) const { return slopes_(r); }

private:
    AxisSlopeTable age_, z_;
    RecordSlopes slopes_;
};

double lineOfSightVelocity(const Stars& stars, const GalaxyFrame& f, std::size_t i) {
    return dot(f.rotation.row[2], stars.velocity[i].to<double>() - f.velocity);
}

Vec3d relativePosition(const Stars& stars, const GalaxyFrame& f, const Pieces& p, std::size_t i) {
    return nearestImage(stars.position[i] - f.centre, p.boxSize);
}

// The star's pieces once more, with their slopes.
std::span<const Piece> piecesOf(Spread& spread, const Stars& stars, const GalaxyFrame& f, const Pieces& p,
                                std::size_t i, const Vec3d& relative) {
    const Vec3d x = f.rotation * relative;
    const std::span<const Piece> pieces = spread.withSlopes(x.x, x.y, smoothingOf(p.config, stars, i));
    expects(pieces.size() == p.first[i + 1] - p.first[i], "the pieces that the star was cut into");
    return pieces;
}

}  // namespace

void piecesOfRecords(Host exec, const BinnedStars& b, const KnotTable& table, const StarRecordBar* bar,
                     const PieceBar* direct, PieceBar* out) {
    const TableSlopes slopes(table);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < b.stars.size(); ++k) {
        const RecordSlope s = slopes(b.stars[k]);
        const StarRecordBar r = bar[k];
        PieceBar sum = direct ? direct[k] : PieceBar{};
        if (!s.dark) {
            sum.mass += r.mass;
            sum.logAge += r.ageFraction * s.age;
            sum.metallicity += r.zFraction * s.z;
            sum.shift += r.shift;
        }
        out[b.stars[k].index()] = sum;
    }
}

Buffer<PieceBar> bySource(Host exec, const BinnedStars& b, const PieceBar* ofRecords, std::uint64_t sources) {
    Buffer<PieceBar> out(sources);
#pragma omp parallel num_threads(threadsOf(exec))
    {
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < sources; ++i) out[i] = {};
#pragma omp for schedule(static)
        for (std::size_t k = 0; k < b.stars.size(); ++k) out[b.stars[k].index()] = ofRecords[k];
    }
    return out;
}

ViewSums inputsOfPieces(Host exec, const Stars& stars, const GalaxyFrame& f, const Pieces& p, Doppler doppler,
                        const PieceBar* bar, const Gather& gather, StarsBar& out) {
    const std::size_t n = stars.size();
    const bool sph = p.config.footprint == FootprintKind::sph;
    out.mass = Buffer<float>(n);
    out.logAge = Buffer<float>(n);
    out.metallicity = Buffer<float>(n);
    out.velocity = Buffer<Vec3f>(n);
    if (!p.whole()) out.position = Buffer<Vec3f>(n);
    if (sph) out.smoothing = Buffer<float>(n);
    const auto ofStar = [&](Spread& spread, std::size_t i) {
        const double mass = stars.mass[i];
        StarSums s;
        Vec3d relative;
        if (p.whole()) {
            s.add(bar[i], 1);
        } else if (p.first[i + 1] > p.first[i]) {
            relative = relativePosition(stars, f, p, i);
            const std::span<const Piece> pieces = piecesOf(spread, stars, f, p, i, relative);
            for (std::size_t k = 0; k < pieces.size(); ++k)
                s.add(bar[p.first[i] + k], pieces[k].share, spread.slopes()[k], mass);
        }
        const StarOfView of =
            starOfView(s, mass, relative, stars.velocity[i].to<double>() - f.velocity, f.rotation, doppler);
        out.mass[i] = float(s.mass);
        out.logAge[i] = float(s.logAge);
        out.metallicity[i] = float(s.metallicity);
        out.velocity[i] = of.velocity.to<float>();
        if (!p.whole()) out.position[i] = of.position.to<float>();
        if (sph) out.smoothing[i] = float(s.smoothing);
        return of.sums;
    };
    const std::vector<std::size_t> starts = rowBlocks(stars);
    std::vector<ViewSums> partial(starts.size() - 1);
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Spread spread(p.config, p.grid);
#pragma omp for schedule(static)
        for (std::size_t b = 0; b < partial.size(); ++b)
            for (std::size_t i = starts[b]; i < starts[b + 1]; ++i) partial[b] += ofStar(spread, i);
    }
    return sumInOrder(partial, gather);
}

Buffer<PieceBar> piecesOfInputs(Host exec, const Stars& stars, const GalaxyFrame& f, const Pieces& p, Doppler doppler,
                                const StarsBar* tangent, const ViewDot& view) {
    const bool moves = tangent && !tangent->position.empty(), grows = tangent && !tangent->smoothing.empty();
    Buffer<PieceBar> out(p.number);
#pragma omp parallel num_threads(threadsOf(exec))
    {
        Spread spread(p.config, p.grid);
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < stars.size(); ++i) {
            const Vec3d v = stars.velocity[i].to<double>() - f.velocity;
            double velocity = dot(view.rotation.row[2], v) - dot(f.rotation.row[2], view.systemicVelocity);
            PieceBar star{};
            if (tangent) {
                velocity += dot(f.rotation.row[2], tangent->velocity[i].to<double>());
                star = {tangent->mass[i], tangent->logAge[i], tangent->metallicity[i], 0, 0};
            }
            star.velocity = float(velocity);
            double slope = 0;
            dopplerShiftAdjoint(lineOfSightVelocity(stars, f, i), slope, 1.0, doppler);
            star.shift = float(slope * velocity + view.shift);
            if (p.whole()) {
                out[i] = star;
                continue;
            }
            if (p.first[i + 1] == p.first[i]) continue;
            const Vec3d relative = relativePosition(stars, f, p, i);
            Vec3d moved = view.centre * -1.0;
            if (moves) moved += tangent->position[i].to<double>();
            const double x = dot(f.rotation.row[0], moved) + dot(view.rotation.row[0], relative),
                         y = dot(f.rotation.row[1], moved) + dot(view.rotation.row[1], relative),
                         h = view.smoothing + (grows ? double(tangent->smoothing[i]) : 0);
            const std::span<const Piece> pieces = piecesOf(spread, stars, f, p, i, relative);
            for (std::size_t k = 0; k < pieces.size(); ++k) {
                const PieceSlope& s = spread.slopes()[k];
                PieceBar& to = out[p.first[i] + k] = star;
                to.mass = float(pieces[k].share * double(star.mass) +
                                double(stars.mass[i]) * (s.x * x + s.y * y + s.smoothing * h + s.spaxel * view.spaxel));
            }
        }
    }
    return out;
}

void recordsOfPieces(Host exec, const BinnedStars& b, const KnotTable& table, const PieceBar* pieces,
                     StarRecordBar* dot) {
    const TableSlopes slopes(table);
#pragma omp parallel for num_threads(threadsOf(exec)) schedule(static)
    for (std::size_t k = 0; k < b.stars.size(); ++k) {
        const RecordSlope s = slopes(b.stars[k]);
        const PieceBar& p = pieces[k];
        dot[k] = s.dark ? StarRecordBar{} : StarRecordBar{p.mass, p.logAge * s.age, p.metallicity * s.z, p.shift};
    }
}

}  // namespace tessera
