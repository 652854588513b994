// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/play_forward.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <tuple>

namespace hansa::routing {
namespace {

Instant floor_seconds(UtcTime t) { return to_unix_seconds(t); }
Instant ceil_seconds(UtcTime t) { return std::chrono::ceil<Seconds>(t).time_since_epoch().count(); }

/// Jobs of one queue that ask for the same per node. Counts the nodes that could give it, so that most jobs of a full site
/// are passed over by one comparison.
struct Class {
  std::uint32_t queue = 0;             // index into facts.queues
  Demand demand;                       // of any member; only per_node, gpu_model and whole are common
  std::int64_t nodes_free_now = 0;     // at this moment
  std::int64_t nodes_free_past = 0;    // at this moment and when the reservation starts: for jobs that last so long
};

/// Waiting jobs that are equal but for their place in line.
struct Shape {
  std::uint32_t of_class = 0;
  Demand demand;
  Instant ready = 0;
  std::vector<std::uint32_t> line;     // rising places in the group's line
  std::size_t next = 0;                // the first of them that has not started
  /// A start was searched and none found before this. Room is only ever taken, so it stays a lower bound.
  Instant not_before = kBeginning;
  [[nodiscard]] bool finished() const { return next == line.size(); }
};

/// One place in a group's line.
struct Waiter {
  std::uint32_t job = 0;               // index into SiteSnapshot::waiting
  std::uint32_t shape = 0;
  bool settled = false;                // has its start, or never will
};

/// Plays one group of queues that share nodes.
class Group {
 public:
  Group(Played& played, std::vector<std::uint32_t> queues, Instant now, std::int64_t effort)
      : played_(played), queues_(std::move(queues)), start_(now), effort_(effort) {
    std::vector<bool> seen(played.fleet.size(), false);
    for (const auto queue : queues_) {
      for (const auto node : played_.facts.queues[queue].nodes) {
        if (!seen[node]) nodes_.push_back(node);
        seen[node] = true;
      }
    }
    std::ranges::sort(nodes_);
    free_now_.resize(played.fleet.size());
    free_past_.resize(played.fleet.size());
    changes_at_.resize(played.fleet.size(), kForever);
    in_queue_.resize(played.facts.queues.size());
    for (const auto queue : queues_) {
      in_queue_[queue].resize(played.fleet.size(), false);
      for (const auto node : played_.facts.queues[queue].nodes) in_queue_[queue][node] = true;
    }
  }

  /// In the order of the line.
  void add(std::uint32_t job, std::uint32_t queue, const Demand& demand, Instant ready) {
    const auto [cls, new_class] =
        class_numbers_.try_emplace({queue, demand.gpu_model, demand.whole, demand.per_node}, static_cast<std::uint32_t>(classes_.size()));
    if (new_class) classes_.push_back({.queue = queue, .demand = demand});
    const auto [shape, new_shape] =
        shape_numbers_.try_emplace({cls->second, demand, ready}, static_cast<std::uint32_t>(shapes_.size()));
    if (new_shape) shapes_.push_back({.of_class = cls->second, .demand = demand, .ready = ready, .line = {}});
    shapes_[shape->second].line.push_back(static_cast<std::uint32_t>(line_.size()));
    line_.push_back({.job = job, .shape = shape->second});
  }

  void play() {
    if (line_.empty()) return;
    for (std::uint32_t i = 0; i < shapes_.size(); ++i) waiting_shapes_.push_back(i);
    for (const auto node : nodes_) look_at(node, start_);
    for (Instant now = start_;;) {
      settle(now);
      std::erase_if(waiting_shapes_, [&](auto shape) { return shapes_[shape].finished(); });
      if (waiting_shapes_.empty()) return;
      if (effort_ <= 0) return count_backlog(now);
      const auto next = next_change(now);
      if (next >= start_ + kHorizon) return;
      now = next;
      for (const auto node : nodes_) {
        if (changes_at_[node] <= now) look_at(node, now);
      }
    }
  }

 private:
  [[nodiscard]] const std::vector<std::uint32_t>& candidates(const Shape& shape) const {
    return played_.facts.queues[classes_[shape.of_class].queue].nodes;
  }

