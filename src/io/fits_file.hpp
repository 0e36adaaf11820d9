// A small RAII layer over CFITSIO for writing images: every failure throws Error with the file's name and CFITSIO's
// text.
#pragma once

#include <fitsio.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/temporary_file.hpp"

namespace tessera {

enum class FitsType : int { float32 = FLOAT_IMG, float64 = DOUBLE_IMG, int32 = LONG_IMG };

class FitsFile {
public:
    explicit FitsFile(const std::string& finalName);
    ~FitsFile();
    FitsFile(const FitsFile&) = delete;
    FitsFile& operator=(const FitsFile&) = delete;

    // A new HDU with its first keyword EXTNAME; axes fastest first, empty: header only.
    void image(FitsType type, const std::vector<std::size_t>& axes, const std::string& name);
    void key(const char* name, const std::string& value, const char* comment);
    void key(const char* name, double value, const char* comment);
    void key(const char* name, std::int64_t value, const char* comment);
    void comment(const std::string& text);
    void date();
    // Values from element first (0-based, fastest axis first) of the current image on.
    void write(std::size_t first, std::size_t count, const float* values);
    void write(std::size_t first, std::size_t count, const double* values);
    void write(std::size_t first, std::size_t count, const std::int32_t* values);
    void finish();  // closes, reports what closing failed at (full disk), renames

private:
    void check(const char* doing);
    TemporaryFile file_;
    fitsfile* fits_ = nullptr;
    int status_ = 0;
};

}  // namespace tessera
