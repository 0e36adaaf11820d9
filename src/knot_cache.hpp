// Tables of knots between their uses, for observers and linearisations of one library that come and go: a fit makes one
// for every set of parameters, and most parameters do not concern the table.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <utility>

#include "view_plan.hpp"

namespace tessera {

// A table, and once they were asked for the templates' lights in the band, for maps.
struct Knots {
    KnotTable table;
    BandLightTable light;  // of size 0: not yet
};

// Not for several threads at once.
class KnotCache {
public:
    // All that decides about a table of the library.
    struct Key {
        double redshift;
        WavelengthGrid window;  // with the LSF's wings
        TableKey range;
        std::string medium;
        double accuracy;
        bool rubix, derivative;  // derivative: with its narrower bins of shifts
        bool operator==(const Key&) const = default;
    };
    static Key keyOf(const Config&, const ViewPlan&, const TableKey&, bool derivative);

    // Who takes a table is its owner, and gives it back.
    std::optional<Knots> take(const Key&);
    // Those that were not asked for longest go. Tables with coefficients depend on more than the key: they are not kept.
    void give(const Key&, Knots&&);

private:
    std::list<std::pair<Key, Knots>> kept_;  // the last given first
};

}  // namespace tessera
