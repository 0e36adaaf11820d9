// A plan for people, and for programs: the same numbers.
#pragma once

#include <span>
#include <string>

#include "forecast.hpp"
#include "run_plan.hpp"

namespace tessera {

std::string planText(const RunPlan&, std::span<const Forecast>);
// One object; "plans" has one for every number of ranks. Bytes and seconds.
std::string planJson(const RunPlan&, std::span<const Forecast>);

}  // namespace tessera
