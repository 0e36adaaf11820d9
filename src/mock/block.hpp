// A run of rows of one type, one array a dataset, as they go to disk: snapshot units, box coordinates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mock/census.hpp"

namespace tessera::mock {

// The attributes TNG gives each dataset: physical CGS value = stored * a^a * h^h * toCgs; the unit's powers of length,
// mass and velocity. toCgs 0: dimensionless.
struct FieldUnits {
    double a, h, length, mass, velocity, toCgs;
};

template <class T>
struct Column {
    std::string name;
    std::size_t width = 1;
    FieldUnits units{};
    std::vector<T> values;  // [rows][width]; empty: not in this snapshot

    T* row(std::size_t i) { return values.data() + i * width; }
    const T* row(std::size_t i) const { return values.data() + i * width; }
};

struct Block {
    Type type;
    std::uint64_t first = 0;  // row in the snapshot
    std::size_t rows = 0;
    Column<double> coordinates;
    Column<std::uint64_t> ids;
    std::vector<Column<float>> fields;  // in the order of the enumerations below
};

enum StarField {
    starVelocities,
    starMasses,
    starInitialMass,
    starMetallicity,
    starFormation,
    starMetals,
    starHsml,
    starSubfindHsml,
    starFields
};
enum GasField {
    gasVelocities,
    gasMasses,
    gasDensity,
    gasEnergy,
    gasElectrons,
    gasRate,
    gasMetallicity,
    gasMetals,
    gasSubfindHsml,
    gasFields
};

// Columns with names, units and room for `capacity` rows. A mini snapshot lacks GFM_Metals and SubfindHsml.
Block makeBlock(Type, std::size_t capacity, bool fullSnapshot);

// Draws rows [first, first + rows) of the type. Uses all OpenMP threads.
void fillBlock(Block&, const Census&, const std::vector<Segment>&, std::uint64_t first, std::size_t rows);

}  // namespace tessera::mock
