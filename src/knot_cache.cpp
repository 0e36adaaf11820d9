#include "knot_cache.hpp"

#include <algorithm>

namespace tessera {

KnotCache::Key KnotCache::keyOf(const Config& c, const ViewPlan& v, const TableKey& range, bool derivative) {
    const Optics& o = v.plan.optics;
    return {v.report.redshift,
            o.grid().window(-std::ptrdiff_t(o.wings()), o.grid().size + 2 * o.wings()),
            range,
            c.telescope.medium,
            c.spectra.accuracy,
            c.compat == Compat::rubix,
            derivative};
}

std::optional<Knots> KnotCache::take(const Key& key) {
    const auto known = std::find_if(kept_.begin(), kept_.end(), [&](const auto& k) { return k.first == key; });
    if (known == kept_.end()) return {};
    Knots found = std::move(known->second);
    kept_.erase(known);
    return found;
}

void KnotCache::give(const Key& key, Knots&& knots) {
    constexpr std::size_t mostTables = 16, mostBytes = std::size_t(128) << 20;
    if (std::get<bool>(key.range) || knots.table.nodeStep > 0) return;
    kept_.emplace_front(key, std::move(knots));
    std::size_t bytes = 0, tables = 0;
    for (auto k = kept_.begin(); k != kept_.end();) {
        const KnotTable& t = k->second.table;
        bytes += (t.flux.size() + t.byKnot.size()) * sizeof(float);
        k = ++tables > 1 && (tables > mostTables || bytes > mostBytes) ? kept_.erase(k) : std::next(k);
    }
}

}  // namespace tessera
