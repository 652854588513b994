// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/descriptor_lines.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>

#include <memory>

namespace hansa::connectors::protocol {

namespace asio = boost::asio;

namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

std::unexpected<Error> ended() {
  return fail(ErrorKind::unavailable, "CONNECTION_ENDED", "the other end has closed the connection");
}

}  // namespace

std::string excerpt(std::string_view text, std::size_t most) {
  std::string shown = "\"";
  for (const char c : text.substr(0, most)) shown += c >= ' ' && c < 0x7F && c != '"' ? c : '?';
  if (text.size() > most) shown += "...";
  return shown + '"';
}

Result<std::unique_ptr<DescriptorLines>> DescriptorLines::open(asio::any_io_executor executor, Descriptor in, Descriptor out) {
  asio::posix::stream_descriptor from(executor);
  asio::posix::stream_descriptor to(executor);
  boost::system::error_code failed;
  for (auto [stream, descriptor] : {std::pair(&from, &in), std::pair(&to, &out)}) {
    stream->assign(descriptor->get(), failed);
    if (failed) break;
    (void)descriptor->release();
    stream->non_blocking(true, failed);
    if (failed) break;
  }
  if (failed) {
    return fail(ErrorKind::unavailable, "NOT_READABLE", "the protocol's input or output cannot be used: " + failed.message());
  }
  return std::unique_ptr<DescriptorLines>(new DescriptorLines(std::move(from), std::move(to)));
}

async::Task<std::string> DescriptorLines::read() {
  while (true) {
    if (const auto end = buffer_.find('\n', searched_); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      searched_ = 0;
      co_return line;
    }
    searched_ = buffer_.size();
    if (buffer_.size() > kMaxLineBytes) {
      co_return fail(ErrorKind::too_large, "LINE_TOO_LONG",
                     "a line of more than 8 MiB came from the other end, which begins with " + excerpt(buffer_) +
                         ": it does not speak the connector protocol, or not this version of it");
    }
    buffer_.resize(searched_ + kReadBytes);
    const auto [failed, count] = co_await in_.async_read_some(asio::buffer(buffer_.data() + searched_, kReadBytes), kAsTuple);
    buffer_.resize(searched_ + count);
    if (!failed) continue;
    if (failed == asio::error::operation_aborted)
      co_return fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "this end has closed the connection");
    if (buffer_.empty()) co_return ended();
    co_return fail(ErrorKind::unavailable, "CONNECTION_CUT",
                   "the connection ended within a line, which begins with " + excerpt(buffer_));
  }
}

async::Task<> DescriptorLines::write(std::string line) {
  line += '\n';
  const auto [failed, count] = co_await asio::async_write(out_, asio::buffer(line), kAsTuple);
  // Who reads by lines may take one that ends with the connection for a whole one: without its last byte it has left as well.
  if (count + 1 >= line.size()) co_return Result<void>{};
  co_return ended();
}

void DescriptorLines::close_out() {
  boost::system::error_code ignored;
  out_.close(ignored);
}

asio::awaitable<Error> DescriptorLines::end(Error why) {
  boost::system::error_code ignored;
  in_.close(ignored);
  close_out();
  co_return why;
}

}  // namespace hansa::connectors::protocol
