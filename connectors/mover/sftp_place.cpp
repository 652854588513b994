// SPDX-License-Identifier: Apache-2.0
#include "connectors/mover/sftp_place.hpp"

#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/sftp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <deque>

namespace hansa::connectors::mover {
namespace {

using domain::TransferEnd;

constexpr long kConnectSeconds = 15;
constexpr int kSilenceSeconds = 60;
constexpr std::uint32_t kPiece = 32'768;      // what every server takes
constexpr std::size_t kPiecesOnTheWay = 32;   // a mebibyte: fills a link of 100 ms at 10 MB/s

template <auto Function>
struct Free {
  template <typename T>
  void operator()(T* thing) const {
    Function(thing);
  }
};
struct EndSession {
  void operator()(ssh_session session) const {
    ssh_disconnect(session);
    ssh_free(session);
  }
};
using Session = std::unique_ptr<std::remove_pointer_t<ssh_session>, EndSession>;
using Sftp = std::unique_ptr<std::remove_pointer_t<sftp_session>, Free<sftp_free>>;
using Key = std::unique_ptr<std::remove_pointer_t<ssh_key>, Free<ssh_key_free>>;
using Attributes = std::unique_ptr<std::remove_pointer_t<sftp_attributes>, Free<sftp_attributes_free>>;
using Folder = std::unique_ptr<std::remove_pointer_t<sftp_dir>, Free<sftp_closedir>>;
using File = std::unique_ptr<std::remove_pointer_t<sftp_file>, Free<sftp_close>>;
using Volume = std::unique_ptr<std::remove_pointer_t<sftp_statvfs_t>, Free<sftp_statvfs_free>>;
using Text = std::unique_ptr<char, Free<ssh_string_free_char>>;

class SftpPlace final : public Place {
 public:
  SftpPlace(Session session, Sftp sftp, std::string folder)
      : session_(std::move(session)), sftp_(std::move(sftp)), folder_(std::move(folder)) {}

  Result<Kind> look_at(const std::string& path) override {
    // Its folders first: a server would follow a link among them.
    for (auto end = path.find('/');; end = path.find('/', end + 1)) {
      const auto part = path.substr(0, end);
      const auto kind = look_at_one(part);
      if (!kind || *kind != Kind::folder || end == std::string::npos) return kind;
    }
  }

  Result<FoundTree> list(const std::string& path) override {
    if (auto known = expect_folder(path); !known) return std::unexpected(std::move(known.error()));
    FoundTree tree;
    std::vector<std::string> ahead{""};
    while (!ahead.empty()) {
      const auto at = std::move(ahead.back());
      ahead.pop_back();
      const auto where = at.empty() ? path : path + "/" + at;
      const auto each = [&](const std::string& name, const sftp_attributes_struct& found) -> Result<void> {
        if (found.type == SSH_FILEXFER_TYPE_DIRECTORY) {
          ++tree.folders;
          ahead.push_back(joined(at, name));
        } else if (found.type == SSH_FILEXFER_TYPE_REGULAR) {
          tree.files.push_back({.path = joined(at, name), .size = {static_cast<std::int64_t>(found.size)}});
        } else {
          return stop(TransferEnd::unsuitable_file, "the dataset has a link or a special file, which no copy of it could hold",
                      full(where + "/" + name));
        }
        return {};
      };
      if (auto listed = list_one(where, each); !listed) return std::unexpected(std::move(listed.error()));
    }
    return tree;
  }

