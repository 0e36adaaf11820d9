#include "config/markdown.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/parameters.hpp"
#include "tessera/model/config.hpp"

namespace tessera {

namespace {

const char* const head = R"(# Configuration

Made by `tessera schema --markdown` from the table in `src/config/parameters.cpp`; a test compares the two.

A configuration is a JSON file; comments (`//` and `/* */`) are allowed. Unknown keys, a key given twice, wrong types and
values out of range are errors (exit code 2), found before any particle is read. `--set key.path=value` changes a value on
the command line: the value is read as JSON, else as the text it is; `view.redshift` of a list of views sets all of them,
`view.1.redshift` (counted from 0) one. `tessera schema` prints the same as a JSON Schema.

Only `snapshot` and `telescope` must be given:

```json
{
  "snapshot": {"path": "mock/output", "number": 99},
  "telescope": {"name": "MUSE", "fov": 20.0}
}
```
)";

const char* const tail = R"(
## Compat

`"compat": "rubix"` switches to RUBIX's numerical conventions as a whole, whatever the other keys say of them: interpolation
onto the pixel centres with one factor a spectrum, linear metallicities, stars outside the library dark, its angular scale,
`output.unit` luminosity, `spectra.doppler` exponential, `psf.border` zero, `lsf.subtract_library` false. A Gaussian `psf.fwhm`
becomes `sigma_spaxels` with taps out to 5 sigma. Logarithmic wavelengths, other kinds of `psf`, and an `lsf` that is not
constant are errors. The file says the values that were used.
)";

std::string escaped(const std::string& text) {
    std::string safe;
    for (char c : text) {
        if (c == '|') safe += '\\';
        safe += c;
    }
    return safe;
}

}  // namespace

std::string configMarkdown() {
    std::string text = head;
    for (const parameters::Section& section : parameters::table()) {
        text += fmt::format("\n## {}\n\n{}", section.key.empty() ? "Top level" : fmt::format("`{}`", section.key),
                            section.doc);
        if (!section.exactlyOne.empty())
            text += fmt::format(" Exactly one of `{}` is given.", fmt::join(section.exactlyOne, "`, `"));
        text += "\n\n| key | default | allowed | unit | meaning |\n|---|---|---|---|---|\n";
        for (const parameters::Parameter& p : section.parameters) {
            const parameters::json made = section.defaultOf(p);
            const std::string value = p.required ? "(needed)" : made.is_null() ? "" : fmt::format("`{}`", made.dump());
            const std::string allowed = allowedText(p) + (p.optional ? ", or null" : "");
            text +=
                fmt::format("| `{}` | {} | {} | {} | {} |\n", p.key, value, escaped(allowed), p.unit, escaped(p.doc));
        }
    }
    return text + tail;
}

}  // namespace tessera
