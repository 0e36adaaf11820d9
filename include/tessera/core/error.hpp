// Errors carry what was wrong, where in the input (in the text) and where in the code (file, line).
// main() alone turns them into a message and an exit code.
#pragma once

#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace tessera {

// Where in the code: std::source_location's part that is used here; clang 14 cannot compile that one.
class SourceLocation {
public:
    static constexpr SourceLocation current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
        return {file, line};
    }
    constexpr const char* file_name() const noexcept { return file_; }
    constexpr unsigned line() const noexcept { return line_; }

private:
    constexpr SourceLocation(const char* file, unsigned line) : file_(file), line_(line) {}
    const char* file_;
    unsigned line_;
};

// Exit codes of the command line (docs/interface: 0 ok, 1 failed, 2 usage or config, 75 stopped early but resumable).
enum class ExitCode : int { ok = 0, failed = 1, usage = 2, resumable = 75 };

class Error : public std::runtime_error {
public:
    explicit Error(const std::string& what, SourceLocation where = SourceLocation::current())
        : std::runtime_error(what), where_(where) {}
    const SourceLocation& where() const noexcept { return where_; }
    virtual ExitCode exitCode() const noexcept { return ExitCode::failed; }

private:
    SourceLocation where_;
};

// A wrong command line or configuration: found before any particle is read; exit code 2.
class ConfigError : public Error {
public:
    // Not inherited: nvcc 13.0 breaks on inherited default arguments.
    explicit ConfigError(const std::string& what, SourceLocation where = SourceLocation::current())
        : Error(what, where) {}
    ExitCode exitCode() const noexcept override { return ExitCode::usage; }
};

// Something was asked for that this build was made without.
class NotCompiled : public ConfigError {
public:
    explicit NotCompiled(const std::string& what, SourceLocation where = SourceLocation::current())
        : ConfigError(what, where) {}
};

// Checks a promise of the caller in Release builds too.
inline void expects(bool holds, const char* promise, SourceLocation where = SourceLocation::current()) {
    if (!holds) throw Error(std::string("internal error: expected ") + promise, where);
}

// Converts between integer types and throws where the value does not survive (habit 17).
template <class To, class From>
To narrow(From value, SourceLocation where = SourceLocation::current()) {
    static_assert(std::is_integral_v<To> && std::is_integral_v<From>);
    if (!std::in_range<To>(value))
        throw Error("value " + std::to_string(value) + " does not fit the type an interface asks for", where);
    return static_cast<To>(value);
}

}  // namespace tessera
