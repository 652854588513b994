// SPDX-License-Identifier: Apache-2.0
#pragma once
// The secrets that were brought to sites for attempts: taken away there once the attempt is over, whatever became of its job, as
// often as it takes. Mostly the job has done it itself. Strand: the engine's.

#include "broker/async/event.hpp"
#include "broker/engine/context.hpp"
#include "broker/ports/secrets.hpp"

#include <map>
#include <set>
#include <utility>

namespace hansa::engine {

class SecretCopies {
 public:
  /// `store` may be none: this broker keeps no secrets.
  SecretCopies(Context& context, ports::SecretStore* store) : context_(context), store_(store), over_(context.strand) {}

  void job_changed(const domain::Job* before, const domain::Job& after);
  async::Task<> run();

 private:
  using Whose = std::pair<JobId, std::int32_t>;
  struct Trouble {
    Milliseconds pause{0};
    MonotonicTime next{};
  };
  /// `silent` gets the site if it is that which did not answer.
  async::Task<> take_away(ports::SecretCopy copy, std::set<SiteId>* silent);
  void tell(const ports::SecretCopy& copy, const Error& error);

  Context& context_;
  ports::SecretStore* store_;
  async::Event over_;  // an attempt that had secrets has ended
  std::map<Whose, Trouble> troubles_;
};

}  // namespace hansa::engine
