// SPDX-License-Identifier: Apache-2.0
// Fetching outputs: in pieces, of one version, into a place that may be taken.
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace hansa::cli {
namespace {

namespace fs = std::filesystem;

struct Place {
  Place() {
    std::string name = "/tmp/hansa-cli-fetch.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder = name;
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { fs::remove_all(folder); }
  [[nodiscard]] std::string at(const std::string& name) const { return (folder / name).string(); }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream file(folder / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder / name, std::ios::binary) << text; }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  fs::path folder;
};

std::string file(const std::string& name, std::size_t size, const std::string& version = "v-1.5") {
  return R"({"name":")" + name + R"(","path":"out/)" + name + R"(","state":"file","size_bytes":)" + std::to_string(size) +
         R"(,"version":")" + version + "\"}";
}
std::string listing(const std::string& outputs, const std::string& state = "succeeded") {
  return reply(200, R"({"job_state":")" + state + R"(","outputs":[)" + outputs + "]}\n");
}
std::string piece(const std::string& bytes) { return reply(206, bytes); }
std::string part(const std::string& name, const std::string& version = "v-1.5") {
  return "." + name + "." + kId + "." + version + ".part";
}

}  // namespace

TEST_CASE("an output is fetched in pieces of the version that was listed, and is there when it is whole", "[fetch]") {
  Place place;
  Call call;
  std::string content(2'500'000, 'x');
  for (std::size_t i = 0; i < content.size(); i += 7) content[i] = static_cast<char>(i % 251);
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  ScriptedServer server({listing(file("m \u00f6", content.size())), piece(content.substr(0, kMiB)),
                         piece(content.substr(kMiB, kMiB)), piece(content.substr(2 * kMiB))});
  CHECK(call.run(server, {"fetch", kId, "-o", place.at("new").c_str()}) == 0);
  CHECK(call.out == place.at("new/m \xC3\xB6") + "\n");
  CHECK(call.err.empty());
  CHECK((place.text("new/m \xC3\xB6") == content));
  CHECK(call.farewell.contains("the same command goes on"));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 4);
  CHECK(line_of(requests[0]) == "GET /v1/jobs/" + std::string(kId) + "/outputs HTTP/1.1");
  CHECK(line_of(requests[3]) == "GET /v1/jobs/" + std::string(kId) + "/outputs/m%20%C3%B6 HTTP/1.1");
  CHECK(header_of(requests[1], "Range") == "bytes=0-1048575");
  CHECK(header_of(requests[3], "Range") == "bytes=2097152-2499999");
  CHECK(header_of(requests[3], "If-Match") == "\"v-1.5\"");
  CHECK(fs::directory_iterator(place.folder / "new") != fs::directory_iterator());
  CHECK(std::distance(fs::directory_iterator(place.folder / "new"), fs::directory_iterator()) == 1);
}

TEST_CASE("an interrupted fetch goes on where it was, of the same version only", "[fetch]") {
  Place place;
  place.write(part("a"), "01234");
  place.write(part("a", "v-0.9"), "old");
  place.write(part("b", "v-0.9"), "old");
  Call call;
  ScriptedServer server(
      {listing(file("a", 10) + "," + file("b", 3)), piece("56"), "", problem(503, "STOPPING"), piece("789"), piece("new")});
  CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str()}) == 0);
  CHECK(place.text("a") == "0123456789");
  CHECK(place.text("b") == "new");
  CHECK(place.names() == std::vector<std::string>{"a", "b"});
  CHECK(call.err.starts_with("hansa: a: going on after 5 of 10 bytes\n"));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 6);
  CHECK(header_of(requests[1], "Range") == "bytes=5-9");
  CHECK(header_of(requests[4], "Range") == "bytes=7-9");  // what a broker that restarts did not give
  CHECK(header_of(requests[5], "Range") == "bytes=0-2");
}

TEST_CASE("what is there already is replaced only if it is said", "[fetch]") {
  Place place;
  place.write("a", "mine");
  fs::create_symlink("/etc/passwd", place.folder / "b");
  Call call;
  ScriptedServer server({listing(file("a", 3) + "," + file("b", 3) + "," + file("c", 3)), piece("new")});
  CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str(), "--json"}) == 8);
  CHECK(place.text("a") == "mine");
  CHECK(fs::is_symlink(place.folder / "b"));
  CHECK(place.text("c") == "new");  // the others come nevertheless
  CHECK(call.err.contains("/a is there already; replace it with --force"));
  CHECK(Json::parse(call.out) ==
        Json::object({{"files", Json::array({Json::object({{"name", "c"}, {"file", place.at("") + "c"}})})}}));

  Call again;
  ScriptedServer forced({listing(file("a", 3) + "," + file("b", 3)), piece("two"), piece("abc")});
  CHECK(again.run(forced, {"fetch", kId, "a", "b", "-o", place.at("").c_str(), "--force"}) == 0);
  CHECK(place.text("a") == "two");
  CHECK_FALSE(fs::is_symlink(place.folder / "b"));
  CHECK(place.text("b") == "abc");
}

TEST_CASE("a file that came to its place meanwhile is not replaced either, and two fetches do not mix", "[fetch]") {
  Place place;
  place.write(part("a"), "abc");
  const int held = ::open(place.at(part("a")).c_str(), O_RDWR);
  REQUIRE(::flock(held, LOCK_EX) == 0);
  Call call;
  ScriptedServer server({listing(file("a", 3))});
  CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str()}) == 8);
  CHECK(call.err.contains("is being fetched by another hansa"));
  ::close(held);
  Call after;
  ScriptedServer whole({listing(file("a", 3))});
  CHECK(after.run(whole, {"fetch", kId, "-o", place.at("").c_str()}) == 0);  // it was all there
  CHECK(place.text("a") == "abc");
  CHECK(whole.requests().size() == 1);
}

