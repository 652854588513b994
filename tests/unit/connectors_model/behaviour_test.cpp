// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/behaviour.hpp"

#include <catch2/catch.hpp>

using hansa::Seconds;
using hansa::connectors::model::parse_behaviour;

TEST_CASE("a script without directives runs ten seconds and succeeds") {
  const auto b = parse_behaviour("#!/bin/bash\necho hello\n");
  REQUIRE(b);
  CHECK(b->run == Seconds{10});
  CHECK(b->exit_code == 0);
  CHECK(b->out.empty());
}

TEST_CASE("directives add up") {
  const auto b = parse_behaviour(
      "#!/bin/bash\n#model run=1h30m  exit=3\n#model-out a=1 $(b)\n#model-out\n#model-out c\n#model-err oops\n"
      "#model signal=9 node_fail=5s fence=error");
  REQUIRE(b);
  CHECK(b->run == Seconds{5400});
  CHECK(b->exit_code == 3);
  CHECK(b->signal == 9);
  CHECK(b->node_fails_after == Seconds{5});
  CHECK(b->fence_error);
  CHECK(b->out == "a=1 $(b)\nc\n");
  CHECK(b->err == "oops\n");
}

TEST_CASE("what a job leaves stands in its script, too") {
  const auto b = parse_behaviour("#model-file a b/c=x=1\n#model-file a b/c=2\n#model-file e=\n#model-folder d\n#model-link l\n");
  REQUIRE(b);
  using enum hansa::connectors::model::Behaviour::Left::Kind;
  REQUIRE(b->leaves.size() == 4);
  CHECK(b->leaves.at("a b/c").text == "x=1\n2\n");
  CHECK(b->leaves.at("e").text.empty());
  CHECK(b->leaves.at("e").kind == file);
  CHECK(b->leaves.at("d").kind == folder);
  CHECK(b->leaves.at("l").kind == link);
  CHECK_FALSE(parse_behaviour("#model-file x"));
}

TEST_CASE("what is not understood is refused by name") {
  for (const char* line :
       {"#model runn=3s", "#model run=", "#model run=abc", "#model exit=256", "#model exit=-1", "#model exit=3x",
        "#model signal=0", "#model signal=65", "#model fence=no", "#model run", "#model =3"}) {
    const auto b = parse_behaviour(line);
    INFO(line);
    REQUIRE_FALSE(b);
    CHECK(b.error().code == "MODEL_DIRECTIVE");
    CHECK(b.error().message.find(std::string(line).substr(7)) != std::string::npos);
  }
}
