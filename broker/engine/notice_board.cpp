// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/notice_board.hpp"

#include "broker/domain/variant.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace hansa::engine {
namespace {

void append(std::string& key, std::int64_t part) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), part).ptr;
  key.push_back('\n');
  key.append(digits.data(), end);
}

}  // namespace

std::string shape_of(const domain::Job& job) {
  const auto& r = job.spec.resources;
  std::string key;
  key.reserve(128);
  key += job.owner.str();
  for (const std::int64_t part :
       {std::int64_t{r.nodes}, std::int64_t{r.tasks}, std::int64_t{r.cpus_per_task}, r.memory_per_node.value,
        std::int64_t{r.gpus_per_node}, std::int64_t{r.exclusive}, job.spec.time_limit.count()}) {
    append(key, part);
  }
  key.append("\n").append(r.gpu_model).append("\n").append(job.spec.project.str());
  for (const auto& site : job.spec.placement.sites) key.append("\ns").append(site.str());
  for (const auto& country : job.spec.placement.countries) key.append("\nc").append(country);
  for (const auto& dataset : job.spec.datasets) key.append("\nd").append(dataset.str());
  if (!job.spec.array.empty()) key.append("\nt").append(domain::to_text(job.array_left()));
  for (const auto& label : job.spec.labels) key.append("\nl").append(label.str());
  if (job.spec.software != domain::Software{}) key.append("\nw").append(canonical_json(domain::to_json(job.spec.software)));
  if (!job.spec.variants.empty()) key.append("\nv").append(canonical_json(domain::variants_to_json(job.spec.variants)));
  return key;
}

std::optional<Foresight> NoticeBoard::foresee(const domain::Job& job, MonotonicTime now) const {
  const auto shape = shape_of(job);
  Foresight foresight;
  std::shared_ptr<const Notice> notice;
  {
    const std::lock_guard lock(mutex_);
    foresight.round = round_;
    if (news_) return foresight;
    if (!anybody_waits_) return std::nullopt;
    if (const auto at = notices_.find(shape); at != notices_.end()) notice = at->second;
  }
  if (notice && now < notice->good_until) {
    foresight.events.push_back(notice->word);
    foresight.decision = notice->decision;
  }
  return foresight;
}

void NoticeBoard::outlook(std::int64_t round, bool news, bool anybody_waits) {
  const std::lock_guard lock(mutex_);
  round_ = round;
  news_ = news;
  anybody_waits_ = anybody_waits;
}

void NoticeBoard::put_up(const std::string& shape, std::shared_ptr<const Notice> notice) {
  const std::lock_guard lock(mutex_);
  if (notice)
    notices_.insert_or_assign(shape, std::move(notice));
  else
    notices_.erase(shape);
}

void NoticeBoard::take_all_down() {
  const std::lock_guard lock(mutex_);
  notices_.clear();
}

}  // namespace hansa::engine
