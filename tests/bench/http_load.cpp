// SPDX-License-Identifier: Apache-2.0
// One thread that loads an HTTP/1.1 server over N kept-alive connections and checks each answer. Closed loop: a connection sends
// again as soon as it has its answer. Open loop (--rate): requests fall due at a fixed rate whatever the server does, and a
// latency counts from when its request was due, so that a server that stalls cannot hide the requests it kept waiting.
//
// Plain sockets and epoll, nothing of Hansa's own HTTP: the load is the same program for whatever is measured. It shares the
// machine with that, so it does little: a request is built once for each connection and gets a new key in its place, of an answer
// only the status, the length and the id are read. On standard output, one JSON object. Exit status 1: an answer was not as
// expected (the first such one is on standard error).

#include <arpa/inet.h>
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;

constexpr std::chrono::seconds kDrain{10};  // for the answers that are still out at the end
constexpr std::size_t kReadSize = 65'536;
constexpr std::size_t kKeyDigits = 10;

struct Options {
  std::uint16_t port = 0;
  std::string method = "POST";
  std::string target;
  std::string targets_file;  // one target a line, chosen at random
  std::string body_file;
  std::vector<std::string> headers;
  std::string key_header;  // with a new value in each request
  std::string id_field = "id";  // of the JSON answer: present, not empty, not 0
  std::set<int> statuses{200, 201};
  std::size_t connections = 1;
  double seconds = 1;
  double warmup = 0.3;  // seconds before that, not counted
  double rate = 0;  // requests a second; 0: closed loop
  std::string ids_file;  // where the ids of all answers go, warm-up too
  int cpu = -1;  // the only core to run on
};

struct Connection {
  int fd = -1;
  std::string in;
  std::string out;
  std::size_t key_at = 0;  // where the digits of its key stand in it
  std::size_t sent = 0;
  std::string expected;  // id that the answer must carry; "" for any
  bool busy = false;
  Moment due;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "http_load: %s\n", what.c_str());
  std::exit(2);
}

Moment::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Moment::duration>(std::chrono::duration<double>(seconds));
}
double seconds_between(Moment from, Moment to) { return std::chrono::duration<double>(to - from).count(); }

/// "HTTP/1.1 201 Created" -> 201; what it is of the whole answer: npos while it is not complete.
struct Answer {
  int status = 0;
  std::string_view body;
  bool closes = false;
};

/// The value of a header field; "" if there is none. `name` begins with the end of the line before: "\r\ncontent-length:".
std::string_view header_of(std::string_view head, std::string_view name) {
  for (auto at = head.find("\r\n"); at != std::string_view::npos && at + name.size() <= head.size();
       at = head.find("\r\n", at + 2)) {
    if (::strncasecmp(head.data() + at, name.data(), name.size()) != 0) continue;
    const auto from = std::min(head.find_first_not_of(' ', at + name.size()), head.size());
    return head.substr(from, head.find("\r\n", from) - from);
  }
  return {};
}

/// Nothing while it is incomplete. An answer without a Content-Length (chunked) is more than this client needs to know.
bool take_answer(std::string_view in, Answer& answer) {
  const auto head_end = in.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return false;
  const auto head = in.substr(0, head_end);
  const auto number = [](std::string_view text, auto& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
  };
  std::size_t length = 0;
  if (head.size() < 12 || !number(head.substr(9), answer.status) || !number(header_of(head, "\r\ncontent-length:"), length))
    die("the answer is not understood: " + std::string(in.substr(0, 300)));
  if (in.size() < head_end + 4 + length) return false;
  answer.body = in.substr(head_end + 4, length);
  const auto connection = header_of(head, "\r\nconnection:");
  answer.closes = connection.size() == 5 && ::strncasecmp(connection.data(), "close", 5) == 0;
  return true;
}