TEST_CASE("a file that is written to is begun again, and given up if it does not come to rest", "[fetch]") {
  Place place;
  Call call;
  ScriptedServer server({listing(file("a", 4, "v1"), "running"), piece("ol"), problem(412, "OUTPUT_CHANGED"),
                         listing(file("a", 3, "v2"), "running"), piece("new")});
  CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str()}) == 0);
  CHECK(place.text("a") == "new");
  CHECK(place.names() == std::vector<std::string>{"a"});

  std::vector<std::string> replies{listing(file("b", 4, "v0"), "running")};
  for (int i = 1; i < 4; ++i) {
    replies.push_back(problem(412, "OUTPUT_CHANGED"));
    replies.push_back(listing(file("b", 4, "v" + std::to_string(i)), "running"));
  }
  Call restless;
  ScriptedServer changes(replies);
  CHECK(restless.run(changes, {"fetch", kId, "-o", place.at("").c_str()}) == 8);
  CHECK(restless.err.contains("fetch it once the job is over: hansa wait"));
  CHECK(place.names() == std::vector<std::string>{"a"});
}

TEST_CASE("what cannot be fetched is told one by one, with what to do", "[fetch]") {
  Place place;
  const auto other = [](const std::string& state) {
    return R"({"name":")" + state + R"(","path":"p","state":")" + state + "\"}";
  };
  Call call;
  ScriptedServer server(
      {listing(other("missing") + "," + other("folder") + "," + other("link") + "," + file("a", 1)), piece("x")});
  CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str()}) == 4);
  CHECK(call.out == place.at("") + "a\n");
  CHECK(call.err.contains("missing: p in the job's working folder is not there; did the job write it? see: hansa logs"));
  CHECK(call.err.contains("folder: p in the job's working folder is a folder; have the job pack it"));
  CHECK(call.err.contains("link: p in the job's working folder is a symbolic link"));

  const struct {
    std::string listing;
    std::vector<const char*> arguments;
    int status;
    const char* told;
  } kTable[] = {
      {listing(""), {"fetch", kId}, 3, "names no outputs; they are named when it is submitted: hansa submit --output"},
      {listing(file("model", 1)), {"fetch", kId, "modle"}, 3, "(did you mean \"model\"?)"},
      {listing(other("missing"), "running"), {"fetch", kId}, 3, "is not there yet; once the job is over: hansa wait"},
      {listing(file("a", 1)), {"fetch", kId, "a", "--list"}, 2, "leave the names out"},
      {listing(file("a", 1)), {"fetch", kId, "-o", "/proc/none/x"}, 2, "cannot make the folder /proc/none/x"},
      {problem(403, "RULES_DENY"), {"fetch", kId}, 4, "told so"},
  };
  for (const auto& [first, arguments, status, told] : kTable) {
    CAPTURE(told);
    Call one;
    ScriptedServer answers({first});
    CHECK(one.run(answers, arguments) == status);
    CHECK(one.err.contains(told));
    CHECK(one.out.empty());
  }
}

TEST_CASE("a name that begins with a dot becomes a file only when it is asked for", "[fetch]") {
  Place place;
  const auto both = listing(file(".bashrc", 1) + "," + file("a", 1));
  Call all;
  ScriptedServer unasked({both, piece("x")});
  CHECK(all.run(unasked, {"fetch", kId, "-o", place.at("").c_str()}) == 0);
  CHECK(all.err.contains(".bashrc is left out"));
  CHECK(place.names() == std::vector<std::string>{"a"});
  Call one;
  ScriptedServer asked({both, piece("y")});
  CHECK(one.run(asked, {"fetch", kId, ".bashrc", "-o", place.at("").c_str()}) == 0);
  CHECK(place.text(".bashrc") == "y");
}

TEST_CASE("names that a broker makes up do not become files", "[fetch][T12]") {
  Place place;
  for (const auto* name : {"../a", "/tmp/a", "..", "", "a/b", "a\\u0000b"}) {
    CAPTURE(name);
    Call call;
    ScriptedServer server({listing(file(name, 1)), piece("x")});
    CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str()}) == 5);
    CHECK(call.err.contains("is no list of outputs"));
  }
  for (const auto& odd : {file("a", 1, "../../x"), file("a", 1, ""), R"({"name":"a","state":"file"})" + std::string()}) {
    Call call;
    ScriptedServer server({listing(odd), piece("x")});
    CHECK(call.run(server, {"fetch", kId, "-o", place.at("").c_str()}) == 5);
  }
  CHECK(place.names().empty());
  Call call;
  ScriptedServer proxy({listing(file("a", 3)), reply(200, "abc")});  // the header Range was dropped
  CHECK(call.run(proxy, {"fetch", kId, "-o", place.at("").c_str()}) == 5);
  CHECK(call.err.contains("is there a proxy before it"));
}

TEST_CASE("--list says what is there", "[fetch]") {
  Call call;
  ScriptedServer server(
      {listing(file("model.pt", 123'456'789) + R"(,{"name":"log","path":"log","state":"missing"})", "running")});
  CHECK(call.run(server, {"fetch", "--list", kId}) == 0);
  CHECK(call.out ==
        "NAME         SIZE  STATE          PATH\n"
        "model.pt  117 MiB  there          out/model.pt\n"
        "log                not yet there  log\n");
}

}  // namespace hansa::cli
