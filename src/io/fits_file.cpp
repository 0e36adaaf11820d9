#include "io/fits_file.hpp"

#include "tessera/core/error.hpp"

namespace tessera {

namespace {

// Header strings are printable ASCII; anything else would make the file invalid.
std::string headerText(std::string text) {
    for (char& c : text)
        if (c < ' ' || c > '~') c = '?';
    return text;
}

}  // namespace

FitsFile::FitsFile(const std::string& finalName) : file_(finalName) {
    // "diskfile": the name is taken as it is, without CFITSIO's extended syntax of brackets.
    fits_create_diskfile(&fits_, file_.name().c_str(), &status_);
    check("creating it");
}

FitsFile::~FitsFile() {
    int ignored = 0;
    if (fits_) fits_close_file(fits_, &ignored);
    fits_clear_errmsg();
}

void FitsFile::check(const char* doing) {
    if (status_ == 0) return;
    char text[FLEN_ERRMSG] = "";
    fits_get_errstatus(status_, text);
    std::string message = "FITS file '" + file_.finalName() + "': " + doing + " failed: " + text;
    while (fits_read_errmsg(text)) message += std::string("; ") + text;
    throw Error(message);
}

void FitsFile::image(FitsType type, const std::vector<std::size_t>& axes, const std::string& name) {
    std::vector<long> lengths;
    for (std::size_t n : axes) lengths.push_back(narrow<long>(n));
    fits_create_img(fits_, axes.empty() ? BYTE_IMG : int(type), int(lengths.size()), lengths.data(), &status_);
    check("creating an image");
    if (!name.empty()) key("EXTNAME", name, "name of this extension");
}

void FitsFile::key(const char* name, const std::string& value, const char* comment) {
    fits_update_key_str(fits_, name, headerText(value).c_str(), comment, &status_);
    check("writing a keyword");
}

void FitsFile::key(const char* name, double value, const char* comment) {
    fits_update_key_dbl(fits_, name, value, -15, comment, &status_);
    check("writing a keyword");
}

void FitsFile::key(const char* name, std::int64_t value, const char* comment) {
    fits_update_key_lng(fits_, name, value, comment, &status_);
    check("writing a keyword");
}

void FitsFile::comment(const std::string& text) {
    fits_write_comment(fits_, headerText(text).c_str(), &status_);
    check("writing a comment");
}

void FitsFile::date() {
    fits_write_date(fits_, &status_);
    check("writing DATE");
}

void FitsFile::write(std::size_t first, std::size_t count, const float* values) {
    fits_write_img(fits_, TFLOAT, narrow<LONGLONG>(first) + 1, narrow<LONGLONG>(count), const_cast<float*>(values),
                   &status_);
    check("writing data");
}

void FitsFile::write(std::size_t first, std::size_t count, const double* values) {
    fits_write_img(fits_, TDOUBLE, narrow<LONGLONG>(first) + 1, narrow<LONGLONG>(count), const_cast<double*>(values),
                   &status_);
    check("writing data");
}

void FitsFile::write(std::size_t first, std::size_t count, const std::int32_t* values) {
    fits_write_img(fits_, TINT, narrow<LONGLONG>(first) + 1, narrow<LONGLONG>(count), const_cast<std::int32_t*>(values),
                   &status_);
    check("writing data");
}

void FitsFile::finish() {
    fitsfile* closing = fits_;
    fits_ = nullptr;  // CFITSIO frees it even where closing fails
    fits_close_file(closing, &status_);
    check("closing it");
    file_.commit();
}

}  // namespace tessera