  /// Brings what is known of a node up to `now`.
  void look_at(std::uint32_t node, Instant now) {
    const auto& timeline = played_.fleet[node];
    const auto index = timeline.index_at(now);
    const auto& free = timeline.steps()[index].free;
    const auto past = reserved_until_ ? least(free, timeline.free_at(*reserved_until_)) : free;
    changes_at_[node] = index + 1 < timeline.steps().size() ? timeline.steps()[index + 1].from : kForever;
    if (free == free_now_[node] && past == free_past_[node]) return;
    effort_ -= static_cast<std::int64_t>(classes_.size()) * 2;
    for (auto& cls : classes_) {
      const auto& need = played_.fleet.need(node, cls.demand);
      const int now_more = int{free.holds(need)} - int{free_now_[node].holds(need)};
      const int past_more = int{past.holds(need)} - int{free_past_[node].holds(need)};
      if ((now_more == 0 && past_more == 0) || !in_queue_[cls.queue][node] || !played_.fleet.suits(node, cls.demand)) continue;
      cls.nodes_free_now += now_more;
      cls.nodes_free_past += past_more;
    }
    free_now_[node] = free;
    free_past_[node] = past;
  }

  void reserve_until(std::optional<Instant> start, Instant now) {
    reserved_until_ = start;
    effort_ -= static_cast<std::int64_t>(nodes_.size()) * 8;
    for (const auto node : nodes_) look_at(node, now);
  }

  [[nodiscard]] Instant next_change(Instant now) {
    effort_ -= static_cast<std::int64_t>(nodes_.size() / 4 + waiting_shapes_.size());
    auto next = reserved_until_.value_or(kForever);
    if (next <= now) next = kForever;
    for (const auto node : nodes_) next = std::min(next, changes_at_[node]);
    for (const auto shape : waiting_shapes_) {
      if (shapes_[shape].ready > now) next = std::min(next, shapes_[shape].ready);
    }
    return next;
  }

  /// Everything that starts, or gets the reservation, at `now`.
  void settle(Instant now) {
    if (reserved_until_ && *reserved_until_ <= now) reserve_until(std::nullopt, now);
    while (!reserved_until_) {
      const auto place = first_in_line(now);
      if (!place) return;
      auto& shape = shapes_[line_[*place].shape];
      if (start(shape, now)) continue;
      const auto at = earliest(shape, now);
      if (!at) {
        give_up(shape);
        continue;
      }
      effort_ -= static_cast<std::int64_t>(candidates(shape).size());
      place_next(shape, *at, played_.fleet.pick(candidates(shape), shape.demand, *at), now);
      reserve_until(*at, now);
    }
    backfill(now);
  }

  void backfill(Instant now) {
    using Entry = std::pair<std::uint32_t, std::uint32_t>;  // place in line, shape
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> tries;
    const auto offer = [&](std::uint32_t number) {
      const auto& shape = shapes_[number];
      if (!shape.finished() && may_start(shape, now)) tries.emplace(shape.line[shape.next], number);
    };
    for (const auto number : waiting_shapes_) offer(number);
    while (!tries.empty()) {
      const auto number = tries.top().second;
      tries.pop();
      if (start(shapes_[number], now)) offer(number);
    }
  }

