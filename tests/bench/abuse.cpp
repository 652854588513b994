// SPDX-License-Identifier: Apache-2.0
// What a broker on the open internet meets, from 250 networks of loopback (127.X.Y.1): connections that say nothing, which are
// opened anew when the server closes them, and at a fixed rate, whatever the server does, connections that each misbehave in one
// way, by turns: a token that is none, a guess a second on a connection that is kept, garbage, a body framed twice, a header byte
// by byte. One thread, epoll. It says "ready" once all idle ones have been open, runs until SIGTERM, and then tells in one JSON
// object what became of it.

#include <arpa/inet.h>
#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Moment = Clock::time_point;

constexpr std::chrono::milliseconds kDrop{100};  // between two bytes of a slow one
constexpr std::size_t kMostOpen = 20'000;
constexpr unsigned kNetworks = 250;

volatile std::sig_atomic_t stopping = 0;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "abuse: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

enum class Way { idle, bad_token, kept_guess, garbage, framed_twice, slow };
constexpr std::array kTurns{Way::bad_token, Way::garbage, Way::framed_twice, Way::slow, Way::kept_guess};

std::string_view bytes_of(Way way) {
  switch (way) {
    case Way::idle: return "";
    case Way::bad_token:
      return "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hansa_guess\r\nConnection: close\r\n\r\n";
    case Way::kept_guess: return "GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hansa_guess\r\n\r\n";
    case Way::garbage: return "\x16\x03\x01\x02\x01\xff\xfe rubbish\n\n\r\n\r\n";
    case Way::framed_twice:
      return "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
             "GET /v1/issuers HTTP/1.1\r\nHost: x\r\n\r\n";
    case Way::slow: return "GET /v1/jobs HTTP/1.1\r\nX: ";
  }
  return "";
}

struct Connection {
  Way way = Way::idle;
  unsigned generation = 0;  // descriptors are used again
  bool open = false;
};

class Abuse {
 public:
  Abuse(std::uint16_t port, std::size_t idle, unsigned rate) : port_(port), idle_(idle), rate_(rate) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(kMostOpen, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < idle + 2'000) die("too few descriptors (ulimit -Hn)");
    connections_.resize(kMostOpen);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  }

  int run() {
    const auto began = Clock::now();
    while (opened_[Way::idle] < idle_ && stopping == 0) {
      open(Way::idle);
      if (opened_[Way::idle] % 64 == 0) receive(0);
    }
    std::printf("ready\n");
    std::fflush(stdout);
    const auto from = Clock::now();
    for (std::size_t sent = 0, again = 0; stopping == 0;) {
      const auto due = static_cast<std::size_t>(std::chrono::duration<double>(Clock::now() - from).count() * rate_);
      for (; sent < due; ++sent) open(kTurns.at(sent % kTurns.size()));
      for (; again < due && idle_open_ < idle_; ++again) open(Way::idle);
      again = std::max(again, due > 100 ? due - 100 : 0);  // at the same rate as all else
      drip();
      receive(2);
    }
    report(std::chrono::duration<double>(Clock::now() - began).count());
    return 0;
  }

 private:
  void open(Way way) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || static_cast<std::size_t>(fd) >= connections_.size()) {
      if (fd >= 0) ::close(fd);
      ++no_room_;
      return;
    }
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl((127U << 24U) | ((1 + next_network_ % 5) << 16U) | ((1 + next_network_ / 5 % 50) << 8U) | 1U);
    next_network_ = (next_network_ + 1) % kNetworks;
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(port_);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ++opened_[way];
    // Loopback connects at once, or not at all.
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
        ::connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
      ::close(fd);
      ++refused_;
      return;
    }
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    auto& connection = connections_[static_cast<std::size_t>(fd)];
    connection = {.way = way, .generation = connection.generation + 1, .open = true};
    if (way == Way::idle) ++idle_open_;
    const auto bytes = bytes_of(way);
    if (!bytes.empty()) (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (way == Way::slow) slow_.push_back({.fd = fd, .generation = connection.generation, .next = Clock::now() + kDrop});
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void close(int fd) {
    auto& connection = connections_[static_cast<std::size_t>(fd)];
    if (!connection.open) return;
    connection.open = false;
    if (connection.way == Way::idle) --idle_open_;
    ::close(fd);
  }

  void drip() {
    const auto now = Clock::now();
    while (!slow_.empty() && slow_.front().next <= now) {
      auto one = slow_.front();
      slow_.pop_front();
      const auto& connection = connections_[static_cast<std::size_t>(one.fd)];
      if (!connection.open || connection.generation != one.generation) continue;
      (void)::send(one.fd, "y", 1, MSG_NOSIGNAL);
      one.next = now + kDrop;
      slow_.push_back(one);
    }
  }

  void receive(int wait_ms) {
    std::array<epoll_event, 512> events{};
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < ready; ++i) {
      const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
      auto& connection = connections_[static_cast<std::size_t>(fd)];
      std::array<char, 8'192> buffer{};
      const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) {
        ++(connection.way == Way::idle ? idle_closed_ : closed_);
        close(fd);
        continue;
      }
      const std::string_view answer(buffer.data(), static_cast<std::size_t>(got));
      if (answer.starts_with("HTTP/1.1 ")) ++statuses_[std::string(answer.substr(9, 3))];
      // Its answer is a reason to ask again.
      if (connection.way == Way::kept_guess)
        (void)::send(fd, bytes_of(connection.way).data(), bytes_of(connection.way).size(), MSG_NOSIGNAL);
    }
  }

  void report(double seconds) {
    std::string statuses;
    for (const auto& [status, count] : statuses_)
      statuses += (statuses.empty() ? "\"" : ", \"") + status + "\": " + std::to_string(count);
    std::size_t abuse = 0;
    for (const auto way : kTurns) abuse += opened_[way];
    std::printf(
        "{\"seconds\": %.1f, \"idle_opened\": %zu, \"idle_closed\": %zu, \"idle_open\": %zu, \"abuse\": %zu, \"closed\": %zu, "
        "\"refused\": %zu, \"no_room\": %zu, \"statuses\": {%s}}\n",
        seconds, opened_[Way::idle], idle_closed_, idle_open_, abuse, closed_, refused_, no_room_, statuses.c_str());
  }

  struct Slow {
    int fd;
    unsigned generation;
    Moment next;
  };

  const std::uint16_t port_;
  const std::size_t idle_;
  const unsigned rate_;
  int epoll_ = -1;
  unsigned next_network_ = 0;
  std::vector<Connection> connections_;  // by descriptor
  std::deque<Slow> slow_;                // whose turn is next, first
  std::map<Way, std::size_t> opened_;
  std::map<std::string, std::size_t> statuses_;
  std::size_t idle_open_ = 0, idle_closed_ = 0, closed_ = 0, refused_ = 0, no_room_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  std::size_t idle = 10'000;
  unsigned rate = 500;
  int cpu = -1;
  CLI::App command("Misbehaves towards an HTTP server in every way that is cheap.");
  command.add_option("--port", port)->required();
  command.add_option("--idle", idle, "Connections that say nothing");
  command.add_option("--rate", rate, "Others that misbehave, a second");
  command.add_option("--cpu", cpu, "The only core to run on");
  CLI11_PARSE(command, argc, argv);
  if (cpu >= 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(cpu), &cores);
    if (::sched_setaffinity(0, sizeof cores, &cores) != 0) die("sched_setaffinity");
  }
  struct sigaction stop{};
  stop.sa_handler = [](int) { stopping = 1; };
  ::sigaction(SIGTERM, &stop, nullptr);
  return Abuse(port, idle, rate).run();
}
