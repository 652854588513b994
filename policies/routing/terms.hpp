// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a job would run in a queue: as which of its variants, and with how many GPUs as that site counts them; or why it does not,
// whatever room there is.

#include "broker/domain/site.hpp"
#include "policies/routing/queue_fit.hpp"

#include <optional>
#include <span>
#include <string>

namespace hansa::routing {

struct Terms {
  std::string variant;                 // "": the job has none
  domain::Resources resources;         // in GPUs as the site's scheduler counts them
  std::optional<QueueFit> refusal;     // NO_VARIANT_MATCHES, or what the site lacks of its software
};

/// The first variant whose condition holds of all nodes of the queue that it can get: those with `gpu_model`, if it asks for one.
/// What nobody says of a node is not what a condition asks for; it may be told later, which makes a refusal temporary. What the
/// site's operator says of all its nodes (Site::hardware) counts before what its scheduler does.
/// What its scheduler tells nothing of (a container runtime, a way out for its nodes) is there if its operator says so or it was
/// found there, unless it was found missing: `offers`. What nobody knows of is not counted on, for the time being.
Terms terms_at(const domain::Site& site, const SiteFacts& facts, const QueueFacts& queue, const domain::JobSpec& spec,
               std::span<const domain::Offer> offers = {});
/// Whether `offers` counts for such a job.
bool needs_offers(const domain::JobSpec& spec);

}  // namespace hansa::routing
