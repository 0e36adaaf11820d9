// One function a format, and the choice among them.
#pragma once

#include <memory>
#include <string>

#include "tessera/io/snapshot.hpp"

namespace tessera::snapshots {

std::unique_ptr<Snapshot> openTng(const std::string& base, int number);
std::unique_ptr<Snapshot> openCutout(const std::string& path);
std::unique_ptr<Snapshot> openRubix(const std::string& path);

}  // namespace tessera::snapshots
