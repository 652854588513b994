// SPDX-License-Identifier: Apache-2.0
// A broker's stand-in for the tests that kill it: serves the local site in FOLDER, submits each SCRIPT, says each id on
// a line of its own, and goes on until it is killed.
//   local_site_host FOLDER JOB_ID SCRIPT [JOB_ID SCRIPT]...
#include "tests/integration/connectors_local/local_site.hpp"

#include <cstdio>

int main(int argc, char** argv) {
  hansa::test::LocalSite site(hansa::test::options_in(argv[1]));
  for (int i = 2; i + 1 < argc; i += 2) {
    auto request = hansa::test::request_for(*hansa::JobId::parse(argv[i]), argv[i + 1]);
    request.spec.resources.cpus_per_task = 3;  // of four: one at a time
    const auto receipt = site.ask(site.connector().submit(request, site.soon()));
    std::printf("%s\n", receipt ? receipt->site_job_id.str().c_str() : "refused");
    std::fflush(stdout);
  }
  while (true) site.let_pass(hansa::Milliseconds{1000});
}
