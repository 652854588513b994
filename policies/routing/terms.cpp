// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/terms.hpp"

#include "broker/domain/variant.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace hansa::routing {
namespace {

constexpr int kNothingPassed = -1;

class QueueHardware {
 public:
  QueueHardware(const domain::Site& site, const SiteFacts& facts, const QueueFacts& queue) : site_(site) {
    for (std::size_t i = 0; i < queue.of_kind.size(); ++i) {
      if (queue.of_kind[i] > 0) kinds_.push_back(&facts.kinds[i]);
    }
  }

  /// Nothing that the condition asks for is still to be told.
  [[nodiscard]] bool tells(const domain::Condition& when) const {
    const auto tells_vendor = [&](const NodeKind* kind) { return kind->room.gpus == 0 || !vendor(*kind).empty(); };
    return (when.architecture.empty() || !architectures(kinds_).contains("")) &&
           (when.gpu_vendor.empty() || std::ranges::all_of(kinds_, tells_vendor));
  }

  [[nodiscard]] bool meets(const domain::Condition& when) const {
    if ((!when.site.empty() && when.site != site_.id) || (!when.country.empty() && when.country != site_.country)) return false;
    std::vector<const NodeKind*> nodes;  // that it can get
    std::ranges::copy_if(kinds_, std::back_inserter(nodes),
                         [&](const NodeKind* kind) { return when.gpu_model.empty() || kind->gpu_model == when.gpu_model; });
    if (nodes.empty() && !(when.gpu_model.empty() && when.gpu_vendor.empty() && when.architecture.empty())) return false;
    const bool fits = when.architecture.empty() || architectures(nodes) == std::set<std::string_view>{when.architecture};
    return fits && (when.gpu_vendor.empty() || has_gpus_of(nodes, when.gpu_vendor));
  }

  /// For people: "x86_64 processors and nvidia GPUs (a100)".
  [[nodiscard]] std::string text() const {
    std::set<std::string_view> vendors;
    std::set<std::string_view> models;
    for (const auto* kind : kinds_) {
      if (kind->room.gpus == 0) continue;
      vendors.insert(vendor(*kind));
      if (!kind->gpu_model.empty()) models.insert(kind->gpu_model);
    }
    if (kinds_.empty()) return "no nodes";
    auto words = joined(architectures(kinds_), "unnamed (the site's `architecture` says what)") + " processors and ";
    if (vendors.empty()) return words + "no GPUs";
    words += joined(vendors, "unnamed (the site's `gpu_vendor` says whose)") + " GPUs";
    return words + (models.empty() ? "" : " (" + joined(models, "") + ")");
  }

 private:
  static std::string joined(const std::set<std::string_view>& words, std::string_view unnamed) {
    std::string text;
    for (const auto word : words) text.append(text.empty() ? "" : ", ").append(word.empty() ? unnamed : word);
    return text;
  }

  /// A node that has never answered (down since its scheduler started, not yet made in a cloud) does not say: the others of its
  /// queue do. "" if none does.
  [[nodiscard]] std::set<std::string_view> architectures(const std::vector<const NodeKind*>& nodes) const {
    if (!site_.hardware.architecture.empty()) return {site_.hardware.architecture};
    std::set<std::string_view> told;
    for (const auto* kind : nodes) told.insert(kind->architecture);
    if (told.size() > 1) told.erase("");
    return told;
  }
  [[nodiscard]] std::string_view vendor(const NodeKind& kind) const {
    return site_.hardware.gpu_vendor.empty() ? domain::gpu_vendor_of(kind.gpu_model) : site_.hardware.gpu_vendor;
  }
  [[nodiscard]] bool has_gpus_of(const std::vector<const NodeKind*>& nodes, std::string_view wanted) const {
    bool any = false;
    for (const auto* kind : nodes) {
      if (kind->room.gpus == 0) continue;
      if (vendor(*kind) != wanted) return false;
      any = true;
    }
    return any != (wanted == "none");
  }

