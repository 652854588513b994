// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/depot.hpp"

#include "broker/core/digest.hpp"
#include "broker/engine/catalogue.hpp"

#include <algorithm>
#include <array>

namespace hansa::sim {

using namespace domain;

namespace {

const RootName kRoot("data");

std::string name_of(const Transfer& transfer) {
  return "dataset " + transfer.dataset.str() + " from " + transfer.from.site.str() + " to " + transfer.to.site.str();
}

}  // namespace

Depot::Depot(const Plan& plan, Parts parts) : plan_(plan), parts_(parts), mover_(parts.time) {
  mover_.per_second = plan.link_speed;
  mover_.ends = [this](const Transfer& transfer) { return end_of(transfer); };
  UlidSource ids(parts_.time, parts_.random);
  engine::Catalogue catalogue(parts_.time, ids, parts_.store, parts_.accounts, parts_.log);
  const engine::Asking alice{.by = Principal("local:alice"), .reason = ""}, root{.by = Principal("local:root"), .reason = ""};
  const auto made = [&](async::Task<engine::CatalogueOutcome> task) { return bottle::read(parts_.time, std::move(task)); };
  for (const auto& planned : plan.datasets) {
    const DatasetId id(planned.id);
    const auto& site = plan.sites[static_cast<std::size_t>(planned.site)].id;
    const Content content{.size = Bytes{planned.bytes}, .files = 1, .hash = ContentHash(sha256_hex(planned.id))};
    auto dataset =
        made(catalogue.add(alice, id,
                           {.owner = alice.by, .project = ProjectId("lab"), .labels = {Label("open")}, .content = content}))
            .dataset;
    dataset = made(catalogue.add_replica(alice, dataset, {.site = SiteId(site), .root = kRoot, .path = id.str()})).dataset;
    const auto asked = made(catalogue.verify_replica(alice, dataset,
                                                     {.site = SiteId(site),
                                                      .hash = content.hash,
                                                      .at = std::nullopt,
                                                      .expires_at = parts_.time.now_utc() + std::chrono::years{1}}));
    for (const auto& change : asked.changes) dataset = made(catalogue.rule(root, asked.dataset, change, true)).dataset;
    register_[id] = std::move(dataset);
    parts_.sites.at(site).whole.insert(id);
  }
}

void Depot::open(bottle::Process::Parts& process, const std::shared_ptr<bottle::Gate>& gate, const Wrongs& wrongs) {
  if (plan_.datasets.empty()) return;
  gate->registered = [this](const Dataset& dataset) { register_[dataset.id] = dataset; };
  gate->transfer_begun = [this](const auto& transfer) { begun(transfer); };
  gate->transfer_ended = [this](const auto& id, TransferEnd end) { ended(id, end); };
  gate->moving = [this](const Transfer& transfer) { moving(transfer); };
  datasets_ = bottle::gated_catalogue(parts_.store, gate);
  transfers_ = bottle::gated_transfers(parts_.store, gate);
  if (wrongs.datasets) datasets_ = wrongs.datasets(std::move(datasets_));
  if (wrongs.transfers) transfers_ = wrongs.transfers(std::move(transfers_));
  gated_mover_ = bottle::gated(mover_, gate);
  process.datasets = datasets_.get();
  process.transfers = transfers_.get();
  for (const auto& site : plan_.sites) {
    process.data.sites[SiteId(site.id)] = {
        .roots = {{kRoot, "/data"}}, .staging = kRoot, .lifetime = plan_.copies_last, .quota_bytes = {}, .quota_files = {}};
    for (const auto& other : plan_.sites) {
      if (other.id != site.id)
        process.data.links[{SiteId(site.id), SiteId(other.id)}] = {.mover = gated_mover_.get(), .per_second = {plan_.link_speed}};
    }
  }
}

void Depot::close() {
  gated_mover_.reset();
  transfers_.reset();
  datasets_.reset();
}

void Depot::heal() {
  mover_.silent = false;
  failing_.reset();
}

bool Depot::at_rest() const { return under_way_.empty(); }

TransferEnd Depot::end_of(const Transfer& transfer) {
  constexpr std::array kEnds{TransferEnd::unreachable, TransferEnd::checksum_mismatch, TransferEnd::no_space,
                             TransferEnd::tool_failed};
  if (failing_) {
    ++failed_;
    return kEnds[static_cast<std::size_t>(*std::exchange(failing_, std::nullopt)) % kEnds.size()];
  }
  ++moved_;
  parts_.sites.at(transfer.to.site.str()).whole.insert(transfer.dataset);
  return TransferEnd::moved;
}

void Depot::begun(const ports::BegunTransfer& begun) {
  const auto& transfer = begun.transfer;
  for (const auto& [id, other] : under_way_) {
    if (other.dataset == transfer.dataset && other.to.site == transfer.to.site)
      parts_.auditor.violation("I18", name_of(transfer) + " is begun, and is under way already");
  }
  under_way_.emplace(transfer.id, transfer);
}

void Depot::moving(const Transfer& transfer) {
  const auto at = under_way_.find(transfer.id);
  if (at == under_way_.end() || at->second != transfer)
    return parts_.auditor.violation("I18", name_of(transfer) + " is moved and not on record");
  for (const auto* end : {&transfer.from, &transfer.to}) {
    const auto& site = parts_.sites.at(end->site.str());
    if (site.suspended && site.suspended_at < parts_.time.now_monotonic())
      parts_.auditor.violation("I4", name_of(transfer) + " is moved, which the rules forbid");
  }
}

void Depot::ended(const TransferId& id, TransferEnd end) {
  const auto at = under_way_.find(id);
  if (at == under_way_.end()) return;  // told again
  const auto transfer = at->second;
  under_way_.erase(at);
  if (end != TransferEnd::moved) return;
  const auto* copy = register_.at(transfer.dataset).replica_at(transfer.to.site);
  if (copy == nullptr || !copy->verified)
    parts_.auditor.violation("I18", name_of(transfer) + " has ended, and no copy is registered");
}

}  // namespace hansa::sim
