// SPDX-License-Identifier: Apache-2.0
#pragma once
// A root behind a remote of rclone's, by rclone itself: what is there, no more. Nothing is brought there, so that nobody has to
// take its word for what arrived.

#include "connectors/mover/place.hpp"

namespace hansa::connectors::mover {

/// `rclone` is the program. One call of it for each question.
Result<std::unique_ptr<Place>> open_remote_place(const RemoteRoot& root, const std::string& rclone);

}  // namespace hansa::connectors::mover