  [[nodiscard]] std::optional<std::size_t> first_in_line(Instant now) {
    while (first_ < line_.size() && line_[first_].settled) ++first_;
    for (std::size_t place = first_; place < line_.size(); ++place) {
      --effort_;
      if (!line_[place].settled && shapes_[line_[place].shape].ready <= now) return place;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool may_start(const Shape& shape, Instant now) const {
    if (shape.ready > now || shape.not_before > now) return false;
    const auto& cls = classes_[shape.of_class];
    const bool lasts = reserved_until_ && now + shape.demand.duration > *reserved_until_;
    return (lasts ? cls.nodes_free_past : cls.nodes_free_now) >= shape.demand.nodes;
  }

  /// Starts the first job of this shape at `now` if it fits for its whole limit.
  bool start(Shape& shape, Instant now) {
    if (!may_start(shape, now)) return false;
    std::vector<std::uint32_t> nodes;
    effort_ -= static_cast<std::int64_t>(candidates(shape).size());
    for (const auto node : candidates(shape)) {
      const auto& need = played_.fleet.need(node, shape.demand);
      if (!free_now_[node].holds(need) || !played_.fleet.suits(node, shape.demand)) continue;
      effort_ -= 4;
      if (!played_.fleet[node].holds(now, now + shape.demand.duration, need)) continue;
      nodes.push_back(node);
      if (nodes.size() == static_cast<std::size_t>(shape.demand.nodes)) {
        place_next(shape, now, std::move(nodes), now);
        return true;
      }
    }
    if (!earliest(shape, now)) give_up(shape);
    return false;
  }

  /// None if it is beyond the horizon.
  std::optional<Instant> earliest(Shape& shape, Instant now) {
    effort_ -= static_cast<std::int64_t>(candidates(shape).size()) * 16;
    const auto at = played_.fleet.earliest(candidates(shape), shape.demand, now);
    if (!at || *at >= start_ + kHorizon) return std::nullopt;
    shape.not_before = *at;
    return at;
  }

  void give_up(Shape& shape) {
    for (; !shape.finished(); ++shape.next) line_[shape.line[shape.next]].settled = true;
  }

  void place_next(Shape& shape, Instant at, std::vector<std::uint32_t> nodes, Instant now) {
    auto& waiter = line_[shape.line[shape.next++]];
    waiter.settled = true;
    played_.fleet.take(nodes, at, shape.demand);
    effort_ -= static_cast<std::int64_t>(nodes.size()) * 8;
    for (const auto node : nodes) look_at(node, now);
    played_.starts[waiter.job] = PlayedStart{.at = at, .nodes = std::move(nodes)};
  }

  /// What has not started by `now` as a fluid over the capacity of the group's usable nodes.
  void count_backlog(Instant now) {
    constexpr std::int64_t kMostInGroup = 100'000'000;  // shares in milliseconds below stay within 64 bits
    std::int64_t cores = 0;
    std::int64_t gpus = 0;
    std::int64_t nodes = 0;
    for (const auto node : nodes_) {
      const auto& kind = played_.facts.kinds[played_.facts.kind_of[node]];
      if (!kind.usable) continue;
      ++nodes;
      cores = std::min(cores + kind.room.cores, kMostInGroup);
      gpus = std::min(gpus + kind.room.gpus, kMostInGroup);
    }
    std::int64_t milliseconds = 0;
    for (const auto number : waiting_shapes_) {
      const auto& shape = shapes_[number];
      const auto share = [&](std::int64_t per_node, std::int64_t capacity) {
        if (capacity == 0) return std::int64_t{0};
        const auto taken = std::min(shape.demand.nodes * std::min(per_node, kMostInGroup), capacity);
        return taken * shape.demand.duration * 1000 / capacity;
      };
      const auto each = shape.demand.whole
                            ? share(1, nodes)
                            : std::max(share(shape.demand.per_node.cores, cores), share(shape.demand.per_node.gpus, gpus));
      milliseconds += each * static_cast<std::int64_t>(shape.line.size() - shape.next);
      milliseconds = std::min(milliseconds, kHorizon * 1000);
    }
    for (const auto queue : queues_) {
      played_.facts.queues[queue].backlog_from = now;
      played_.facts.queues[queue].backlog_until = std::min(now + milliseconds / 1000, start_ + kHorizon);
    }
  }

  Played& played_;
  std::vector<std::uint32_t> queues_;
  Instant start_;
  std::int64_t effort_;                             // what is left of it

  std::vector<std::uint32_t> nodes_;                // of all queues of the group, rising
  std::vector<Room> free_now_;                      // by node
  std::vector<Room> free_past_;                     // by node: the least of now and when the reservation starts
  std::vector<Instant> changes_at_;                 // by node: when free_now_ ends
  std::vector<std::vector<bool>> in_queue_;         // by queue and node
  std::vector<Class> classes_;
  std::vector<Shape> shapes_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, bool, Room>, std::uint32_t> class_numbers_;
  std::map<std::tuple<std::uint32_t, Demand, Instant>, std::uint32_t> shape_numbers_;
  std::vector<std::uint32_t> waiting_shapes_;       // not finished
  std::vector<Waiter> line_;
  std::size_t first_ = 0;                           // everything before it in line is settled
  std::optional<Instant> reserved_until_;           // the start of the job that holds the reservation
};

/// For each queue the number of its group: queues that share a node are in one.
std::vector<std::uint32_t> group_queues(const SiteFacts& facts) {
  std::vector<std::uint32_t> parent(facts.queues.size());
  for (std::uint32_t i = 0; i < parent.size(); ++i) parent[i] = i;
  const auto root = [&](std::uint32_t i) {
    while (parent[i] != i) i = parent[i];
    return i;
  };
  std::vector<std::optional<std::uint32_t>> owner(facts.kind_of.size());
  for (std::uint32_t queue = 0; queue < parent.size(); ++queue) {
    for (const auto node : facts.queues[queue].nodes) {
      if (owner[node]) parent[root(queue)] = root(*owner[node]);
      owner[node] = queue;
    }
  }
  for (std::uint32_t i = 0; i < parent.size(); ++i) parent[i] = root(i);
  return parent;
}

Fleet fleet_at(const domain::SiteSnapshot& snapshot, const SiteFacts& facts, Instant now) {
  std::vector<Timeline> timelines;
  timelines.reserve(facts.kind_of.size());
  for (const auto kind : facts.kind_of) { timelines.emplace_back(facts.kinds[kind].usable ? facts.kinds[kind].room : Room{}); }
  const auto usable = [&](std::uint32_t node) { return node < timelines.size() && facts.kinds[facts.kind_of[node]].usable; };
  for (const auto& running : snapshot.running) {
    for (const auto& share : running.shares) {
      if (usable(share.node)) { timelines[share.node].add(kBeginning, counted_end(running.expected_end, now), -room_of(share)); }
    }
  }
  for (const auto& reservation : snapshot.reservations) {
    const auto from = std::max(floor_seconds(reservation.start), now);
    const auto until = std::min(ceil_seconds(reservation.end), now + kHorizon);
    for (const auto node : reservation.nodes) {
      if (usable(node)) timelines[node].add(from, until, -facts.kinds[facts.kind_of[node]].room);
    }
  }
  return {std::move(timelines), facts.models_of_nodes(), facts.rooms_of_nodes()};
}

}  // namespace

Instant counted_end(UtcTime expected_end, Instant now) {
  const auto end = ceil_seconds(expected_end);
  return end <= now ? now + kPastDueGrace.count() : std::min(end, now + kHorizon);
}

Room room_of(const domain::NodeShare& share) {
  return {.cores = std::max(share.cores, 0),
          .memory_mib = std::clamp<std::int64_t>(share.memory.value, 0, kMostOnNode),
          .gpus = std::max(share.gpus, 0)};
}

Played play_forward(const domain::SiteSnapshot& snapshot, UtcTime now_utc, std::int64_t effort) {
  const auto now = floor_seconds(now_utc);
  Played played{.facts = facts_of(snapshot), .fleet = {}, .starts = {}};
  played.fleet = fleet_at(snapshot, played.facts, now);
  played.starts.resize(snapshot.waiting.size());

  struct InLine {
    std::int32_t tier = 0;
    std::int64_t priority = 0;
    std::uint32_t job = 0;
    std::uint32_t queue = 0;
  };
  std::map<QueueName, std::int32_t> tiers;
  for (const auto& queue : snapshot.queues) tiers.try_emplace(queue.name, queue.priority_tier);
  std::vector<InLine> line;
  for (std::uint32_t job = 0; job < snapshot.waiting.size(); ++job) {
    const auto& waiting = snapshot.waiting[job];
    const auto* queue = played.facts.find(waiting.queue);
    if (queue == nullptr || !queue->up || (!waiting.eligible && !waiting.eligible_at)) continue;
    line.push_back({tiers[waiting.queue], waiting.priority, job, static_cast<std::uint32_t>(queue - played.facts.queues.data())});
  }
  std::ranges::sort(line, [](const InLine& a, const InLine& b) {
    return std::tie(b.tier, b.priority, a.job) < std::tie(a.tier, a.priority, b.job);
  });

  const auto group_of = group_queues(played.facts);
  std::map<std::uint32_t, std::vector<InLine>> lines;
  for (const auto& entry : line) lines[group_of[entry.queue]].push_back(entry);
  for (const auto& [number, group_line] : lines) {
    std::vector<std::uint32_t> queues;
    for (std::uint32_t queue = 0; queue < group_of.size(); ++queue) {
      if (group_of[queue] == number) queues.push_back(queue);
    }
    // Each group gets its share, so that a deep one does not leave the others unplayed.
    const auto share = std::max<std::int64_t>(effort / static_cast<std::int64_t>(line.size()), 1);
    Group group(played, std::move(queues), now, share * static_cast<std::int64_t>(group_line.size()));
    for (const auto& entry : group_line) {
      const auto& waiting = snapshot.waiting[entry.job];
      const auto unlimited = played.facts.queues[entry.queue].max_time.value_or(Seconds{kHorizon});
      const auto demand =
          demand_at(played.facts, waiting.resources, waiting.time_limit.count() > 0 ? waiting.time_limit : unlimited);
      if (!demand) continue;
      const auto ready = waiting.eligible_at ? std::max(ceil_seconds(*waiting.eligible_at), now) : now;
      group.add(entry.job, entry.queue, *demand, ready);
    }
    group.play();
  }
  return played;
}

}  // namespace hansa::routing
