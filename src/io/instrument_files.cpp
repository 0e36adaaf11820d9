#include "tessera/io/instrument_files.hpp"

#include <fitsio.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <sstream>

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

struct CloseFits {
    void operator()(fitsfile* f) const {
        int status = 0;
        fits_close_file(f, &status);
    }
};

void check(int status, const std::string& path) {
    if (status == 0) return;
    char text[FLEN_STATUS];
    fits_get_errstatus(status, text);
    throw Error(path + ": cannot read the PSF image: " + text);
}

}  // namespace

Image readPsfImage(const std::string& path) {
    int status = 0, dimensions = 0;
    fitsfile* raw = nullptr;
    fits_open_image(&raw, path.c_str(), READONLY, &status);
    check(status, path);
    const std::unique_ptr<fitsfile, CloseFits> file(raw);
    long size[2] = {0, 0};
    fits_get_img_dim(raw, &dimensions, &status);
    check(status, path);
    if (dimensions != 2) throw Error(path + ": a PSF image has 2 axes; this one has " + std::to_string(dimensions));
    fits_get_img_size(raw, 2, size, &status);
    check(status, path);
    if (size[0] != size[1] || size[0] % 2 == 0 || size[0] > 4095)
        throw Error(path +
                    ": a PSF image must be square with an odd number of pixels (at most 4095), one pixel a spaxel; "
                    "this one is " +
                    std::to_string(size[0]) + " x " + std::to_string(size[1]));
    Image image{std::size_t(size[0]), std::size_t(size[1]), {}};
    image.data.resize(image.nx * image.ny);
    int anyNull = 0;
    fits_read_img(raw, TDOUBLE, 1, LONGLONG(image.data.size()), nullptr, image.data.data(), &anyNull, &status);
    check(status, path);
    double sum = 0;
    for (const double v : image.data) {
        if (!(v >= 0) || !std::isfinite(v)) throw Error(path + ": a PSF image must hold finite values >= 0");
        sum += v;
    }
    if (!(sum > 0)) throw Error(path + ": the PSF image is zero everywhere");
    return image;
}

LineWidthTable readLineWidths(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw Error(path + ": cannot read the table of line widths (lsf.table)");
    LineWidthTable t;
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        line = line.substr(0, line.find('#'));
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        std::istringstream words(line);
        double wavelength = 0, fwhm = 0;
        if (!(words >> wavelength >> fwhm) || !(fwhm > 0) || !std::isfinite(wavelength) || !std::isfinite(fwhm) ||
            (!t.wavelength.empty() && wavelength <= t.wavelength.back()))
            throw Error(path + ", line " + std::to_string(number) +
                        ": expected wavelength (ascending) and FWHM > 0, both in Angstrom");
        t.wavelength.push_back(wavelength);
        t.fwhm.push_back(fwhm);
    }
    if (t.wavelength.empty()) throw Error(path + ": the table of line widths has no rows");
    return t;
}

}  // namespace tessera