  Result<void> read(const std::string& path, const TakeBytes& take) override {
    const File file(sftp_open(sftp_.get(), full(path).c_str(), O_RDONLY, 0));
    if (!file) return trouble("cannot open a file", path);
    const Attributes now(sftp_fstat(file.get()));
    if (!now) return trouble("cannot open a file", path);
    std::string buffer(kPiece, '\0');
    std::uint64_t got_so_far = 0;
    const auto take_piece = [&](ssize_t got) {
      got_so_far += static_cast<std::uint64_t>(got);
      return take(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    };

    // Many questions on their way, but none past the end: libssh 0.10 never takes the answers that come after the first "end of
    // file" from its queue. A short answer ends this, too: the rest is asked for one by one.
    std::deque<std::uint32_t> asked;
    for (std::uint64_t next = 0; next + kPiece <= now->size || !asked.empty();) {
      if (asked.size() < kPiecesOnTheWay && next + kPiece <= now->size) {
        const int id = sftp_async_read_begin(file.get(), kPiece);
        if (id < 0) return trouble("cannot read a file", path);
        asked.push_back(static_cast<std::uint32_t>(id));
        next += kPiece;
        continue;
      }
      const int got = sftp_async_read(file.get(), buffer.data(), kPiece, asked.front());
      asked.pop_front();
      if (got < 0) return trouble("cannot read a file", path);
      if (!take_piece(got)) return stop(TransferEnd::cancelled, "cancelled");
      if (static_cast<std::uint32_t>(got) < kPiece) break;
    }
    for (const auto id : asked) (void)sftp_async_read(file.get(), buffer.data(), kPiece, id);
    if (sftp_seek64(file.get(), got_so_far) != 0) return trouble("cannot read a file", path);
    for (;;) {
      const auto got = sftp_read(file.get(), buffer.data(), kPiece);
      if (got < 0) return trouble("cannot read a file", path);
      if (got == 0) return {};
      if (!take_piece(got)) return stop(TransferEnd::cancelled, "cancelled");
    }
  }

  Result<FreeSpace> free_space() override {
    const Volume volume(sftp_statvfs(sftp_.get(), folder_.c_str()));
    // A server without the extension: the copy finds out.
    if (!volume && is_connected()) return FreeSpace{.bytes = {std::numeric_limits<std::int64_t>::max()}, .files = {}};
    if (!volume) return trouble("cannot ask for free space", "");
    FreeSpace space{.bytes = {static_cast<std::int64_t>(volume->f_bavail * volume->f_frsize)}, .files = {}};
    if (volume->f_files != 0) space.files = static_cast<std::int64_t>(volume->f_favail);
    return space;
  }

  Result<void> make_folder(const std::string& path) override {
    for (auto end = path.find('/');; end = path.find('/', end + 1)) {
      const auto part = path.substr(0, end);
      auto kind = look_at_one(part);
      if (!kind) return std::unexpected(std::move(kind.error()));
      if (*kind == Kind::something_else)
        return stop(TransferEnd::destination_exists, "a folder of the destination's path is none", full(part));
      if (*kind == Kind::nothing && sftp_mkdir(sftp_.get(), full(part).c_str(), part == kOwnFolder ? 0700 : 0777) != 0) {
        kind = look_at_one(part);  // somebody may have been quicker
        if (!kind || *kind != Kind::folder) return trouble("cannot make a folder", part);
      }
      if (end == std::string::npos) return {};
    }
  }

  Result<std::string> claim(const std::string& path, const std::string& holder) override {
    if (sftp_symlink(sftp_.get(), holder.c_str(), full(path).c_str()) == 0) return holder;
    const Text first(sftp_readlink(sftp_.get(), full(path).c_str()));
    if (!first) return trouble("cannot mark the destination as taken", path);
    return std::string(first.get());
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    // A folder renamed over something replaces an empty folder at most (rename(2)); this makes it nothing at all, but for a race.
    const auto there = look_at(to);
    if (!there) return std::unexpected(there.error());
    if (*there != Kind::nothing) {
      return stop(TransferEnd::destination_exists, "something came to the destination while the copy was made", full(to));
    }
    if (sftp_rename(sftp_.get(), full(from).c_str(), full(to).c_str()) != 0) return trouble("cannot make the copy visible", to);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    const auto kind = look_at(path);
    if (!kind) return std::unexpected(kind.error());
    if (*kind == Kind::nothing) return {};
    if (*kind == Kind::something_else) {
      if (sftp_unlink(sftp_.get(), full(path).c_str()) != 0) return trouble("cannot remove a file of a copy", path);
      return {};
    }
    std::vector<std::string> below;
    const auto each = [&](const std::string& name, const sftp_attributes_struct&) -> Result<void> {
      below.push_back(path + "/" + name);
      return {};
    };
    if (auto listed = list_one(path, each); !listed) return listed;
    for (const auto& one : below) {
      if (auto removed = remove(one); !removed) return removed;
    }
    if (sftp_rmdir(sftp_.get(), full(path).c_str()) != 0) return trouble("cannot remove a folder of a copy", path);
    return {};
  }

  Result<Descriptor> open_folder(const std::string&) override { return Descriptor(); }
  Result<void> flush() override { return {}; }  // SFTP knows fsync for open files only, and as an extension

 private:
  [[nodiscard]] std::string full(const std::string& path) const { return path.empty() ? folder_ : folder_ + "/" + path; }
  [[nodiscard]] bool is_connected() const { return ssh_is_connected(session_.get()) != 0; }

  /// What the last call ran into.
  std::unexpected<Error> trouble(const std::string& what, const std::string& path) const {
    const int code = sftp_get_error(sftp_.get());
    const auto detail = full(path) + ": " + ssh_get_error(session_.get()) + ", SFTP status " + std::to_string(code);
    if (!is_connected() || code == SSH_FX_CONNECTION_LOST || code == SSH_FX_NO_CONNECTION) {
      return stop(TransferEnd::unreachable, what + ": the connection is gone", detail);
    }
    if (code == SSH_FX_PERMISSION_DENIED || code == SSH_FX_WRITE_PROTECT) {
      return stop(TransferEnd::access_refused, what + ": the site refuses it", detail);
    }
    return stop(TransferEnd::tool_failed, what + ": the site's SFTP server says no", detail);
  }

  Result<Kind> look_at_one(const std::string& path) {
    const Attributes found(sftp_lstat(sftp_.get(), full(path).c_str()));
    if (found) return found->type == SSH_FILEXFER_TYPE_DIRECTORY ? Kind::folder : Kind::something_else;
    const int code = sftp_get_error(sftp_.get());
    if (code == SSH_FX_NO_SUCH_FILE || code == SSH_FX_NO_SUCH_PATH) return Kind::nothing;
    return trouble("cannot look at a path beneath the root", path);
  }

  Result<void> expect_folder(const std::string& path) {
    const auto kind = look_at(path);
    if (!kind) return std::unexpected(kind.error());
    if (*kind != Kind::folder) return stop(TransferEnd::unsuitable_file, "a dataset's folder is none", full(path));
    return {};
  }

  Result<void> list_one(const std::string& path,
                        const std::function<Result<void>(const std::string&, const sftp_attributes_struct&)>& each) {
    const Folder folder(sftp_opendir(sftp_.get(), full(path).c_str()));
    if (!folder) return trouble("cannot list a folder", path);
    while (const Attributes found{sftp_readdir(sftp_.get(), folder.get())}) {
      const std::string name = found->name == nullptr ? "" : found->name;
      if (name == "." || name == "..") continue;
      if (name.empty() || name.contains('/'))
        return stop(TransferEnd::tool_failed, "the site's SFTP server names no file", full(path));
      if (auto went = each(name, *found); !went) return went;
    }
    if (sftp_dir_eof(folder.get()) == 0) return trouble("cannot list a folder", path);
    return {};
  }

  Session session_;
  Sftp sftp_;
  std::string folder_;
};

/// A dead peer is noticed, also while an answer is waited for.
void notice_silence(ssh_session session) {
  const int socket = ssh_get_fd(session);
  const int on = 1;
  const int pause = 15;
  const int probes = kSilenceSeconds / pause;
  const unsigned unacknowledged_ms = kSilenceSeconds * 1000U;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &pause, sizeof pause);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &pause, sizeof pause);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

}  // namespace

Result<std::unique_ptr<Place>> open_sftp_place(const SftpRoot& root) {
  Session session(ssh_new());
  if (!session) return stop(TransferEnd::unreachable, "out of memory");
  const auto why = [&] { return root.host + ": " + ssh_get_error(session.get()); };
  const bool no_configuration = false;
  const long timeout = kConnectSeconds;
  const unsigned port = root.port;
  ssh_options_set(session.get(), SSH_OPTIONS_PROCESS_CONFIG, &no_configuration);
  ssh_options_set(session.get(), SSH_OPTIONS_HOST, root.host.c_str());
  ssh_options_set(session.get(), SSH_OPTIONS_PORT, &port);
  ssh_options_set(session.get(), SSH_OPTIONS_USER, root.user.c_str());
  ssh_options_set(session.get(), SSH_OPTIONS_KNOWNHOSTS, root.known_hosts.c_str());
  ssh_options_set(session.get(), SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
  ssh_options_set(session.get(), SSH_OPTIONS_TIMEOUT, &timeout);
  if (ssh_connect(session.get()) != SSH_OK) return stop(TransferEnd::unreachable, "a site's SSH server cannot be reached", why());
  if (ssh_session_is_known_server(session.get()) != SSH_KNOWN_HOSTS_OK) {
    return stop(TransferEnd::access_refused, "a site's SSH server has not the host key that was pinned for it: nothing was sent",
                why());
  }
  notice_silence(session.get());

  ssh_key read_key = nullptr;
  if (ssh_pki_import_privkey_file(root.key_file.c_str(), "", nullptr, nullptr, &read_key) != SSH_OK) {
    return stop(TransferEnd::access_refused, "the key for a site's SSH server cannot be read", root.key_file);
  }
  const Key key(read_key);
  if (ssh_userauth_publickey(session.get(), nullptr, key.get()) != SSH_AUTH_SUCCESS) {
    return stop(TransferEnd::access_refused, "a site's SSH server refuses the mover's key", why());
  }
  Sftp sftp(sftp_new(session.get()));
  if (!sftp || sftp_init(sftp.get()) != SSH_OK) {
    return stop(TransferEnd::access_refused, "a site's SSH server offers no SFTP", why());
  }
  const Attributes folder(sftp_stat(sftp.get(), root.folder.c_str()));
  if (!folder || folder->type != SSH_FILEXFER_TYPE_DIRECTORY) {
    return stop(TransferEnd::unreachable, "a site's root is not there: is it mounted?", root.host + ":" + root.folder);
  }
  return std::make_unique<SftpPlace>(std::move(session), std::move(sftp), root.folder);
}

}  // namespace hansa::connectors::mover
