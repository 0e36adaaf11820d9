// The HDF5 layer, against files written by the C library itself with every kind of attribute and string, and against
// damaged files.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "temporary.hpp"
#include "tessera/core/error.hpp"
#include "tessera/io/hdf5.hpp"

using namespace tessera;
using Catch::Matchers::Contains;
using test::messageOf;

namespace {

std::vector<double> ramp(std::size_t n) {
    std::vector<double> v(n);
    std::iota(v.begin(), v.end(), 0.5);
    return v;
}

void rawAttribute(hid_t at, const char* name, hid_t type, std::vector<hsize_t> shape, const void* value) {
    const hid_t space =
        shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(shape.size()), shape.data(), nullptr);
    const hid_t id = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    REQUIRE(id >= 0);
    REQUIRE(H5Awrite(id, type, value) >= 0);
    H5Aclose(id);
    H5Sclose(space);
}

hid_t stringType(std::size_t size, H5T_cset_t set, H5T_str_t pad) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_cset(type, set);
    H5Tset_strpad(type, pad);
    return type;
}

}  // namespace

TEST_CASE("values survive a round trip in every type and convert on reading") {
    test::TemporaryDirectory dir;
    const auto values = ramp(24);
    {
        auto file = h5::File::create(dir / "a.hdf5");
        const auto g = file.root().createGroup("deep/er");
        g.write<double>("d", {4, 3, 2}, values.data());
        g.write<double>("z", {4, 3, 2}, values.data(), {{2, 3, 2}, 4});
        const std::vector<std::int64_t> big{-(1LL << 53), 0, 1LL << 53};
        g.write<std::int64_t>("i", {3}, big.data());
        const std::uint64_t most = ~0ULL;
        g.write<std::uint64_t>("scalar", {}, &most);
        g.write<float>("empty", {0, 3}, nullptr, {{16, 3}, 4});
        file.close();
    }
    const auto file = h5::File::openRead(dir / "a.hdf5");
    const auto g = file.root().group("deep").group("er");
    CHECK(g.where() == (dir / "a.hdf5") + ":/deep/er");
    CHECK(g.names() == std::vector<std::string>{"d", "empty", "i", "scalar", "z"});
    CHECK(g.dataset("d").shape() == std::vector<hsize_t>{4, 3, 2});
    CHECK(g.dataset("d").isFloat());
    CHECK(g.dataset("i").isInteger());
    CHECK(g.dataset("d").readAll<double>() == values);
    CHECK(file.root().dataset("deep/er/z").readAll<double>() == values);
    CHECK(g.dataset("i").readAll<double>() == std::vector<double>{-0x1p53, 0, 0x1p53});
    CHECK(g.dataset("scalar").readAll<std::uint64_t>() == std::vector<std::uint64_t>{~0ULL});
    CHECK(g.dataset("scalar").rows() == 1);
    CHECK(g.dataset("empty").rows() == 0);
    CHECK(g.dataset("empty").readAll<float>().empty());
    g.dataset("empty").readRows<float>(0, 0, nullptr);

    std::vector<float> rows(12);
    g.dataset("z").readRows(1, 2, rows.data());
    CHECK(rows == std::vector<float>(values.begin() + 6, values.begin() + 18));
    const hsize_t start[] = {3, 1, 0}, count[] = {1, 2, 1};
    double slab[2];
    g.dataset("d").readSlab<double>(start, count, slab);
    CHECK(slab[0] == 20.5);
    CHECK(slab[1] == 22.5);
}

TEST_CASE("slabs written in pieces give the whole") {
    test::TemporaryDirectory dir;
    const auto values = ramp(24);
    {
        auto file = h5::File::create(dir / "a.hdf5");
        const auto d = file.root().createDataset<float>("x", {4, 6});
        std::vector<float> piece(12);
        for (hsize_t half = 0; half < 2; ++half) {
            for (int r = 0; r < 4; ++r)
                for (int c = 0; c < 3; ++c) piece[r * 3 + c] = float(values[r * 6 + half * 3 + c]);
            const hsize_t start[] = {0, 3 * half}, count[] = {4, 3};
            d.writeSlab<float>(start, count, piece.data());
        }
        const std::vector<float> last(6, -1);
        d.writeRows(3, 1, last.data());
        file.close();
    }
    auto expected = values;
    std::fill(expected.begin() + 18, expected.end(), -1);
    CHECK(h5::File::openRead(dir / "a.hdf5").root().dataset("x").readAll<double>() == expected);
}