/// The value of a field, without its quotes; "" if there is none. Enough for an id in a short answer.
std::string_view field_of(std::string_view json, std::string_view name) {
  for (auto at = json.find(name); at != std::string_view::npos; at = json.find(name, at + 1)) {
    if (at == 0 || json[at - 1] != '"') continue;
    auto from = at + name.size();
    if (from >= json.size() || json[from] != '"') continue;
    from = json.find_first_not_of("\" :\t\r\n", from);
    if (from == std::string_view::npos) return {};
    return json.substr(from, json.find_first_of("\",}] \t\r\n", from) - from);
  }
  return {};
}

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)) {
    if (!options_.targets_file.empty()) {
      std::ifstream lines(options_.targets_file);
      for (std::string line; std::getline(lines, line);) targets_.push_back(line);
      if (targets_.empty()) die("no targets in " + options_.targets_file);
    }
    if (!options_.body_file.empty()) {
      std::ifstream file(options_.body_file, std::ios::binary);
      if (!file) die("cannot read " + options_.body_file);
      body_.assign(std::istreambuf_iterator<char>(file), {});
    }
    for (const auto& header : options_.headers) head_ += header + "\r\n";
    if (!body_.empty()) head_ += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body_.size()) + "\r\n";
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    connections_.resize(options_.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) connect(i);
  }

  int run() {
    const auto begin = Clock::now();
    counted_from_ = begin + duration_of(options_.warmup);
    end_ = counted_from_ + duration_of(options_.seconds);
    const auto give_up = end_ + kDrain;
    for (std::size_t i = 0; i < connections_.size(); ++i) free_.push_back(i);
    std::array<epoll_event, 256> events{};
    while (true) {
      const auto now = Clock::now();
      launch(now, begin);
      if (now >= end_ && (outstanding_ == 0 || now >= give_up)) break;
      const auto until = options_.rate > 0 && now < end_
                             ? std::min(next_due(begin), end_)
                             : std::min(now < end_ ? end_ : give_up, now + std::chrono::milliseconds{100});
      const auto pause = std::max<std::int64_t>(0, std::chrono::nanoseconds(until - now).count());
      const timespec wait{.tv_sec = pause / 1'000'000'000, .tv_nsec = pause % 1'000'000'000};
      const int ready = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &wait, nullptr);
      for (int i = 0; i < ready; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        auto& connection = connections_[event.data.u64];
        if ((event.events & EPOLLOUT) != 0) flush(connection, event.data.u64);
        if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(connection, event.data.u64);
      }
    }
    return report();
  }

 private:
  void connect(std::size_t index) {
    auto& connection = connections_[index];
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      die(std::string("connect: ") + std::strerror(errno));
    const int on = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(connection.fd, F_SETFL, ::fcntl(connection.fd, F_GETFL) | O_NONBLOCK);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = index}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
    connection.in.clear();
  }

  [[nodiscard]] Moment next_due(Moment begin) const {
    return begin + duration_of(static_cast<double>(launched_) / options_.rate);
  }

  void launch(Moment now, Moment begin) {
    if (options_.rate > 0) {
      for (auto due = next_due(begin); due <= now && due < end_; due = next_due(begin)) {
        waiting_.push_back(due);
        ++launched_;
        ++outstanding_;
      }
      while (!waiting_.empty() && !free_.empty()) {
        send(take_free(), waiting_.front());
        waiting_.pop_front();
      }
    } else if (now < end_) {
      while (!free_.empty()) {
        ++launched_;
        ++outstanding_;
        send(take_free(), Clock::now());
      }
    }
  }

  std::size_t take_free() {
    const auto index = free_.front();
    free_.pop_front();
    return index;
  }

  void send(std::size_t index, Moment due) {
    auto& connection = connections_[index];
    if (!targets_.empty()) {
      const std::string_view target = targets_[random_() % targets_.size()];
      connection.expected = target.substr(target.rfind('/') + 1);
      build(connection, target);
    } else if (connection.out.empty()) {
      build(connection, options_.target);
    }
    if (connection.key_at > 0) {
      auto number = ++keys_;
      for (auto at = connection.key_at + kKeyDigits; at-- > connection.key_at; number /= 10)
        connection.out[at] = static_cast<char>('0' + number % 10);
    }
    connection.sent = 0;
    connection.due = due;
    connection.busy = true;
    flush(connection, index);
  }

  void build(Connection& connection, std::string_view target) const {
    connection.out = options_.method;
    connection.out.append(" ").append(target).append(" HTTP/1.1\r\nHost: 127.0.0.1\r\n").append(head_);
    if (!options_.key_header.empty()) {
      connection.out.append(options_.key_header).append(": ").append(std::to_string(::getpid())).append("-");
      connection.key_at = connection.out.size();
      connection.out.append(kKeyDigits, '0').append("-").append(std::to_string(salt_)).append("\r\n");
    }
    connection.out.append("\r\n").append(body_);
  }

  void flush(Connection& connection, std::size_t index) {
    while (connection.sent < connection.out.size()) {
      const auto wrote =
          ::send(connection.fd, connection.out.data() + connection.sent, connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (wrote < 0 && errno != EAGAIN) die(std::string("send: ") + std::strerror(errno));
      if (wrote < 0) break;
      connection.sent += static_cast<std::size_t>(wrote);
    }
    const bool more = connection.sent < connection.out.size();
    if (more || (!writing_.empty() && writing_.contains(index))) {
      epoll_event event{.events = more ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.u64 = index}};
      ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
      more ? void(writing_.insert(index)) : void(writing_.erase(index));
    }
  }

  void receive(Connection& connection, std::size_t index) {
    char buffer[kReadSize];
    const auto got = ::recv(connection.fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      if (connection.busy) die("the server closed the connection without an answer");
      return connect(index);
    }
    std::string_view in(buffer, static_cast<std::size_t>(got));
    if (!connection.in.empty()) in = connection.in.append(in);
    Answer answer;
    if (!take_answer(in, answer)) {
      if (connection.in.empty()) connection.in = in;
      return;
    }
    count(connection, answer);
    connection.in.clear();
    connection.busy = false;
    --outstanding_;
    if (answer.closes) connect(index);
    free_.push_back(index);
    launch_now(connection);
  }

  /// In a closed loop at once, without a turn through the events of others.
  void launch_now(const Connection&) {
    if (options_.rate == 0) launch(Clock::now(), {});
  }

  void count(const Connection& connection, const Answer& answer) {
    const auto now = Clock::now();
    const auto id = field_of(answer.body, options_.id_field);
    ++statuses_[answer.status];
    const bool good = options_.statuses.contains(answer.status) && !id.empty() && id != "0" && id != "null" &&
                      (connection.expected.empty() || id == connection.expected);
    if (!good && ++bad_ == 1) {
      std::fprintf(stderr, "http_load: unexpected answer %d: %.*s\n", answer.status,
                   static_cast<int>(std::min<std::size_t>(answer.body.size(), 600)), answer.body.data());
    }
    if (good && !options_.ids_file.empty()) ids_.append(id).push_back('\n');
    if (!good || connection.due < counted_from_) return;
    latencies_.push_back(seconds_between(connection.due, now) * 1e3);
    if (now <= end_) ++answered_in_time_;
  }

  int report() {
    std::ranges::sort(latencies_);
    const auto percentile = [&](double p) {
      return latencies_.empty() ? 0.0
                                : latencies_[std::min(latencies_.size() - 1,
                                                      static_cast<std::size_t>(p * static_cast<double>(latencies_.size())))];
    };
    if (!options_.ids_file.empty()) {
      std::ofstream out(options_.ids_file);
      out << ids_;
      out.close();
      if (!out) die("cannot write " + options_.ids_file);
    }
    std::string statuses;
    for (const auto& [status, number] : statuses_)
      statuses += (statuses.empty() ? "\"" : ", \"") + std::to_string(status) + "\": " + std::to_string(number);
    std::printf(
        "{\"connections\": %zu, \"rate\": %.0f, \"seconds\": %.3f, \"answered\": %zu, \"per_second\": %.1f, \"unanswered\": %zu, "
        "\"bad\": %zu, "
        "\"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"statuses\": {%s}}\n",
        options_.connections, options_.rate, options_.seconds, latencies_.size(),
        static_cast<double>(answered_in_time_) / options_.seconds, outstanding_, bad_, percentile(0.5), percentile(0.9),
        percentile(0.99), latencies_.empty() ? 0.0 : latencies_.back(), statuses.c_str());
    return bad_ == 0 ? 0 : 1;
  }

  Options options_;
  std::vector<std::string> targets_;
  std::string body_;
  std::string head_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;  // connections without a request
  std::deque<Moment> waiting_;  // open loop: requests that fell due while all were busy
  std::set<std::size_t> writing_;  // connections whose socket took only a part
  std::mt19937_64 random_{7};
  const std::uint64_t salt_ = std::random_device{}();

  Moment counted_from_;
  Moment end_;
  std::size_t launched_ = 0;
  std::size_t outstanding_ = 0;
  std::size_t keys_ = 0;
  std::size_t bad_ = 0;
  std::size_t answered_in_time_ = 0;
  std::vector<double> latencies_;
  std::map<int, std::size_t> statuses_;
  std::string ids_;  // a line each
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App command("Loads an HTTP server and checks each answer.");
  command.add_option("--port", options.port)->required();
  command.add_option("--method", options.method);
  command.add_option("--target", options.target);
  command.add_option("--targets", options.targets_file);
  command.add_option("--body", options.body_file);
  command.add_option("--header", options.headers);
  command.add_option("--key-header", options.key_header);
  command.add_option("--id-field", options.id_field);
  command.add_option("--status", options.statuses);
  command.add_option("--connections", options.connections)->check(CLI::Range(1, 1024));
  command.add_option("--seconds", options.seconds);
  command.add_option("--warmup", options.warmup);
  command.add_option("--rate", options.rate);
  command.add_option("--ids", options.ids_file);
  command.add_option("--cpu", options.cpu);
  CLI11_PARSE(command, argc, argv);
  if (options.cpu >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(options.cpu), &cores);
    if (::sched_setaffinity(0, sizeof cores, &cores) != 0) die(std::string("sched_setaffinity: ") + std::strerror(errno));
  }
  return Load(std::move(options)).run();
}
