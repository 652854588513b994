// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurmrest/rest.hpp"

#include "broker/domain/task_array.hpp"
#include "broker/http/client_socket.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/slurmrest/lists.hpp"
#include "connectors/slurmrest/reply.hpp"
#include "connectors/slurmrest/submission.hpp"
#include "connectors/transport/transport.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::connectors::slurmrest {

using ports::Deadline;
using ports::Task;
using slurm::Configuration;
using slurm::HistoryRow;
using slurm::Inventory;
using slurm::Listing;
using slurm::QueueRow;
using slurm::Viewer;

namespace {

// slurmrestd and what stands before it read lines of some kilobytes. A longer selection is not made: one question about the whole
// time takes its place.
constexpr std::size_t kMaxSelection = 4000;

// As squeue and sacct know them, but those that are flags upon another: 0.0.38 would take them for PENDING.
constexpr std::string_view kEnded = "CANCELLED,COMPLETED,FAILED,TIMEOUT,NODE_FAIL,OUT_OF_MEMORY,PREEMPTED,BOOT_FAIL,DEADLINE";
constexpr Seconds kAhead{86'400};  // "now", whatever the site's clock says

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += ',';
    text += item;
  }
  return text;
}

/// A time that no time zone changes. In 22.05.8 it is the one form besides local time (rest.v0.0.38.dbjobs-start-epoch.out).
std::string uts(UtcTime when) { return "uts" + std::to_string(std::chrono::floor<Seconds>(when.time_since_epoch()).count()); }

/// The parts of a query: the text is encoded here.
std::string query(const std::vector<std::pair<std::string, std::string>>& parts) {
  std::string text;
  for (const auto& [name, value] : parts) {
    text += text.empty() ? '?' : '&';
    text.append(name).append("=").append(http::percent_encode(value));
  }
  return text;
}

/// For a client on another thread: what a request that got no answer means.
Error unanswered(Error error, const http::ClientOptions& options) {
  if (options.stop->load() && error.kind != ErrorKind::unknown_outcome) return async::detail::cancelled();
  if (error.code == "ANSWER_TOO_LARGE") {
    error.message += ": slurmrest.answer_limit_mib is for sites that have so many jobs";
    error.kind = ErrorKind::unavailable;
    error.code = "SITE_TRUNCATED";
  } else if (error.kind != ErrorKind::unknown_outcome) {
    // A certificate that has ended, authorities that cannot be read: the way is closed for now, nobody is refused.
    if (error.kind != ErrorKind::deadline_exceeded) error.kind = ErrorKind::unavailable;
    error.code = "SITE_DOWN";
  }
  return error;
}

}  // namespace

Rest::Rest(RestOptions options, TokenSource tokens, async::Scheduler& scheduler, boost::asio::thread_pool& pool)
    : options_(std::move(options)), tokens_(std::move(tokens), scheduler), scheduler_(scheduler), pool_(pool) {}

std::string Rest::user_of(const Viewer& viewer) const {
  return viewer.account.empty() ? options_.own_account : viewer.account.str();
}

/// What is known no longer holds.
void Rest::heed(const Error& error, const std::string& user) {
  if (error.code == "SITE_VERSION") {
    version_.reset();
    configuration_.reset();
  }
  // 0.0.38 tells a token that has ended from a controller that is down in nothing.
  if (error.code == "TOKEN_REFUSED" || error.code == "SITE_DOWN") tokens_.forget(user);
}

// ---- one request

/// A name's addresses are looked up anew now and then; while that fails those of before are used.
Task<std::vector<std::string>> Rest::addresses(Deadline deadline) {
  constexpr Milliseconds kGoodFor{60'000}, kTime{10'000};
  const auto now = scheduler_.now_monotonic();
  if (!options_.unix_socket.empty() || now < addresses_good_until_) co_return addresses_;
  std::function<Result<std::vector<std::string>>()> look = [host = options_.url.host] { return http::look_up(host); };
  auto found = http::is_address(options_.url.host) ? look()
                                                   : co_await names_.run<std::vector<std::string>>(
                                                         scheduler_, deadline.shortened_to(scheduler_, kTime), std::move(look));
  if (found && !found->empty()) {
    addresses_ = std::move(*found);
    addresses_good_until_ = now + kGoodFor;
  } else if (addresses_.empty()) {
    if (!found && found.error().kind == ErrorKind::cancelled) co_return std::unexpected(found.error());
    co_return fail(ErrorKind::unavailable, "SITE_DOWN",
                   "the address of " + options_.url.host +
                       ", where slurmrestd is, is not found: " + (found ? "it has none" : found.error().message));
  }
  co_return addresses_;
}

