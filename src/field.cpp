#include "field.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/geometry.hpp>
#include <boost/geometry/geometries/box.hpp>
#include <boost/geometry/geometries/point.hpp>
#include <boost/geometry/index/rtree.hpp>
#include <cmath>
#include <map>
#include <utility>

#include "tessera/core/error.hpp"
#include "tessera/physics/orient.hpp"
#include "tessera/stages.hpp"
#include "view_plan.hpp"

namespace tessera {

namespace {

namespace geometry = boost::geometry;
using Point = geometry::model::point<double, 3, geometry::cs::cartesian>;
using Box = geometry::model::box<Point>;
using Tree = geometry::index::rtree<std::pair<Box, std::size_t>, geometry::index::rstar<16>>;

// Boxes of this rank's blocks: about as many rows as the other ranks'.
std::vector<BlockBox> boxesOf(const Snapshot& snapshot, const std::vector<std::uint64_t>& cuts, const Comm& comm) {
    constexpr std::uint64_t atOnce = std::uint64_t(1) << 19;  // rows
    const auto blockAt = [&](int rank) {
        const double row = double(cuts.back()) * rank / comm.size();
        return std::size_t(std::lower_bound(cuts.begin(), cuts.end(), std::uint64_t(row)) - cuts.begin());
    };
    const std::size_t end = comm.rank() + 1 == comm.size() ? cuts.size() - 1 : blockAt(comm.rank() + 1);
    std::vector<BlockBox> boxes;
    for (std::size_t b = blockAt(comm.rank()); b < end;) {
        std::size_t last = b + 1;
        while (last < end && cuts[last + 1] - cuts[b] <= atOnce) ++last;
        const Buffer<Vec3d> positions = snapshot.readStarPositions({cuts[b], cuts[last] - cuts[b]});
        const std::uint64_t from = cuts[b];
        for (; b < last; ++b) {
            BlockBox& box = boxes.emplace_back(
                boxAround(positions.view().subspan(cuts[b] - from, cuts[b + 1] - cuts[b]), snapshot.info().boxSize));
            box.first = cuts[b];
        }
    }
    return boxes;
}

// [kpc] from a galaxy's centre to the farthest corner of its field, the stars that the PSF lets shine in and half of the
// depth included, whatever its orientation.
double reachOf(const Setup& setup, double redshift, double depth) {
    const Config& c = setup.config;
    double pad = 0;
    if (c.psf) {
        const Image* image = setup.tables->psfImage ? &*setup.tables->psfImage : nullptr;
        pad = double(makePsf(*c.psf, image, c.telescope.wavelengths(), c.telescope.spaxel).radius);
    }
    const SpaxelGrid grid = fieldGrid(c, kpcPerArcsecOf(c, setup.cosmology, redshift));
    const double half = (0.5 * double(grid.n) + pad) * grid.spaxelKpc;
    return std::sqrt(2 * half * half + 0.25 * depth * depth) * (1 + 1e-9);
}

// Searches the boxes; of a periodic box by its images.
class Blocks {
public:
    Blocks(std::vector<BlockBox> boxes, double boxSize) : boxes_(std::move(boxes)), boxSize_(boxSize) {
        std::vector<std::pair<Box, std::size_t>> items;
        for (std::size_t i = 0; i < boxes_.size(); ++i)
            items.emplace_back(Box(pointOf(boxes_[i].low), pointOf(boxes_[i].high)), i);
        tree_ = Tree(items);
    }