  const domain::Site& site_;
  std::vector<const NodeKind*> kinds_;
};

/// The one about this queue before one about all.
const domain::Offer* said(std::span<const domain::Offer> offers, std::string_view what, const QueueName& queue) {
  const domain::Offer* of_all = nullptr;
  for (const auto& offer : offers) {
    if (offer.what != what) continue;
    if (offer.queue == queue) return &offer;
    if (offer.queue.empty()) of_all = &offer;
  }
  return of_all;
}

QueueFit unmet(std::string code, std::string message, const domain::Offer* found) {
  QueueFit fit{.obstacle = domain::Obstacle::temporary,
               .code = std::move(code),
               .message = std::move(message),
               .passed = kNothingPassed,
               .by_profile = true};
  if (found != nullptr) fit.found_at = found->at;
  return fit;
}

std::string ask_for(const domain::Site& site, const std::string& key) {
  return "its operator can say so (profile." + key + "), or have it looked over: hansa site doctor " + site.id.str();
}

std::optional<QueueFit> no_runtime(const domain::Site& site, const QueueFacts& queue, std::span<const domain::Offer> offers) {
  const auto* found = said(offers, domain::kContainerRuntime, queue.name);
  if (found != nullptr && !found->there)
    return unmet("NO_CONTAINER_RUNTIME", "the job runs in a container, and none is started there; " + found->found, found);
  if (found != nullptr || site.software.containers) return std::nullopt;
  return unmet(
      "NO_CONTAINER_RUNTIME",
      "the job runs in a container, and nobody has said that this site starts any; " + ask_for(site, "container_runtime"),
      nullptr);
}

std::optional<QueueFit> no_way_out(const domain::Site& site, const QueueFacts& queue, std::span<const domain::Offer> offers) {
  const auto* found = said(offers, domain::kOutboundNetwork, queue.name);
  const auto nodes = "the nodes of queue \"" + queue.name.str() + "\"";
  if (found != nullptr && !found->there)
    return unmet("NO_OUTBOUND_NETWORK", "the job needs the network outside, which " + nodes + " do not reach; " + found->found,
                 found);
  const auto& told = site.software.outbound;
  if (found != nullptr || std::ranges::find(told, "*") != told.end() || std::ranges::find(told, queue.name.str()) != told.end())
    return std::nullopt;
  return unmet("NO_OUTBOUND_NETWORK",
               "the job needs the network outside, and nobody has said that " + nodes + " reach it; " + ask_for(site, "outbound"),
               nullptr);
}

/// For ever first, and of the rest what it runs in.
std::optional<QueueFit> refused_software(const domain::Site& site, const QueueFacts& queue, const domain::Software& software,
                                         std::span<const domain::Offer> offers) {
  auto no_container = software.image.empty() ? std::nullopt : no_runtime(site, queue, offers);
  auto asked = software;
  if (no_container) asked.image.clear(), asked.binds.clear();
  if (auto reason = software_obstacle(asked, site.software); !reason.code.empty()) {
    return QueueFit{.obstacle = domain::Obstacle::permanent,
                    .code = std::move(reason.code),
                    .message = std::move(reason.message),
                    .passed = kNothingPassed,
                    .by_profile = true};
  }
  if (no_container || !software.outbound) return no_container;
  return no_way_out(site, queue, offers);
}

std::string wishes(const std::vector<domain::Variant>& variants) {
  std::string text;
  for (const auto& variant : variants) text += (text.empty() ? "\"" : "; \"") + variant.name + "\" for " + to_text(variant.when);
  return text;
}

}  // namespace

bool needs_offers(const domain::JobSpec& spec) {
  const auto needs = [](const domain::Software& software) { return !software.image.empty() || software.outbound; };
  return needs(spec.software) || std::ranges::any_of(spec.variants, needs, &domain::Variant::software);
}

Terms terms_at(const domain::Site& site, const SiteFacts& facts, const QueueFacts& queue, const domain::JobSpec& spec,
               std::span<const domain::Offer> offers) {
  Terms terms{.variant = {}, .resources = {}, .refusal = {}};
  const auto* resources = &spec.resources;
  const auto* software = &spec.software;
  if (!spec.variants.empty()) {
    const QueueHardware hardware(site, facts, queue);
    const auto chosen =
        std::ranges::find_if(spec.variants, [&](const domain::Variant& variant) { return hardware.meets(variant.when); });
    if (chosen == spec.variants.end()) {
      const bool told = std::ranges::all_of(spec.variants, [&](const domain::Variant& v) { return hardware.tells(v.when); });
      terms.refusal = QueueFit{.obstacle = told ? domain::Obstacle::permanent : domain::Obstacle::temporary,
                               .code = "NO_VARIANT_MATCHES",
                               .message = "none of the job's variants is for queue \"" + queue.name.str() + "\", which has " +
                                          hardware.text() + "; they are " + wishes(spec.variants),
                               .passed = kNothingPassed};
      return terms;
    }
    terms.variant = chosen->name;
    resources = &chosen->resources;
    software = &chosen->software;
  }
  terms.refusal = refused_software(site, queue, *software, offers);
  terms.resources = in_units_of(site.hardware, *resources);
  return terms;
}

}  // namespace hansa::routing