template <class T>
Task<T> Rest::call(std::string user, Request request, Reader<T> read, Deadline deadline) {
  auto token = co_await tokens_.of(user, deadline);
  if (!token) co_return std::unexpected(token.error());
  auto where = co_await addresses(deadline);
  if (!where) co_return std::unexpected(where.error());
  const auto left = deadline.remaining(scheduler_);
  if (left <= Milliseconds{0}) co_return std::unexpected(transport::deadline_passed());
  if (request.method == "GET") ++questions_asked_;
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  http::ClientOptions client{.token = std::move(*token),
                             .token_field = "X-SLURM-USER-TOKEN",
                             .ca_file = options_.ca_file,
                             .unix_socket = options_.unix_socket,
                             .addresses = std::move(*where),
                             .peer = "slurmrestd",
                             .user_agent = "hansad",
                             .connect_timeout = std::min(left, Milliseconds{10'000}),
                             .answer_timeout = left,
                             .answer_limit = options_.answer_limit,
                             .stop = stop};
  std::function<Result<T>()> work = [url = options_.url, client = std::move(client), user, request = std::move(request),
                                     read = std::move(read)]() -> Result<T> {
    if (client.stop->load()) return std::unexpected(transport::deadline_passed());  // it waited for a thread for too long
    http::Client::Fields fields{{"X-SLURM-USER-NAME", user}, {"Accept", "application/json"}, {"Connection", "close"}};
    if (!request.body.empty()) fields.emplace_back("Content-Type", "application/json");
    auto response = http::Client(url, client).request(request.method, request.target, fields, request.body);
    if (!response) return std::unexpected(unanswered(std::move(response.error()), client));
    return read(std::move(*response));
  };
  auto outcome = co_await async::on_thread<T>(pool_, stop, std::move(work));
  if (!outcome) heed(outcome.error(), user);
  co_return outcome;
}

template <class T>
Task<T> Rest::ask(std::string user, std::string daemon, std::string what, Result<T> (*read)(const JsonNode&), Deadline deadline) {
  const auto spoken = co_await version(deadline);
  if (!spoken) co_return std::unexpected(spoken.error());
  Request request{.target = '/' + daemon + '/' + spoken->str() + '/' + what};
  Reader<T> reader = [user, read](http::Response response) -> Result<T> {
    const auto reply = Reply::read(std::move(response));
    if (auto failure = failure_of(reply, user)) return std::unexpected(std::move(*failure));
    return read(reply.document->root());
  };
  co_return co_await call<T>(user, std::move(request), std::move(reader), deadline);
}

Task<ApiVersion> Rest::version(Deadline deadline) {
  if (version_) co_return *version_;
  const auto& user = options_.own_account;
  Reader<ApiVersion> reader = [user](http::Response response) -> Result<ApiVersion> {
    const auto reply = Reply::read(std::move(response));
    if (auto failure = failure_of(reply, user)) {
      if (failure->code == "SITE_VERSION") {
        failure->message = "what answers at slurmrest.url has no OpenAPI document (status 404): is it slurmrestd?";
      }
      return std::unexpected(std::move(*failure));
    }
    return choose_version(reply.document->root());
  };
  const auto chosen = co_await call<ApiVersion>(user, {.target = "/openapi.json"}, std::move(reader), deadline);
  if (!chosen) co_return std::unexpected(chosen.error());
  version_ = *chosen;
  co_return *chosen;
}

// ---- questions

Task<Listing<QueueRow>> Rest::queue(slurm::QueueQuestion question, Deadline deadline) {
  // No version selects: every answer has all jobs, ended ones that the controller remembers too.
  auto listing = co_await ask<Listing<QueueRow>>(user_of(question.viewer), "slurm", "jobs", read_queue, deadline);
  if (!listing) co_return std::unexpected(listing.error());
  if (listing->rows.empty() && !listing->dropped.empty()) {
    co_return fail(ErrorKind::internal, "SITE_GARBLED", "nothing of slurmrestd's list of jobs is understood",
                   listing->dropped.front().why);
  }
  co_return listing;
}

Task<Listing<HistoryRow>> Rest::runs(std::string user, std::string cluster, std::string query, Deadline deadline) {
  const auto spoken = co_await version(deadline);
  if (!spoken) co_return std::unexpected(spoken.error());
  Request request{.target = "/slurmdb/" + spoken->str() + "/jobs" + query};
  Reader<Listing<HistoryRow>> reader = [user, cluster](http::Response response) {
    const auto reply = Reply::read(std::move(response));
    // 0.0.38 calls it an error that there is none; later versions do not.
    if (reply.document && reply.has(kNothingFound) && reply.complaints.size() == 1) return Result<Listing<HistoryRow>>();
    if (auto failure = failure_of(reply, user)) return Result<Listing<HistoryRow>>(std::unexpected(std::move(*failure)));
    return read_history(reply.document->root(), cluster);
  };
  co_return co_await call<Listing<HistoryRow>>(user, std::move(request), std::move(reader), deadline);
}

Task<Listing<HistoryRow>> Rest::history(slurm::HistoryQuestion question, Deadline deadline) {
  const auto cluster = co_await cluster_name(deadline);
  if (!cluster) co_return std::unexpected(cluster.error());
  const auto spoken = co_await version(deadline);
  if (!spoken) co_return std::unexpected(spoken.error());
  const auto user = user_of(question.viewer);
  std::vector<std::pair<std::string, std::string>> parts{{"skip_steps", "true"}, {"cluster", *cluster}};
  // 0.0.38 shows every run unasked, and takes no word that it does not know.
  if (!spoken->is_plain()) parts.emplace_back("show_duplicates", "true");
  // Ids are an index of slurmdbd's: they need no time, and its MaxQueryTimeRange does not count there.
  if (const auto ids = joined(question.ids); !ids.empty() && ids.size() <= kMaxSelection) {
    parts.emplace_back("step", ids);
    co_return co_await runs(user, *cluster, query(parts), deadline);
  }
  if (const auto names = joined(question.names); !names.empty() && names.size() <= kMaxSelection)
    parts.emplace_back("job_name", names);
  parts.emplace_back("start_time", uts(question.from));
  parts.emplace_back("end_time", uts(question.to.value_or(scheduler_.now_utc() + kAhead)));
  auto with_states = parts;
  with_states.emplace_back("state", std::string(kEnded) + (question.only_ended ? "" : ",PENDING,RUNNING,SUSPENDED"));
  auto listing = co_await runs(user, *cluster, query(with_states), deadline);
  if (!listing || !question.only_ended) co_return listing;
  // Asked by states, those that were requeued are left out; asked without, those that were cancelled before they could start are
  // (22.05.8).
  auto others = co_await runs(user, *cluster, query(parts), deadline);
  if (!others) co_return std::unexpected(others.error());
  std::ranges::copy_if(others->rows, std::back_inserter(listing->rows),
                       [](const HistoryRow& row) { return row.state == "REQUEUED"; });
  std::ranges::move(others->dropped, std::back_inserter(listing->dropped));
  in_order_of_runs(*listing);
  co_return listing;
}

namespace {

template <Result<void> (*read)(const JsonNode&, Inventory&)>
Result<Inventory> read_part(const JsonNode& root) {
  Inventory part;
  if (auto done = read(root, part); !done) return std::unexpected(done.error());
  part.configuration = read_meta(root);
  return part;
}

Result<std::vector<std::string>> read_cluster_names(const JsonNode& root) { return read_clusters(root); }

}  // namespace

Task<Inventory> Rest::inventory(Deadline deadline) {
  const auto& user = options_.own_account;
  auto nodes = co_await ask<Inventory>(user, "slurm", "nodes", read_part<read_nodes>, deadline);
  if (!nodes) co_return std::unexpected(nodes.error());
  auto partitions = co_await ask<Inventory>(user, "slurm", "partitions", read_part<read_partitions>, deadline);
  if (!partitions) co_return std::unexpected(partitions.error());
  auto reservations = co_await ask<Inventory>(user, "slurm", "reservations", read_part<read_reservations>, deadline);
  if (!reservations) co_return std::unexpected(reservations.error());
  if (nodes->nodes.empty() || partitions->partitions.empty()) {
    co_return fail(ErrorKind::internal, "SITE_GARBLED", "slurmrestd tells of no node or no partition that is understood",
                   nodes->dropped.empty() ? "" : nodes->dropped.front().why);
  }
  nodes->partitions = std::move(partitions->partitions);
  nodes->reservations = std::move(reservations->reservations);
  for (auto* part : {&*partitions, &*reservations}) std::ranges::move(part->dropped, std::back_inserter(nodes->dropped));
  auto& configuration = nodes->configuration;
  configuration.hides_jobs = options_.private_jobs;
  if (options_.max_array_size > 1) configuration.max_array_size = options_.max_array_size;
  if (!configuration.cluster.empty() && !options_.cluster.empty() && configuration.cluster != options_.cluster) {
    co_return fail(ErrorKind::unavailable, "SITE_CLUSTER",
                   "slurmrestd speaks for cluster \"" + batch::words_of(configuration.cluster) +
                       "\", and slurmrest.cluster is \"" + options_.cluster + '"');
  }
  if (configuration.cluster.empty()) configuration.cluster = options_.cluster;
  if (configuration.cluster.empty() && configuration_) configuration.cluster = configuration_->cluster;
  if (configuration.cluster.empty()) {
    const auto clusters = co_await ask<std::vector<std::string>>(user, "slurmdb", "clusters", read_cluster_names, deadline);
    if (!clusters) co_return std::unexpected(clusters.error());
    if (clusters->size() != 1) {
      co_return fail(ErrorKind::unavailable, "SITE_CLUSTER",
                     "slurmrestd does not say which of " + std::to_string(clusters->size()) +
                         " clusters of the accounting it speaks for: write its name (ClusterName) into slurmrest.cluster");
    }
    configuration.cluster = clusters->front();
  }
  configuration_ = configuration;
  co_return std::move(*nodes);
}

Task<Configuration> Rest::configuration(Deadline deadline) {
  if (!configuration_) {
    if (const auto asked = co_await inventory(deadline); !asked) co_return std::unexpected(asked.error());
  }
  co_return *configuration_;
}

Task<std::string> Rest::cluster_name(Deadline deadline) {
  if (!options_.cluster.empty()) co_return options_.cluster;
  const auto known = co_await configuration(deadline);
  if (!known) co_return std::unexpected(known.error());
  co_return known->cluster;
}

Task<std::vector<Viewer>> Rest::viewers_of(std::vector<ports::SiteJob> jobs, Deadline /*deadline*/) {
  if (!options_.private_jobs) co_return std::vector<Viewer>(1);
  co_return batch::viewers_among(jobs);
}

// ---- jobs

Task<ports::SubmitReceipt> Rest::submit(Viewer as, ApiVersion version, std::string body, Deadline deadline) {
  const auto user = user_of(as);
  Request request{.method = "POST", .target = "/slurm/" + version.str() + "/job/submit", .body = std::move(body)};
  Reader<ports::SubmitReceipt> reader = [user](http::Response response) { return read_receipt(std::move(response), user); };
  auto receipt = co_await call<ports::SubmitReceipt>(user, std::move(request), std::move(reader), deadline);
  // An answer that was too long is an answer to a job that went out.
  if (!receipt && receipt.error().code == "SITE_TRUNCATED") receipt.error().kind = ErrorKind::unknown_outcome;
  if (!receipt && receipt.error().kind == ErrorKind::unknown_outcome) {
    // Whatever it was, the next call looks again at what it has relied on.
    tokens_.forget(user);
    version_.reset();
  }
  co_return receipt;
}

Task<std::optional<QueueRow>> Rest::job(Viewer as, SiteJobId id, Deadline deadline) {
  const auto user = user_of(as);
  const auto spoken = co_await version(deadline);
  if (!spoken) co_return std::unexpected(spoken.error());
  Reader<std::optional<QueueRow>> reader = [user, id](http::Response response) -> Result<std::optional<QueueRow>> {
    const auto reply = Reply::read(std::move(response));
    if (reply.document && reply.has(kInvalidJobId)) return std::nullopt;
    if (auto failure = failure_of(reply, user)) return std::unexpected(std::move(*failure));
    auto listing = read_queue(reply.document->root());
    if (!listing) return std::unexpected(listing.error());
    const auto row = std::ranges::find_if(
        listing->rows, [&](const QueueRow& each) { return (each.array_id.empty() ? each.id : each.array_id) == id.str(); });
    return row == listing->rows.end() ? std::nullopt : std::optional(std::move(*row));
  };
  Request request{.target = "/slurm/" + spoken->str() + "/job/" + http::percent_encode(id.str())};
  co_return co_await call<std::optional<QueueRow>>(user, std::move(request), std::move(reader), deadline);
}

Task<> Rest::change(std::string user, std::string method, SiteJobId id, std::string body, Deadline deadline) {
  const auto spoken = co_await version(deadline);
  if (!spoken) co_return std::unexpected(spoken.error());
  Request request{.method = std::move(method),
                  .target = "/slurm/" + spoken->str() + "/job/" + http::percent_encode(id.str()),
                  .body = std::move(body)};
  co_return co_await send_change(std::move(user), std::move(request), deadline);
}

Task<> Rest::send_change(std::string user, Request request, Deadline deadline) {
  Reader<void> reader = [user](http::Response response) -> Result<void> {
    const auto reply = Reply::read(std::move(response));
    if (auto failure = failure_of_change(reply, user)) return std::unexpected(std::move(*failure));
    return {};
  };
  auto done = co_await call<void>(user, std::move(request), std::move(reader), deadline);
  // It may be repeated: that its outcome is not known is only a failure.
  if (!done && done.error().kind == ErrorKind::unknown_outcome) done.error().kind = ErrorKind::unavailable;
  co_return done;
}

Task<> Rest::hold(Viewer as, SiteJobId id, bool hold, Deadline deadline) {
  return change(user_of(as), "POST", std::move(id), hold_body(hold), deadline);
}

Task<> Rest::end(Viewer as, SiteJobId id, std::vector<std::int32_t> tasks, Deadline deadline) {
  const auto user = user_of(as);
  if (tasks.empty()) co_return co_await change(user, "DELETE", std::move(id), "", deadline);
  const auto spoken = co_await version(deadline);
  if (!spoken) co_return std::unexpected(spoken.error());
  // 0.0.38 hands the id on as it is written; since then that path means the whole array whatever task it names (24.05's source),
  // and a list of jobs has one of its own.
  if (spoken->is_plain())
    co_return co_await change(user, "DELETE", SiteJobId(id.str() + '_' + domain::task_ranges(tasks)), "", deadline);
  Request request{.method = "DELETE", .target = "/slurm/" + spoken->str() + "/jobs/", .body = end_body(id, tasks)};
  co_return co_await send_change(user, std::move(request), deadline);
}

// ---- a look at it

namespace {

Result<std::optional<std::string>> read_ping(const JsonNode& root) {
  const auto* pings = root.find("pings");
  if (pings == nullptr || !pings->is_array() || pings->members().empty())
    return fail(ErrorKind::internal, "SITE_GARBLED", "slurmrestd's answer has no list \"pings\"");
  std::string words;
  for (const auto& one : pings->members()) {  // one of several controllers is enough
    const auto* responds = one.find("responding");
    const auto older = text(one.find("ping")).value_or(""), newer = text(one.find("pinged")).value_or("");
    if (older == "UP" || newer == "UP" || (responds != nullptr && responds->kind == JsonNode::Kind::boolean && responds->truth))
      return std::optional<std::string>();
    words += (words.empty() ? "" : "; ") + batch::words_of(std::string(text(one.find("hostname")).value_or("?"))) + " is " +
             (older.empty() && newer.empty() ? "silent" : batch::words_of(std::string(older.empty() ? newer : older)));
  }
  return std::optional(words);
}

Result<UtcTime> read_clock(const JsonNode& root) {
  const auto told = time(at(root, "statistics/req_time"));
  if (told && *told) return **told;
  return fail(ErrorKind::internal, "SITE_GARBLED", "slurmrestd's statistics tell no time (req_time)");
}

}  // namespace

Task<std::optional<std::string>> Rest::ping(Deadline deadline) {
  return ask<std::optional<std::string>>(options_.own_account, "slurm", "ping", read_ping, deadline);
}

Task<UtcTime> Rest::clock(Deadline deadline) { return ask<UtcTime>(options_.own_account, "slurm", "diag", read_clock, deadline); }

Task<std::optional<UtcTime>> Rest::token_of(Viewer as, Deadline deadline) {
  const auto user = user_of(as);
  tokens_.forget(user);
  const auto token = co_await tokens_.of(user, deadline);
  if (!token) co_return std::unexpected(token.error());
  co_return tokens_.end_of(user).value_or(std::nullopt);
}

}  // namespace hansa::connectors::slurmrest
