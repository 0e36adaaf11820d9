// Values of `tessera run`'s options that need reading.
#pragma once

#include <string>

namespace tessera::cli {

struct ShardChoice {
    unsigned shard = 0, shards = 1;
};

// "I/N", or "auto": this task's place in a Slurm job array, whose tasks must be evenly spaced, as in --array=0-9 or
// --array=1-19:2. ConfigError says what is allowed.
ShardChoice parseShard(const std::string& text);

// "HH:MM", "HH:MM:SS", with "D-" before for days, or a number and a unit: "90s", "30m", "1.5h". In seconds, more than 0.
double parseDuration(const std::string& text);

}  // namespace tessera::cli
