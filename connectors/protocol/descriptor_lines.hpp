// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lines over two descriptors: a child's pipes, or our own standard input and output.

#include "broker/core/descriptor.hpp"
#include "connectors/protocol/lines.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace hansa::connectors::protocol {

/// SIGPIPE must be ignored in this process. Whoever has the descriptors' other ends sees only whole lines.
class DescriptorLines : public Lines {
 public:
  /// unavailable (NOT_READABLE): they are closed, or the system does not let them be waited for.
  static Result<std::unique_ptr<DescriptorLines>> open(boost::asio::any_io_executor executor, Descriptor in, Descriptor out);

  async::Task<std::string> read() override;
  async::Task<> write(std::string line) override;
  boost::asio::awaitable<Error> end(Error why) override;

 protected:
  DescriptorLines(boost::asio::posix::stream_descriptor in, boost::asio::posix::stream_descriptor out)
      : in_(std::move(in)), out_(std::move(out)) {}
  void close_out();

 private:
  boost::asio::posix::stream_descriptor in_;
  boost::asio::posix::stream_descriptor out_;
  std::string buffer_;       // read, and not yet handed on
  std::size_t searched_ = 0; // of it, without a line's end
};

}  // namespace hansa::connectors::protocol
