#include <fmt/format.h>

#include <algorithm>

#include "mock/files.hpp"
#include "tessera/core/error.hpp"
#include "tessera/core/version.hpp"

namespace tessera::mock {

namespace {

// Even shares for the files that take part.
template <class TakesPart>
Boundaries spread(std::uint64_t total, int chunks, TakesPart takesPart) {
    std::uint64_t parts = 0, part = 0;
    for (int c = 0; c < chunks; ++c) parts += takesPart(c);
    Boundaries first{0};
    for (int c = 0; c < chunks; ++c) {
        part += takesPart(c);
        first.push_back(total / parts * part + total % parts * part / parts);
    }
    return first;
}

void describe(const h5::Dataset& d, const FieldUnits& u) {
    d.setAttribute("a_scaling", u.a);
    d.setAttribute("h_scaling", u.h);
    d.setAttribute("length_scaling", u.length);
    d.setAttribute("mass_scaling", u.mass);
    d.setAttribute("velocity_scaling", u.velocity);
    d.setAttribute("to_cgs", u.toCgs);
}

void writeHeader(const h5::File& file, const Layout& layout, const Epoch& epoch, int chunk) {
    const h5::Group header = file.root().createGroup("Header");
    writeEpoch(header, epoch);
    std::vector<std::int32_t> here(typeCount);
    std::vector<std::uint32_t> total(typeCount), high(typeCount);
    for (std::size_t t = 0; t < typeCount; ++t) {
        const Boundaries& b = layout.rows[t];
        here[t] = narrow<std::int32_t>(b[std::size_t(chunk) + 1] - b[std::size_t(chunk)]);
        total[t] = static_cast<std::uint32_t>(b.back());
        high[t] = static_cast<std::uint32_t>(b.back() >> 32);
    }
    header.setAttributeArray("NumPart_ThisFile", here);
    header.setAttributeArray("NumPart_Total", total);
    header.setAttributeArray("NumPart_Total_HighWord", high);
    header.setAttributeArray("MassTable", std::vector<double>(typeCount, 0.0));
    header.setAttribute("NumFilesPerSnapshot", std::int32_t(layout.chunks));
    header.setAttribute("UnitLength_in_cm", 3.085678e21);
    header.setAttribute("UnitMass_in_g", 1.989e43);
    header.setAttribute("UnitVelocity_in_cm_per_s", 1e5);
    for (const char* on : {"Flag_Cooling", "Flag_Feedback", "Flag_Sfr"}) header.setAttribute(on, std::int32_t(1));
    for (const char* off : {"Flag_DoublePrecision", "Flag_Metals", "Flag_StellarAge", "Composition_vector_length"})
        header.setAttribute(off, std::int32_t(0));
    header.setAttribute("Git_commit", commit());
    header.setAttribute("Git_date", "unknown");
    header.setAttribute("SimulationName", "tessera-mock");
}

// All rows of one type in one file, block by block.
void writeType(const h5::File& file, const Layout& layout, const Census& census, const std::vector<Segment>& segments,
               int chunk, Block& block, std::size_t blockRows, Accumulator& sums) {
    const Boundaries& b = layout.rows[std::size_t(block.type)];
    const std::uint64_t first = b[std::size_t(chunk)], end = b[std::size_t(chunk) + 1];
    if (first == end) return;  // as in TNG: no group
    const h5::Group group = file.root().createGroup(fmt::format("PartType{}", int(block.type)));
    const auto create = [&]<class T>(const Column<T>& c) {
        std::vector<hsize_t> shape{end - first};
        if (c.width > 1) shape.push_back(c.width);
        h5::Dataset d = group.createDataset<T>(c.name, shape);
        describe(d, c.units);
        return d;
    };
    const h5::Dataset coordinates = create(block.coordinates), ids = create(block.ids);
    std::vector<h5::Dataset> fields;
    std::vector<const Column<float>*> columns;
    for (const auto& column : block.fields)
        if (!column.values.empty()) {
            fields.push_back(create(column));
            columns.push_back(&column);
        }
    for (std::uint64_t row = first; row < end; row += blockRows) {
        const std::size_t rows = std::min<std::uint64_t>(blockRows, end - row);
        fillBlock(block, census, segments, row, rows);
        sums.add(block);
        coordinates.writeRows(row - first, rows, block.coordinates.values.data());
        ids.writeRows(row - first, rows, block.ids.values.data());
        for (std::size_t f = 0; f < fields.size(); ++f)
            fields[f].writeRows(row - first, rows, columns[f]->values.data());
    }
}

}  // namespace

std::string Layout::snapshotFile(int number, int chunk) const {
    return fmt::format("{0}/output/snapdir_{1:03d}/snap_{1:03d}.{2}.hdf5", directory, number, chunk);
}
std::string Layout::catalogueFile(int number, int chunk) const {
    return fmt::format("{0}/output/groups_{1:03d}/fof_subhalo_tab_{1:03d}.{2}.hdf5", directory, number, chunk);
}
std::string Layout::offsetsFile(int number) const {
    return fmt::format("{0}/postprocessing/offsets/offsets_{1:03d}.hdf5", directory, number);
}

Layout layoutOf(const std::string& directory, const Census& census, int chunks) {
    const auto all = [](int) { return true; };
    Layout l;
    l.directory = directory;
    l.chunks = chunks;
    for (std::size_t t = 0; t < typeCount; ++t) {
        const auto segments =
            t == gasType || t == starType ? census.segments(static_cast<Type>(t)) : std::vector<Segment>{};
        const std::uint64_t total = segments.empty() ? 0 : segments.back().first + segments.back().count;
        l.rows[t] = t == gasType ? spread(total, chunks, [chunks](int c) { return chunks < 3 || c != 1; })
                                 : spread(total, chunks, all);
    }
    const auto butThird = [chunks](int c) { return chunks < 4 || c != 2; };
    l.groups = spread(census.groups.size(), chunks, butThird);
    l.subhalos = spread(census.galaxies.size(), chunks, butThird);
    return l;
}

void writeEpoch(const h5::Group& header, const Epoch& epoch) {
    header.setAttribute("Time", epoch.scaleFactor);
    header.setAttribute("Redshift", epoch.redshift);
    header.setAttribute("BoxSize", boxSize);
    header.setAttribute("HubbleParam", epoch.cosmology.h);
    header.setAttribute("Omega0", epoch.cosmology.omegaM);
    header.setAttribute("OmegaLambda", epoch.cosmology.omegaDe);
    header.setAttribute("OmegaBaryon", 0.0486);
}

ParticleSums writeSnapshot(const Layout& layout, const Census& census, std::size_t blockRows) {
    const auto gasSegments = census.segments(gasType), starSegments = census.segments(starType);
    Accumulator gas(census, gasSegments), stars(census, starSegments);
    const auto capacity = [&](Type t) {
        std::uint64_t most = 0;
        const Boundaries& b = layout.rows[t];
        for (std::size_t c = 1; c < b.size(); ++c) most = std::max(most, b[c] - b[c - 1]);
        return std::size_t(std::min<std::uint64_t>(most, blockRows));
    };
    Block gasBlock = makeBlock(gasType, capacity(gasType), census.epoch.full);
    Block starBlock = makeBlock(starType, capacity(starType), census.epoch.full);
    for (int chunk = 0; chunk < layout.chunks; ++chunk) {
        h5::File file = h5::File::create(layout.snapshotFile(census.epoch.number, chunk));
        writeHeader(file, layout, census.epoch, chunk);
        writeType(file, layout, census, gasSegments, chunk, gasBlock, blockRows, gas);
        writeType(file, layout, census, starSegments, chunk, starBlock, blockRows, stars);
        file.close();
    }
    return {gas.finish(), stars.finish()};
}

}  // namespace tessera::mock
