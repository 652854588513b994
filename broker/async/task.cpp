// SPDX-License-Identifier: Apache-2.0
#include "broker/async/task.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace hansa::async {

Error to_error(const std::exception_ptr& exception) {
  const auto internal = [](std::string detail) {
    return Error{.kind = ErrorKind::internal,
                 .code = "INTERNAL",
                 .message = "internal error; the broker's log has the details",
                 .detail = std::move(detail)};
  };
  try {
    std::rethrow_exception(exception);
  } catch (const boost::system::system_error& e) {
    return e.code() == boost::asio::error::operation_aborted ? detail::cancelled() : internal(e.what());
  } catch (const std::exception& e) { return internal(e.what()); } catch (...) {
    return internal("an exception that is no std::exception");
  }
}

namespace detail {

Error cancelled() { return {.kind = ErrorKind::cancelled, .code = "CANCELLED", .message = "cancelled"}; }

Error deadline_exceeded() {
  return {.kind = ErrorKind::deadline_exceeded,
          .code = "DEADLINE_EXCEEDED",
          .message = "not done within its time limit",
          .retryable = true};
}

}  // namespace detail
}  // namespace hansa::async
