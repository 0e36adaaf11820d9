// The files read back through CFITSIO's C interface; what other readers make of them: test_fits_readers.py.
#include <fitsio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>
#include <vector>

#include "cube_samples.hpp"
#include "io/fits_parts.hpp"
#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/fits.hpp"

using namespace tessera;
using samples::filesIn;
using samples::makeCube;
using test::TemporaryDirectory;

namespace {

class Reader {
public:
    explicit Reader(const std::string& path) {
        fits_open_diskfile(&fits_, path.c_str(), READONLY, &status_);
        REQUIRE(status_ == 0);
    }
    ~Reader() { fits_close_file(fits_, &status_); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void move(const char* name) {
        INFO(name);
        fits_movnam_hdu(fits_, IMAGE_HDU, const_cast<char*>(name), 0, &status_);
        REQUIRE(status_ == 0);
    }
    int hdus() {
        int n = 0;
        fits_get_num_hdus(fits_, &n, &status_);
        return n;
    }
    bool has(const char* key) {
        char card[FLEN_CARD];
        int status = 0;
        fits_read_card(fits_, key, card, &status);
        fits_clear_errmsg();
        return status == 0;
    }
    double number(const char* key) {
        double value = -1e300;
        INFO(key);
        fits_read_key_dbl(fits_, key, &value, nullptr, &status_);
        REQUIRE(status_ == 0);
        return value;
    }
    std::string text(const char* key) {
        char value[FLEN_VALUE] = "";
        INFO(key);
        fits_read_key_str(fits_, key, value, nullptr, &status_);
        REQUIRE(status_ == 0);
        return value;
    }
    std::vector<long> axes() {
        int n = 0, type = 0;
        std::vector<long> lengths(9);
        fits_get_img_param(fits_, 9, &type, &n, lengths.data(), &status_);
        lengths.resize(n);
        return lengths;
    }
    std::vector<double> data() {
        long n = 1;
        for (const long length : axes()) n *= length;
        std::vector<double> values(n);
        int anyNull = 0;
        fits_read_img(fits_, TDOUBLE, 1, n, nullptr, values.data(), &anyNull, &status_);
        REQUIRE(status_ == 0);
        return values;
    }

private:
    fitsfile* fits_ = nullptr;
    int status_ = 0;
};

FitsOptions makeOptions(FitsFormat format) {
    FitsOptions options;
    options.format = format;
    options.telescope = "MUSE";
    options.version = "1.2.3";
    options.psfFwhmArcsec = 0.8;
    options.lsfFwhm = 2.5;
    return options;
}

}  // namespace

TEST_CASE("units in the words of the FITS standard") {
    CHECK(fitsUnit("1e-20 erg s-1 cm-2 Angstrom-1") == "10**-20 erg s-1 cm-2 Angstrom-1");
    CHECK(fitsUnit("10**-20 erg/s/cm^2/A") == "10**-20 erg s-1 cm-2 Angstrom-1");
    CHECK(fitsUnit("Lsun Angstrom-1") == "solLum Angstrom-1");
    CHECK(fitsUnit("Msun") == "solMass");
    CHECK(fitsUnit("km/s") == "km s-1");
    CHECK(fitsUnit("") == "");
    CHECK(fitsUnit("mass fraction") == "");
    CHECK(squaredUnit("10**-20 erg s-1 cm-2 Angstrom-1") == "10**-40 erg2 s-2 cm-4 Angstrom-2");
    CHECK(squaredUnit("solLum Angstrom-1") == "solLum2 Angstrom-2");
}

TEST_CASE("the cube is the primary HDU, wavelength planes of the spaxels' images") {
    const TemporaryDirectory scratch;
    const std::string path = scratch / "cube[1].fits";  // brackets are no extended syntax here
    const GalaxyCube cube = makeCube(5, 7, {4750.5, 1.25, 131, false});
    writeFits(path, cube, makeOptions(FitsFormat::muse));
    CHECK(filesIn(scratch.path()) == 1);
    Reader file(path);
    CHECK(file.hdus() == 6);
    CHECK(file.text("EXTNAME") == "DATA");
    CHECK(file.axes() == std::vector<long>{7, 5, 131});
    CHECK(file.number("DISPAXIS") == 3);
    CHECK(file.text("CTYPE3") == "AWAV");
    CHECK(file.text("CUNIT3") == "Angstrom");
    CHECK(file.text("BUNIT") == "10**-20 erg s-1 cm-2 Angstrom-1");
    CHECK(file.number("CRPIX1") == 4);
    CHECK(file.number("CRPIX2") == 3);
    CHECK(file.number("CRVAL3") == 4750.5);
    CHECK(file.number("CD3_3") == 1.25);
    CHECK(file.number("CD1_1") == Approx(-0.2 / 3600).epsilon(1e-14));
    CHECK(file.number("CD2_2") == Approx(0.2 / 3600).epsilon(1e-14));
    CHECK(file.number("SUBHALO") == 7);
    CHECK(file.number("REDSHIFT") == 0.1);
    CHECK(file.number("LUMDIST") == 475.5);
    CHECK(file.number("PSFFWHM") == 0.8);
    CHECK(file.number("LSFFWHM") == 2.5);
    CHECK(file.text("INSTRUME") == "MUSE");
    CHECK(file.text("CREATOR") == "Tessera 1.2.3");
    const auto check = [&](const std::vector<double>& values, auto expected) {
        std::size_t wrong = 0;
        for (std::size_t j = 0; j < 131; ++j)
            for (std::size_t iy = 0; iy < 5; ++iy)
                for (std::size_t ix = 0; ix < 7; ++ix) {
                    const double v = values[(j * 5 + iy) * 7 + ix], e = expected(iy, ix, j);
                    if (!(v == e || (std::isnan(v) && std::isnan(e)))) ++wrong;
                }
        CHECK(wrong == 0);
    };
    check(file.data(), [&](auto iy, auto ix, auto j) { return double(cube.flux.spectrum(iy, ix)[j]); });
    file.move("STAT");
    CHECK(file.text("BUNIT") == "10**-40 erg2 s-2 cm-4 Angstrom-2");
    check(file.data(), [&](auto iy, auto ix, auto j) { return double(cube.variance.spectrum(iy, ix)[j]); });
    file.move("DQ");
    CHECK_FALSE(file.has("BUNIT"));
    CHECK(file.number("BITPIX") == 32);
    check(file.data(), [&](auto iy, auto ix, auto) { return iy == 0 && ix == 0 ? 1.0 : 0.0; });
    file.move("VELOCITY_MASS");
    CHECK(file.text("BUNIT") == "km s-1");
    CHECK(file.axes() == std::vector<long>{7, 5});
    CHECK(file.data()[7 + 2] == -2);
    file.move("STARS");
    CHECK_FALSE(file.has("BUNIT"));
    CHECK(file.data()[7 + 2] == 1);
}

TEST_CASE("logarithmic wavelengths, vacuum, luminosities, no noise") {
    const TemporaryDirectory scratch;
    GalaxyCube cube = makeCube(3, 3, {3600, 1e-4, 10, true});
    cube.unit = "Lsun Angstrom-1";
    cube.variance = Cube();
    FitsOptions options = makeOptions(FitsFormat::muse);
    options.medium = "vacuum";
    writeFits(scratch / "log.fits", cube, options);
    Reader file(scratch / "log.fits");
    CHECK(file.text("CTYPE3") == "WAVE-LOG");
    CHECK(file.text("BUNIT") == "solLum Angstrom-1");
    // lambda(j) = CRVAL3 exp(CD3_3 j / CRVAL3), Greisen et al. 2006, eq. 5
    for (const int j : {1, 5, 9})
        CHECK(file.number("CRVAL3") * std::exp(file.number("CD3_3") * j / file.number("CRVAL3")) ==
              Approx(3600 * std::pow(10.0, 1e-4 * j)).epsilon(1e-13));
    CHECK(file.hdus() == 5);
    CHECK_THROWS_WITH(writeFits(scratch / "m.fits", cube, makeOptions(FitsFormat::manga)),
                      Catch::Contains("Lsun Angstrom-1"));
    CHECK(filesIn(scratch.path()) == 1);
}

TEST_CASE("the MaNGA layout") {
    const TemporaryDirectory scratch;
    const GalaxyCube cube = makeCube(4, 4, {3621.596, 1e-4, 20, true});
    FitsOptions options = makeOptions(FitsFormat::manga);
    options.medium = "vacuum";
    writeFits(scratch / "manga-7-4-LOGCUBE.fits", cube, options);
    Reader file(scratch / "manga-7-4-LOGCUBE.fits");
    CHECK(file.axes().empty());
    CHECK(file.text("TELESCOP") == "SDSS 2.5-M");
    file.move("FLUX");
    CHECK(file.text("INSTRUME") == "MaNGA");
    CHECK(file.text("CTYPE3") == "WAVE-LOG");
    const auto flux = file.data();
    const auto at = [](std::size_t iy, std::size_t ix, std::size_t j) { return (j * 4 + iy) * 4 + ix; };
    CHECK(flux[at(0, 0, 3)] == 0);
    CHECK(flux[at(2, 3, 5)] == Approx((1 + 2 + 300 + 0.005) * 1e-3).epsilon(1e-6));
    file.move("IVAR");
    const auto ivar = file.data();
    CHECK(ivar[at(0, 0, 3)] == 0);
    CHECK(ivar[at(2, 3, 5)] == Approx(1e6 / 9).epsilon(1e-6));
    file.move("MASK");
    CHECK(file.data()[at(0, 0, 3)] == 1025);
    CHECK(file.data()[at(2, 3, 5)] == 0);
    file.move("WAVE");
    CHECK(file.data()[19] == Approx(3621.596 * std::pow(10.0, 19e-4)).epsilon(1e-14));
    file.move("LSFPRE");
    CHECK(file.data()[7] == Approx(2.5 / 2.3548200450309493).epsilon(1e-6));
    file.move("PRESPECRES");
    CHECK(file.data()[0] == Approx(3621.596 / 2.5).epsilon(1e-12));
    file.move("SPECRES");
    CHECK(file.data()[0] < 3621.596 / 2.5);
}

TEST_CASE("what cannot be written is said") {
    const TemporaryDirectory scratch;
    GalaxyCube cube = makeCube(3, 3, {4750, 1.25, 5, false});
    const FitsOptions options = makeOptions(FitsFormat::muse);
    CHECK_THROWS_WITH(writeFits(scratch / "no/cube.fits", cube, options), Catch::Contains("no directory"));
    cube.maps[0].data.pop_back();
    CHECK_THROWS_WITH(writeFits(scratch / "cube.fits", cube, options), Catch::Contains("mass"));
    CHECK_THROWS_WITH(writeFits(scratch / "cube.fits", GalaxyCube{}, options), Catch::Contains("no cube"));
    CHECK(filesIn(scratch.path()) == 0);

    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit bytes{100000, 100000};
        setrlimit(RLIMIT_FSIZE, &bytes);
        int code = 1;
        try {
            const GalaxyCube large = makeCube(40, 40, {4750, 1.25, 50, false});
            FitsFile file(scratch / "full.fits");
            file.image(FitsType::float32, {40, 40, 50}, "DATA");
            file.write(0, large.flux.data.size(), large.flux.data.data());
            file.finish();
        } catch (const Error& error) {
            code = std::string(error.what()).find("full.fits") != std::string::npos ? 0 : 2;
        }
        std::_Exit(code);
    }
    int state = 0;
    waitpid(child, &state, 0);
    REQUIRE(WIFEXITED(state));
    CHECK(WEXITSTATUS(state) == 0);
    CHECK(filesIn(scratch.path()) == 0);
}
