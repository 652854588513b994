// SPDX-License-Identifier: Apache-2.0
#include "broker/core/canonical_json.hpp"

#include <set>
#include <vector>

namespace hansa {
namespace {

/// Builds the value through nlohmann's SAX interface, so that depth and duplicate keys are seen before memory is spent on them.
class StrictReader : public nlohmann::detail::json_sax_dom_parser<Json> {
 public:
  using Base = nlohmann::detail::json_sax_dom_parser<Json>;
  StrictReader(Json& into, std::size_t max_depth) : Base(into, false), max_depth_(max_depth) {}

  bool start_object(std::size_t size) {
    keys_.emplace_back();
    return deeper() && Base::start_object(size);
  }
  bool end_object() {
    keys_.pop_back();
    --depth_;
    return Base::end_object();
  }
  bool start_array(std::size_t size) { return deeper() && Base::start_array(size); }
  bool end_array() {
    --depth_;
    return Base::end_array();
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) {
      problem_ = "the key \"" + name.substr(0, 64) + "\" occurs twice in one object";
      return false;
    }
    return Base::key(name);
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    problem_ = "not valid JSON at byte " + std::to_string(position);
    return false;
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool deeper() {
    if (++depth_ <= max_depth_) return true;
    problem_ = "nested deeper than " + std::to_string(max_depth_) + " levels";
    return false;
  }

  std::size_t max_depth_;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;
  std::string problem_;
};

}  // namespace

std::string canonical_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Json> parse_json(std::string_view text, std::size_t max_depth) {
  // nlohmann's lexer takes a NUL for the end of the text and would not look at what follows it.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return fail(ErrorKind::invalid_argument, "BAD_JSON", "not valid JSON at byte " + std::to_string(nul + 1));
  }
  Json value;
  StrictReader reader(value, max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) {
    return fail(ErrorKind::invalid_argument, "BAD_JSON", reader.problem().empty() ? "not valid JSON" : reader.problem());
  }
  return value;
}

}  // namespace hansa
