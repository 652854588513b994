// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/certificate_carrier.hpp"

#include "connectors/remote/child_carrier.hpp"

#include <utility>

namespace hansa::connectors::remote {

using async::Task;

namespace {

class LoginLines final : public protocol::Lines {
 public:
  LoginLines(std::unique_ptr<protocol::Lines> lines, std::unique_ptr<KeyFiles> files)
      : lines_(std::move(lines)), files_(std::move(files)) {}

  Task<std::string> read() override {
    auto line = co_await lines_->read();
    files_.reset();
    co_return line;
  }
  Task<> write(std::string line) override { return lines_->write(std::move(line)); }
  boost::asio::awaitable<Error> end(Error why) override {
    why = co_await lines_->end(std::move(why));
    files_.reset();
    co_return why;
  }

 private:
  std::unique_ptr<protocol::Lines> lines_;
  std::unique_ptr<KeyFiles> files_;
};

}  // namespace

Task<std::unique_ptr<protocol::Lines>> CertificateCarrier::open(async::Deadline deadline) {
  const auto credential = co_await credentials_.of(login_, scheduler_.now_utc(), deadline);
  if (!credential) co_return std::unexpected(credential.error());
  auto files = credentials_.folder().write(**credential);
  if (!files) co_return std::unexpected(files.error());
  auto ssh = ssh_;
  ssh.user = login_.account.str();
  ssh.identity = (*files)->key();
  ssh.by_certificate = true;
  auto explain = [this, ssh](async::ChildEnd end, std::string words, Error why) {
    return told(ssh, end, std::move(words), std::move(why));
  };
  ChildCarrier carrier(scheduler_, log_, site_, ssh_command(ssh), std::move(explain));
  auto lines = co_await carrier.open(deadline);
  if (!lines) co_return std::unexpected(lines.error());
  co_return std::make_unique<LoginLines>(std::move(*lines), std::move(*files));
}

boost::asio::awaitable<Error> CertificateCarrier::told(SshOptions ssh, async::ChildEnd end, std::string words, Error why) {
  auto error = co_await explain_ssh(&scheduler_, std::move(ssh), end, std::move(words), std::move(why));
  if (error.code == "SSH_DENIED") {
    credentials_.forget(login_);
    error.code = "CREDENTIAL_REFUSED";
  }
  co_return error;
}

}  // namespace hansa::connectors::remote
