// Stars whose memory is numpy's, or a snapshot reader's.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <vector>

#include "tessera/model/particles.hpp"

namespace tessera::python {

struct StarArrays {
    Stars stars;
    std::vector<std::shared_ptr<const void>> keep;  // the arrays that the columns are borrowed from

    // Arrays may have changed since they were checked. ValueError names argument and row of what no calculation takes.
    void check() const;
};

void bindStars(nanobind::module_&);

}  // namespace tessera::python
