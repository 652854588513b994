// SPDX-License-Identifier: Apache-2.0
#pragma once
// The lives of the broker's process, one after the other on one store, and what is done to it and to its surroundings.

#include "tests/sim/depot.hpp"
#include "tests/sim/mishaps.hpp"
#include "tests/sim/people.hpp"
#include "tests/sim/world.hpp"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim {

class Lives final : public ports::Accounts, public ports::Log {
 public:
  /// The sites are there already.
  Lives(World& world, People& people, Mishaps& mishaps);
  ~Lives() override { end(); }

  void begin(const Item& item);
  void start();
  void end();
  [[nodiscard]] MonotonicTime starts_at() const { return start_at_; }
  void start_soon() { start_at_ = world_.time.now_monotonic(); }
  void heal();
  [[nodiscard]] Depot& depot() { return *depot_; }
  [[nodiscard]] std::vector<domain::UsageRecord> ledger();

  // ---- what the broker asks of its surroundings
  [[nodiscard]] Result<LocalAccount> account_of(const Principal& person, const SiteId& site) const override;
  [[nodiscard]] std::vector<ProjectId> projects_of(const Principal&) const override { return {ProjectId("lab")}; }
  void write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) override;

 private:
  void open_gate();
  [[nodiscard]] engine::SiteSetup set_up(const std::string& id, PlayedSite& site);
  void pass(bottle::Gate& gate, const bottle::Point& point);
  void fill_disk(bool full);
  void suspend(PlayedSite& site, bool suspended);
  [[nodiscard]] engine::Regulations regulations() const;
  void compare_store();
  template <class T>
  T read(async::Task<T> task) {
    return bottle::read(world_.time, std::move(task));
  }

  World& world_;
  People& people_;
  Mishaps& mishaps_;
  std::unique_ptr<store::SqliteStore> store_;
  std::optional<Depot> depot_;
  std::vector<std::pair<const Item*, int>> armed_;     // crash points, and how often each was passed
  std::set<std::pair<std::string, std::string>> withdrawn_;
  std::set<std::string> dropped_;
  bool full_ = false;
  MonotonicTime start_at_{};
  Milliseconds down_for_;

  std::shared_ptr<bottle::Gate> gate_;
  std::unique_ptr<bottle::Stores> stores_;
  std::unique_ptr<bottle::Process> process_;
};

}  // namespace hansa::sim
