// SPDX-License-Identifier: Apache-2.0
#pragma once
// A folder of messages that appears whole or not at all: DIR/outgoing is a queue as APEL's ssmsend takes it (path_type: dirq; the
// "simple" queue of dirq, whose folders are named by eight hex digits and whose messages by fourteen), beside it what belongs to
// none of them.

#include "broker/cli/durable_file.hpp"
#include "broker/core/clock.hpp"

namespace hansa::cli {

class MessageFolder {
 public:
  /// Written beside `path` first, as "PATH.new". conflict, FILE_EXISTS: one of the two is there already.
  static Result<MessageFolder> create(std::string path, bool others_may_read, UtcTime now);
  /// What was not finished is removed.
  ~MessageFolder();
  MessageFolder(MessageFolder&& other) noexcept;
  MessageFolder& operator=(MessageFolder&&) = delete;

  /// The message's name beneath the folder. Names rise with time and with each message, as dirq's own do.
  Result<std::string> add_message(std::string_view text);
  /// A file beside the queue, to be finished by the caller.
  Result<DurableFile> add_file(const std::string& name);
  Result<void> finish();

 private:
  MessageFolder(std::string path, bool others_may_read, UtcTime now)
      : path_(std::move(path)), others_may_read_(others_may_read), microseconds_(to_unix_ms(now) * 1'000) {}

  std::string path_;  // "": given up, or finished
  bool others_may_read_;
  std::int64_t microseconds_;  // since 1970, of the next message
  std::string queue_;  // the folder that was made last
};

}  // namespace hansa::cli
