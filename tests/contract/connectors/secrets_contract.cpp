// SPDX-License-Identifier: Apache-2.0
// People's secrets: brought to the job for its account alone, and taken away again.
#include "tests/contract/connectors/contract_bench.hpp"

namespace hansa::contract {

namespace {

ports::SubmitRequest with_secret(Bench& bench, std::string script) {
  auto request = bench.request(Behaviour{});
  request.payload.script = std::move(script);
  request.spec.secrets = {{.name = "hf-token", .file = "token"}};
  request.secrets.push_back({.file = "token", .value = Secret(std::string("s3cret \0\n\xff", 10))});
  return request;
}

/// What takes none says so, and nothing has left.
std::optional<SiteJob> taken(Bench& bench, const ports::SubmitRequest& request) {
  const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  if (receipt) {
    auto job = bench.expected_job(request);
    job.id = receipt->site_job_id;
    return job;
  }
  INFO(receipt.error().message);
  CHECK(receipt.error().code == "NO_SECRETS_THERE");
  CHECK(ports::surely_not_sent(receipt.error()));
  return std::nullopt;
}

constexpr const char* kLook =
    "#!/bin/bash\nstat -c %a \"$HANSA_SECRET_DIR\" \"$HANSA_SECRET_DIR/token\"\nbase64 \"$HANSA_SECRET_DIR/token\"\n"
    "ls \"$HANSA_SECRET_DIR\"\nprintf '%s\\n' \"$HANSA_SECRET_DIR\" >where\n";

}  // namespace

TEST_CASE("connector: a secret arrives byte for byte in a file for the account alone, and is gone with the job", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  const auto job = taken(bench, with_secret(bench, kLook));
  if (!job) return;
  const auto ended = bench.wait_for_phase(*job, Phase::ended);
  INFO(bench.output(*job, ports::Stream::err));
  CHECK(ended.outcome == Outcome::succeeded);
  CHECK(bench.output(*job) == "700\n600\nczNjcmV0IAAK/w==\ntoken\n");
  REQUIRE(bench.ask(bench.connector().remove_secrets(*job, {"token"}, bench.soon())));
  const auto look = bench.submit([&] {
    auto request = bench.request(Behaviour{});
    request.payload.script = "#!/bin/bash\ncd ..\nfind ../secrets -path '*" + job->tag.str() + "*' -type f -size +0 | wc -l\n";
    return request;
  }());
  bench.wait_for_phase(look, Phase::ended);
  CHECK(bench.output(look) == "0\n");
}

TEST_CASE("connector: secrets of a job that never starts are taken away at its site, as often as it is asked", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = with_secret(bench, kLook);
  request.spec.requeue = true;  // so that its end leaves them
  const auto job = taken(bench, request);
  if (!job) return;
  bench.wait_for_phase(*job, Phase::ended);
  const auto left = [&] {
    const auto look = bench.submit([&] {
      auto other = bench.request(Behaviour{});
      other.payload.script = "#!/bin/bash\ncd ..\nfind ../secrets -path '*" + job->tag.str() + "*' -type f -size +0 | wc -l\n";
      return other;
    }());
    bench.wait_for_phase(look, Phase::ended);
    return bench.output(look);
  };
  CHECK(left() == "1\n");
  for (int i = 0; i < 2; ++i)
    REQUIRE(bench.ask(bench.connector().remove_secrets(*job, {"token", "never-brought"}, bench.soon())));
  CHECK(left() == "0\n");
}

}  // namespace hansa::contract
