#include "cli/run_values.hpp"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>
#include <regex>

#include "tessera/core/error.hpp"

namespace tessera::cli {

namespace {

unsigned parseCount(const std::string& text, const std::string& what) {
    bool digits = !text.empty() && text.size() < 10;
    for (unsigned char c : text) digits = digits && std::isdigit(c);
    if (!digits) throw ConfigError(fmt::format("run: {}: \"{}\" is not a whole number of 0 or more", what, text));
    return unsigned(std::stoul(text));
}

unsigned slurmNumber(const char* name) {
    if (const char* text = std::getenv(name)) return parseCount(text, name);
    if (const char* index = std::getenv("PBS_ARRAY_INDEX"))
        throw ConfigError(
            fmt::format("run: --shard auto: PBS does not say how many tasks its array has; allowed there: "
                        "--shard $PBS_ARRAY_INDEX/N (it is {} here)",
                        index));
    throw ConfigError(
        fmt::format("run: --shard auto: {} is not set; allowed: inside a Slurm job array (sbatch --array), else "
                    "--shard I/N",
                    name));
}

ShardChoice ofSlurmArray() {
    const unsigned task = slurmNumber("SLURM_ARRAY_TASK_ID"), first = slurmNumber("SLURM_ARRAY_TASK_MIN");
    const unsigned last = slurmNumber("SLURM_ARRAY_TASK_MAX"), count = slurmNumber("SLURM_ARRAY_TASK_COUNT");
    // A task that is submitted once more by itself would take itself for the whole.
    if (count < 2)
        throw ConfigError(
            fmt::format("run: --shard auto: the array has task {} alone, which does not tell of how many; "
                        "allowed: an array of 2 tasks or more, else --shard I/N",
                        task));
    const unsigned step = last > first ? (last - first) / (count - 1) : 0;
    if (step == 0 || first + step * (count - 1) != last || task < first || task > last || (task - first) % step != 0)
        throw ConfigError(
            fmt::format("run: --shard auto: {} tasks from {} to {} are not evenly spaced; allowed: an array "
                        "like --array=0-9 or --array=1-19:2, else --shard I/N",
                        count, first, last));
    return {(task - first) / step, count};
}

}  // namespace

ShardChoice parseShard(const std::string& text) {
    if (text == "auto") return ofSlurmArray();
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos)
        throw ConfigError(fmt::format("run: --shard \"{}\"; allowed: I/N with 0 <= I < N, or auto", text));
    const ShardChoice choice{parseCount(text.substr(0, slash), "--shard"),
                             parseCount(text.substr(slash + 1), "--shard")};
    if (choice.shard >= choice.shards)
        throw ConfigError(fmt::format("run: --shard {}: allowed: I/N with 0 <= I < N (counted from 0)", text));
    return choice;
}

double parseDuration(const std::string& text) {
    static const std::regex clock(R"((?:(\d{1,4})-)?(\d{1,5}):([0-5]\d)(?::([0-5]\d))?)"),
        number(R"((\d{1,9}(?:\.\d{1,9})?)([smhd]))");
    std::smatch part;
    double seconds = 0;
    if (std::regex_match(text, part, clock)) {
        const auto value = [&](std::size_t i) { return part[i].matched ? std::stod(part[i].str()) : 0.0; };
        seconds = 86400 * value(1) + 3600 * value(2) + 60 * value(3) + value(4);
    } else if (std::regex_match(text, part, number)) {
        const char unit = part[2].str()[0];
        seconds = std::stod(part[1].str()) * (unit == 's' ? 1 : unit == 'm' ? 60 : unit == 'h' ? 3600 : 86400);
    }
    if (!(seconds > 0))
        throw ConfigError(
            fmt::format("run: --max-time \"{}\"; allowed: HH:MM, HH:MM:SS or D-HH:MM:SS, or a number with s, "
                        "m, h or d, of more than 0",
                        text));
    return seconds;
}

}  // namespace tessera::cli