TEST_CASE("plain values are read without the library, and nothing else is taken for plain") {
    test::TemporaryDirectory dir;
    std::vector<float> values(3 * 1000);
    std::iota(values.begin(), values.end(), 1.5F);
    const std::vector<double> wide(values.begin(), values.end());
    {
        h5::File file = h5::File::create(dir / "plain.hdf5");
        const h5::Group root = file.root();
        root.write("first", {1000, 3}, values.data());
        root.write("plain", {1000, 3}, values.data());
        root.write("wide", {1000, 3}, wide.data());
        root.write("chunked", {1000, 3}, values.data(), {{100, 3}, 0});
        root.write("deflated", {1000, 3}, values.data(), {{100, 3}, 4});
        root.createDataset<float>("empty", {1000, 3});
        CHECK_FALSE(root.dataset("plain").isPlain<float>());  // it may not be on disk yet
        file.close();
    }
    {
        const h5::File file = h5::File::openRead(dir / "plain.hdf5");
        const h5::Group root = file.root();
        for (const char* name : {"wide", "chunked", "deflated", "empty"})
            CHECK_FALSE(root.dataset(name).isPlain<float>());
        CHECK(root.dataset("wide").isPlain<double>());
        const h5::Dataset plain = root.dataset("plain");
        REQUIRE(plain.isPlain<float>());
        std::vector<float> part(3 * 100), all(values.size());
        plain.readPlain(7, 100, part.data());
        CHECK(std::equal(part.begin(), part.end(), values.begin() + 21));
        plain.readPlain(0, 1000, all.data());
        CHECK(all == values);
        plain.readPlain(1000, 0, all.data());
        CHECK_THROWS_AS(plain.readPlain(990, 11, all.data()), Error);
    }
    // The end of the file is gone while it is open.
    const h5::File file = h5::File::openRead(dir / "plain.hdf5");
    const h5::Dataset plain = file.root().dataset("plain");
    REQUIRE(plain.isPlain<float>());
    std::filesystem::resize_file(dir / "plain.hdf5", 100);
    const std::string message = messageOf<Error>([&] { plain.readPlain(0, 1000, values.data()); });
    CHECK_THAT(message, Contains("plain.hdf5:/plain: cannot read") && Contains("ends"));
}

