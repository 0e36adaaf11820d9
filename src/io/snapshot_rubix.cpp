// Format rubix: rubix_galaxy.h5, one galaxy whose units and ages are final.
//
//   /galaxy/{redshift, center [kpc], halfmassrad_stars [kpc]}
//   /particles/stars/{coords [kpc], velocity [km/s], mass [Msun, formed], age [Gyr], metallicity}
//   /particles/gas/{coords, velocity, mass, density [Msun/kpc^3], internal_energy [erg/g], electron_abundance,
//                   sfr [Msun/yr], metallicity, metals}
// Each dataset's attribute "unit" is checked.
#include <fmt/format.h>

#include "io/snapshot_column.hpp"
#include "io/snapshot_formats.hpp"
#include "tessera/core/error.hpp"

namespace tessera::snapshots {

namespace {

constexpr const char* starsPath = "particles/stars";
constexpr const char* gasPath = "particles/gas";
constexpr Limits anyPosition{-1e9, 1e9}, ageRange{-1e-3, 1e3};

// Unit texts, without blanks, and their factor to the unit Tessera works in; the first is RUBIX's own.
using UnitTable = std::vector<std::pair<std::string, double>>;
const UnitTable kpc{{"kpc", 1}, {"Mpc", 1e3}}, kmS{{"km/s", 1}, {"kms-1", 1}}, msun{{"Msun", 1}, {"solMass", 1}};
const UnitTable gyr{{"Gyr", 1}, {"Myr", 1e-3}, {"yr", 1e-9}}, none{{"", 1}};
const UnitTable density{{"Msun/kpc^3", 1}, {"Msun/kpc3", 1}, {"solMass/kpc3", 1}};
const UnitTable energy{{"erg/g", 1e-10}, {"km^2/s^2", 1}, {"km2/s2", 1}}, rate{{"Msun/yr", 1}, {"solMass/yr", 1}};

double unitFactor(const h5::Dataset& d, const UnitTable& table) {
    std::string unit = d.attributeString("unit").value_or(table.front().first);
    std::erase(unit, ' ');
    for (const auto& [name, factor] : table)
        if (unit == name) return factor;
    throw Error(fmt::format("{}: has unit \"{}\", expected \"{}\"", d.where(), unit, table.front().first));
}

Column column(const h5::Group& g, const std::string& name, std::size_t width, std::uint64_t rows, const UnitTable& unit,
              Limits limits) {
    return Column(g, name, width, rows, limits).scaledBy(unitFactor(g.dataset(name), unit));
}

// One number, stored as a scalar or as one element.
double single(const h5::Group& g, const std::string& name, const UnitTable& unit, double low, double high) {
    const auto d = g.dataset(name);
    const auto values = d.readAll<double>();
    if (values.size() != 1)
        throw Error(fmt::format("{}: has {} values where one is expected", d.where(), values.size()));
    const double v = values[0] * unitFactor(d, unit);
    if (!(v >= low && v <= high))
        throw Error(fmt::format("{}: is {:g}, allowed: {:g} to {:g}", d.where(), v, low, high));
    return v;
}

class RubixSnapshot : public Snapshot {
public:
    explicit RubixSnapshot(const std::string& path) {
        info_.path = path;
        info_.format = "rubix";
        info_.numSubhalos = 1;
        const auto root = h5::File::openRead(path).root();
        const auto galaxy = root.group("galaxy");
        info_.redshift = single(galaxy, "redshift", none, -0.999, 1e6);
        info_.scaleFactor = 1 / (1 + info_.redshift);
        double centre[3];
        column(galaxy, "center", 1, 3, kpc, anyPosition).read(0, 3, centre);
        galaxy_.position = Vec3d{centre[0], centre[1], centre[2]};
        if (galaxy.has("halfmassrad_stars")) galaxy_.halfMassRadius = single(galaxy, "halfmassrad_stars", kpc, 0, 1e9);
        if (root.has(starsPath)) info_.numStars = rowsOf(root.group(starsPath), "coords");
        if (root.has(gasPath)) info_.numGas = rowsOf(root.group(gasPath), "coords");
        galaxy_.stars = {0, info_.numStars};
        galaxy_.gas = {0, info_.numGas};
        if (info_.numStars > 0) {
            const auto g = root.group(starsPath);
            const auto n = info_.numStars;
            info_.starBytes += column(g, "coords", 3, n, kpc, {}).rowBytes();
            info_.starBytes += column(g, "velocity", 3, n, kmS, {}).rowBytes();
            info_.starBytes += column(g, "mass", 1, n, msun, {}).rowBytes();
            info_.starBytes += column(g, "age", 1, n, gyr, {}).rowBytes();
            info_.starBytes += column(g, "metallicity", 1, n, none, {}).rowBytes();
        }
    }