    // Rows of blocks within the distance of the centre, but for those of `own`, as ranges in ascending order. Gaps of less
    // than a block are read over.
    std::vector<ParticleRange> near(Vec3d centre, double reach, const ParticleRange& own) const {
        if (boxSize_ > 0)
            for (int k = 0; k < 3; ++k) centre[k] -= boxSize_ * std::floor(centre[k] / boxSize_);
        std::vector<std::size_t> found;
        const int images = boxSize_ > 0 ? 1 : 0;
        for (int x = -images; x <= images; ++x)
            for (int y = -images; y <= images; ++y)
                for (int z = -images; z <= images; ++z) {
                    const Vec3d c = centre + Vec3d{x * boxSize_, y * boxSize_, z * boxSize_}, r{reach, reach, reach};
                    for (auto at = tree_.qbegin(geometry::index::intersects(Box(pointOf(c - r), pointOf(c + r))));
                         at != tree_.qend(); ++at)
                        found.push_back(at->second);
                }
        std::sort(found.begin(), found.end());
        found.erase(std::unique(found.begin(), found.end()), found.end());
        std::vector<ParticleRange> ranges;
        for (const std::size_t i : found) {
            const BlockBox& b = boxes_[i];
            const bool isOwn = b.first >= own.first && b.first < own.first + own.count;
            if (isOwn || distanceTo(b, centre, boxSize_) > reach) continue;
            const std::uint64_t end = ranges.empty() ? 0 : ranges.back().first + ranges.back().count;
            const bool across = own.first >= end && own.first < b.first;  // own rows lie between
            if (!ranges.empty() && b.first - end < blockRows && !across)
                ranges.back().count = b.first + b.count - ranges.back().first;
            else
                ranges.push_back({b.first, b.count});
        }
        return ranges;
    }

private:
    static Point pointOf(const Vec3d& x) { return {x.x, x.y, x.z}; }
    std::vector<BlockBox> boxes_;
    double boxSize_;
    Tree tree_;
};

Vec3d centreOf(const RunPlan& plan, const Subhalo& s) {
    const SnapshotInfo& info = plan.snapshot->info();
    if (plan.config.galaxies.centre) return *plan.config.galaxies.centre * info.lengthUnit;
    if (!s.position)
        throw Error(
            fmt::format("{}: the catalogue gives no position of subhalo {} (SubhaloPos), which "
                        "galaxies.particles \"field\" needs",
                        info.path, s.id));
    return *s.position;
}

}  // namespace

BlockBox boxAround(std::span<const Vec3d> positions, double boxSize) {
    BlockBox box;
    box.count = positions.size();
    if (positions.empty()) return box;
    const Vec3d first = positions.front();
    Vec3d low, high;  // relative to the first
    for (const Vec3d& x : positions) {
        const Vec3d d = nearestImage(x - first, boxSize);
        for (int k = 0; k < 3; ++k) {
            low[k] = std::min(low[k], d[k]);
            high[k] = std::max(high[k], d[k]);
        }
    }
    for (int k = 0; k < 3; ++k) {
        box.low[k] = first[k] + low[k];
        if (boxSize > 0) box.low[k] -= boxSize * std::floor(box.low[k] / boxSize);
        box.high[k] = box.low[k] + (high[k] - low[k]);
    }
    return box;
}

double distanceTo(const BlockBox& box, const Vec3d& point, double boxSize) {
    double sum = 0;
    for (int k = 0; k < 3; ++k) {
        const double half = 0.5 * (box.high[k] - box.low[k]);
        const double gap = std::fabs(nearestImage(point[k] - (box.low[k] + half), boxSize)) - half;
        if (gap > 0) sum += gap * gap;
    }
    return std::sqrt(sum);
}

std::vector<std::uint64_t> cutIntoBlocks(std::uint64_t rows, std::span<const ParticleRange> ranges) {
    std::vector<std::uint64_t> cuts{rows};
    for (std::uint64_t row = 0; row < rows; row += blockRows) cuts.push_back(row);
    for (const ParticleRange& r : ranges) {
        if (r.count == 0) continue;
        cuts.push_back(r.first);
        cuts.push_back(r.first + r.count);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    return cuts;
}

void findNeighbours(RunPlan& plan, const Comm& comm) {
    if (plan.config.galaxies.particles != "field") return;
    const Snapshot& snapshot = *plan.snapshot;
    const double boxSize = snapshot.info().boxSize, depth = plan.config.galaxies.depth;
    std::vector<ParticleRange> ranges;
    for (const std::int64_t id : snapshot.subhalos()) ranges.push_back(snapshot.subhalo(id).stars);
    const std::vector<BlockBox> mine = boxesOf(snapshot, cutIntoBlocks(snapshot.info().numStars, ranges), comm);
    const Blocks blocks(comm.gatherAll(std::span<const BlockBox>(mine)), boxSize);

    std::vector<std::map<double, double>> reaches(plan.setups.size());  // of a setup, by redshift
    plan.neighbours.assign(plan.galaxies.size(), {});
    for (std::size_t g = 0; g < plan.galaxies.size(); ++g) {
        const Subhalo& s = plan.galaxies[g];
        if (plan.skipped.contains(s.id) || s.stars.count == 0) continue;
        double reach = 0;
        for (const Observation& o : plan.observationsOf(g)) {
            const double redshift = plan.setupOf(o).config.views.at(o.view).redshift;
            const auto [known, isNew] = reaches[o.setup].emplace(redshift, 0.0);
            if (isNew) known->second = reachOf(plan.setupOf(o), redshift, depth);
            reach = std::max(reach, known->second);
        }
        if (boxSize > 0 && 2 * reach > boxSize)
            throw ConfigError(
                fmt::format("galaxies.depth: {:g} kpc with the field of view of subhalo {} reach {:.4g} kpc from its "
                            "centre; allowed "
                            "for galaxies.particles \"field\": at most half of the periodic box of {:.4g} kpc",
                            depth, s.id, reach, boxSize));
        plan.neighbours[g] = blocks.near(centreOf(plan, s), reach, s.stars);
    }
}

}  // namespace tessera