TEST_CASE("attributes: scalar or one element, any number, any string") {
    test::TemporaryDirectory dir;
    const std::string path = dir / "attributes.hdf5";
    const hid_t f = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const float one = 1.5f;
    const double array[] = {2.0};
    const unsigned char bigEndianTwo[] = {0x40, 0, 0, 0, 0, 0, 0, 0};
    const std::int16_t small[] = {-7, 8};
    const std::uint32_t wide = 4000000000u;
    rawAttribute(f, "f4", H5T_NATIVE_FLOAT, {}, &one);
    rawAttribute(f, "f8array", H5T_IEEE_F64BE, {1}, bigEndianTwo);
    rawAttribute(f, "f8matrix", H5T_NATIVE_DOUBLE, {1, 1}, array);
    rawAttribute(f, "i2", H5T_NATIVE_INT16, {2}, small);
    rawAttribute(f, "u4", H5T_NATIVE_UINT32, {}, &wide);
    const char* text = "TNG \xc3\xa9";
    const hid_t vlAscii = stringType(H5T_VARIABLE, H5T_CSET_ASCII, H5T_STR_NULLTERM);
    const hid_t vlUtf8 = stringType(H5T_VARIABLE, H5T_CSET_UTF8, H5T_STR_NULLTERM);
    const hid_t fixed = stringType(8, H5T_CSET_ASCII, H5T_STR_NULLPAD);
    const hid_t spaced = stringType(8, H5T_CSET_UTF8, H5T_STR_SPACEPAD);
    rawAttribute(f, "vlAscii", vlAscii, {}, &text);
    rawAttribute(f, "vlUtf8", vlUtf8, {1}, &text);
    rawAttribute(f, "fixed", fixed, {}, "subhalo\0");
    rawAttribute(f, "spaced", spaced, {1}, "ab c    ");
    const hid_t null = H5Screate(H5S_NULL);
    H5Aclose(H5Acreate2(f, "null", H5T_NATIVE_DOUBLE, null, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(null);
    for (hid_t t : {vlAscii, vlUtf8, fixed, spaced}) H5Tclose(t);
    H5Fclose(f);

    const auto root = h5::File::openRead(path).root();
    CHECK(root.attribute<double>("f4") == 1.5);
    CHECK(root.attribute<float>("f8array") == 2.0f);
    CHECK(root.attribute<std::int32_t>("f8matrix") == 2);
    CHECK(root.attribute<std::uint64_t>("u4") == 4000000000u);
    CHECK(root.attributeArray<std::int64_t>("i2") == std::vector<std::int64_t>{-7, 8});
    CHECK(root.attributeString("vlAscii") == text);
    CHECK(root.attributeString("vlUtf8") == text);
    CHECK(root.attributeString("fixed") == "subhalo");
    CHECK(root.attributeString("spaced") == "ab c");
    CHECK(!root.attribute<double>("null"));
    CHECK(!root.attribute<double>("absent"));
    CHECK(!root.attributeString("absent"));
    CHECK(root.hasAttribute("u4"));
    CHECK(!root.hasAttribute("absent"));
    CHECK_THAT(messageOf<Error>([&] { root.attribute<double>("i2"); }), Contains("i2") && Contains("2 values"));
    CHECK_THAT(messageOf<Error>([&] { root.attribute<double>("fixed"); }), Contains("fixed") && Contains("text"));
    CHECK_THAT(messageOf<Error>([&] { root.attributeString("f4"); }), Contains("f4") && Contains("floating"));
}

TEST_CASE("attributes and strings written by the layer read back and are replaced") {
    test::TemporaryDirectory dir;
    const std::string path = dir / "a.hdf5", longText(100000, 'x');
    const std::vector<std::string> names{"", "disc", "spheroid \xce\xb1"};
    h5::File::create(dir / "other.hdf5").close();
    {
        auto file = h5::File::create(path);
        const auto root = file.root();
        root.setAttribute("version", "0.1");
        root.setAttribute("version", "0.2");
        root.setAttribute("config", longText);
        root.setAttribute("ranks", std::int32_t(4));
        root.setAttributeArray<double>("rotation", ramp(9), {3, 3});
        root.writeStrings("status", names);
        root.writeStrings("none", {});
        const float x = 1;
        root.write<float>("x", {1}, &x).setAttribute("unit", "Msun");
        file.close();
    }
    auto root = h5::File::openRead(path).root();
    CHECK(root.attributeString("version") == "0.2");
    CHECK(root.attributeString("config") == longText);
    CHECK(root.attribute<std::int64_t>("ranks") == 4);
    CHECK(root.attributeArray<double>("rotation") == ramp(9));
    CHECK(root.readStrings("status") == names);
    CHECK(root.readStrings("none").empty());
    CHECK(root.dataset("x").attributeString("unit") == "Msun");
    CHECK_THAT(messageOf<Error>([&] { h5::File::openReadWrite(path); }), Contains("cannot open for writing"));
    root = h5::File::openRead(dir / "other.hdf5").root();
    {
        auto again = h5::File::openReadWrite(path);
        again.root().setAttribute("ranks", std::int32_t(5));
        again.close();
    }
    CHECK(h5::File::openRead(path).root().attribute<int>("ranks") == 5);
}

TEST_CASE("every failure names file, object and HDF5's reason") {
    test::TemporaryDirectory dir;
    const std::string path = dir / "a.hdf5";
    {
        auto file = h5::File::create(path);
        const auto values = ramp(4096);
        file.root().write<double>("g/x", {4096}, values.data());
        file.root().writeStrings("g/names", {"a"});
        file.close();
    }
    {
        const auto root = h5::File::openRead(path).root();
        CHECK(!root.has("g/y"));
        CHECK(!root.has("absent/y"));
        CHECK(root.has("g/x"));
        CHECK_THAT(messageOf<Error>([&] { root.dataset("g/y"); }), Contains(path + ":/g/y: no such dataset"));
        CHECK_THAT(messageOf<Error>([&] { root.group("h"); }), Contains(path + ":/h: no such group"));
        CHECK_THAT(messageOf<Error>([&] { root.dataset("g"); }),
                   Contains(":/g: cannot open as a dataset (not a dataset"));
        CHECK_THAT(messageOf<Error>([&] { root.group("g/x"); }),
                   Contains(":/g/x: cannot open as a group (not a group"));
        double one[4];
        CHECK_THAT(messageOf<Error>([&] { root.dataset("g/x").readRows(4095, 2, one); }),
                   Contains(":/g/x") && Contains("[4096]"));
        CHECK_THAT(messageOf<Error>([&] { root.dataset("g/x").readRows(~0ULL, 2, one); }), Contains(":/g/x"));
        CHECK_THAT(messageOf<Error>([&] { root.dataset("g/names").readAll<double>(); }),
                   Contains(":/g/names: holds text where numbers are expected"));
        CHECK_THAT(messageOf<Error>([&] { root.readStrings("g/x"); }), Contains("where text is expected"));
        CHECK_THAT(messageOf<Error>([&] { root.setAttribute("x", 1); }), Contains("attribute x: cannot create"));
    }
    const auto open = [](const std::string& p) { return messageOf<Error>([&] { h5::File::openRead(p); }); };
    CHECK_THAT(open(dir / "absent.hdf5"), Contains("absent.hdf5: cannot open (No such file"));
    CHECK_THAT(open(dir.path().string()), Contains("is a directory"));
    std::ofstream(dir / "text.hdf5") << "not HDF5\n";
    CHECK_THAT(open(dir / "text.hdf5"), Contains("not an HDF5 file"));
    std::ofstream(dir / "empty.hdf5").close();
    CHECK_THAT(open(dir / "empty.hdf5"), Contains("not an HDF5 file"));
    const auto size = std::filesystem::file_size(path);
    for (double part : {0.01, 0.1, 0.5, 0.9, 0.999}) {
        const std::string cut = dir / "cut.hdf5";
        std::filesystem::copy_file(path, cut, std::filesystem::copy_options::overwrite_existing);
        std::filesystem::resize_file(cut, std::uintmax_t(double(size) * part));
        CHECK_THAT(open(cut), Contains("cut.hdf5: cannot open (truncated file"));
    }
    CHECK_THAT(messageOf<Error>([&] { h5::File::create(dir / "no/such/folder.hdf5"); }),
               Contains("folder.hdf5: cannot create") && Contains("No such file or directory"));
}

TEST_CASE("a shape that the stored bytes cannot hold is an error, not an allocation") {
    test::TemporaryDirectory dir;
    const std::string path = dir / "huge.hdf5";
    {
        auto file = h5::File::create(path);
        file.root().createDataset<float>("x", {1ULL << 40, 3}, {{1024, 3}, 1});
        file.root().createDataset<float>("y", {1ULL << 62, 1ULL << 62}, {{1024, 3}, 1});
        file.close();
    }
    const auto root = h5::File::openRead(path).root();
    CHECK_THAT(messageOf<Error>([&] { root.dataset("x").readAll<float>(); }), Contains(":/x: claims shape"));
    CHECK_THAT(messageOf<Error>([&] { root.dataset("y").readAll<float>(); }), Contains(":/y: shape"));
}
