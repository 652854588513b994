// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/login_file.hpp"

#include "broker/cli/durable_file.hpp"
#include "broker/cli/files.hpp"
#include "broker/core/time_text.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hansa::cli {
namespace {

constexpr std::size_t kMostLoginBytes = std::size_t{1} << 20;
constexpr std::size_t kLoginDepth = 4;

std::string folder_of(const config::Environment& environment) {
  const char* home = environment("HOME");
  return home == nullptr || *home != '/' ? std::string() : std::string(home) + "/.config/hansa";
}

std::string member_text(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::unexpected<Error> unreadable_login(const std::string& path, const std::string& why) {
  return fail(ErrorKind::invalid_argument, "LOGIN_UNREADABLE",
              path + " cannot be used: " + why + "; remove it, and run hansa login");
}

}  // namespace

bool LoginFile::exists(const config::Environment& environment) {
  const auto folder = folder_of(environment);
  return !folder.empty() && ::access((folder + "/login.json").c_str(), F_OK) == 0;
}

Result<LoginFile> LoginFile::open(const config::Environment& environment) {
  const auto folder = folder_of(environment);
  if (folder.empty()) return fail(ErrorKind::not_found, "NO_HOME", "HOME is not set: there is no place for a login");
  const auto parent = folder.substr(0, folder.rfind('/'));
  (void)::mkdir(parent.c_str(), 0700);
  (void)::mkdir(folder.c_str(), 0700);
  Descriptor lock(::open((folder + "/login.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0)
    return fail(ErrorKind::invalid_argument, "CANNOT_WRITE", folder + " cannot be written: " + std::strerror(errno));
  LoginFile file(folder + "/login.json", std::move(lock));
  if (auto read = file.read(); !read) return std::unexpected(read.error());
  return file;
}

Result<void> LoginFile::read() {
  const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return {};
  if (!file) return unreadable_login(path_, errno == ELOOP ? "it is a symbolic link" : std::strerror(errno));
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return unreadable_login(path_, "it is no file");
  if (facts.st_uid != ::geteuid() || (facts.st_mode & 077U) != 0)
    return fail(ErrorKind::permission_denied, "LOGIN_EXPOSED",
                path_ +
                    " is not yours alone: run hansa logout, chmod 600 it if others should not have been able to read it, and "
                    "hansa login anew");
  auto text = read_all(file.get(), path_, kMostLoginBytes);
  if (!text) return std::unexpected(text.error());
  const auto json = parse_json(*text, kLoginDepth);
  const auto list = json && json->is_object() ? json->find("logins") : Json::const_iterator{};
  if (!json || !json->is_object() || list == json->end() || !list->is_array())
    return unreadable_login(path_, "it holds no logins");
  for (const auto& entry : *list) {
    if (!entry.is_object()) return unreadable_login(path_, "it holds no logins");
    const auto expires = parse_utc(member_text(entry, "expires_at"));
    logins_.push_back({.broker = member_text(entry, "broker"),
                       .issuer = {.id = member_text(entry, "issuer"),
                                  .name = {},
                                  .url = member_text(entry, "issuer_url"),
                                  .client = member_text(entry, "client_id"),
                                  .scope = member_text(entry, "scope"),
                                  .resource = member_text(entry, "resource"),
                                  .ca_file = {},
                                  .token_url = member_text(entry, "token_endpoint"),
                                  .revocation_url = member_text(entry, "revocation_endpoint"),
                                  .audience = member_text(entry, "audience")},
                       .tokens = {.access = Secret(member_text(entry, "access_token")),
                                  .refresh = Secret(member_text(entry, "refresh_token")),
                                  .expires_at = expires ? *expires : UtcTime{}}});
  }
  return {};
}

Result<void> LoginFile::write() {
  Json list = Json::array();
  for (const auto& login : logins_) {
    list.push_back({{"broker", login.broker},
                    {"issuer", login.issuer.id},
                    {"issuer_url", login.issuer.url},
                    {"client_id", login.issuer.client},
                    {"scope", login.issuer.scope},
                    {"resource", login.issuer.resource},
                    {"audience", login.issuer.audience},
                    {"token_endpoint", login.issuer.token_url},
                    {"revocation_endpoint", login.issuer.revocation_url},
                    {"access_token", login.tokens.access.reveal()},
                    {"refresh_token", login.tokens.refresh.reveal()},
                    {"expires_at", format_utc(login.tokens.expires_at)}});
  }
  const Secret text(Json{{"logins", std::move(list)}}.dump(2) + "\n");
  auto file = DurableFile::create(path_, false, DurableFile::Existing::replace);
  if (!file) return std::unexpected(file.error());
  if (auto written = file->append(text.reveal()); !written) return written;
  return file->finish();
}

const Login* LoginFile::of(const std::string& broker) const {
  const auto at = std::ranges::find(logins_, broker, &Login::broker);
  return at == logins_.end() ? nullptr : &*at;
}

Result<void> LoginFile::keep(Login login) {
  std::erase_if(logins_, [&](const Login& one) { return one.broker == login.broker; });
  logins_.push_back(std::move(login));
  return write();
}

Result<void> LoginFile::remove(const std::string& broker) {
  std::erase_if(logins_, [&](const Login& one) { return one.broker == broker; });
  return write();
}

}  // namespace hansa::cli