    const SnapshotInfo& info() const override { return info_; }
    std::vector<std::int64_t> subhalos() const override { return {0}; }
    Subhalo subhalo(std::int64_t id) const override {
        if (id != 0) throw Error(fmt::format("{}: holds galaxy 0, not {}", info_.path, id));
        return galaxy_;
    }

    Stars readStars(ParticleRange r) const override {
        check(r, info_.numStars, "stars");
        if (r.count == 0) return {};
        const auto g = h5::File::openRead(info_.path).root().group(starsPath);
        const auto n = info_.numStars;
        Stars s(r.count);
        column(g, "coords", 3, n, kpc, anyPosition).read(r.first, r.count, &s.position.data()->x);
        column(g, "velocity", 3, n, kmS, speed).read(r.first, r.count, &s.velocity.data()->x);
        column(g, "mass", 1, n, msun, nonNegative).read(r.first, r.count, s.mass.data());
        column(g, "age", 1, n, gyr, ageRange).read(r.first, r.count, s.age.data());
        column(g, "metallicity", 1, n, none, fraction).read(r.first, r.count, s.metallicity.data());
        for (float& age : s.age) age = std::max(age, 0.0f);  // rounding of a star formed at the snapshot
        return s;
    }

    Gas readGas(ParticleRange r) const override {
        check(r, info_.numGas, "gas cells");
        Gas gas;
        if (r.count == 0) return gas;
        const auto g = h5::File::openRead(info_.path).root().group(gasPath);
        const auto n = info_.numGas;
        gas.position = Buffer<Vec3d>(r.count);
        column(g, "coords", 3, n, kpc, anyPosition).read(r.first, r.count, &gas.position.data()->x);
        gas.mass = Buffer<float>(r.count);
        column(g, "mass", 1, n, msun, nonNegative).read(r.first, r.count, gas.mass.data());
        if (g.has("velocity")) {
            gas.velocity = Buffer<Vec3f>(r.count);
            column(g, "velocity", 3, n, kmS, speed).read(r.first, r.count, &gas.velocity.data()->x);
        }
        const auto optional = [&](const char* name, const UnitTable& unit, Limits limits, Buffer<float>& out) {
            if (!g.has(name)) return;
            out = Buffer<float>(r.count);
            column(g, name, 1, n, unit, limits).read(r.first, r.count, out.data());
        };
        optional("density", density, nonNegative, gas.density);
        optional("internal_energy", energy, nonNegative, gas.internalEnergy);
        optional("electron_abundance", none, nonNegative, gas.electronAbundance);
        optional("sfr", rate, nonNegative, gas.starFormationRate);
        optional("metallicity", none, fraction, gas.metallicity);
        if (g.has("metals")) {
            const Column metals = column(g, "metals", 10, n, none, fraction);
            gas.hydrogen = Buffer<float>(r.count);
            gas.oxygen = Buffer<float>(r.count);
            metals.readComponent(0, r.first, r.count, gas.hydrogen.data());
            metals.readComponent(4, r.first, r.count, gas.oxygen.data());
        }
        return gas;
    }

private:
    void check(ParticleRange r, std::uint64_t total, const char* what) const {
        if (r.first > total || r.count > total - r.first)
            throw Error(fmt::format("{}: {} from row {} on asked for; the file has {} {}", info_.path, r.count, r.first,
                                    total, what));
    }

    SnapshotInfo info_;
    Subhalo galaxy_;
};

}  // namespace

std::unique_ptr<Snapshot> openRubix(const std::string& path) {
    return std::make_unique<RubixSnapshot>(path);
}

}  // namespace tessera::snapshots
