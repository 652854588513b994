// SPDX-License-Identifier: Apache-2.0
#include "connectors/assembly/assembly.hpp"

#include "broker/core/digest.hpp"
#include "connectors/local/local_connector.hpp"
#include "connectors/model/model_connector.hpp"
#include "connectors/pbs/pbs_connector.hpp"
#include "connectors/remote/child_carrier.hpp"
#include "connectors/remote/persons_connector.hpp"
#include "connectors/remote/remote_connector.hpp"
#include "connectors/remote/ssh.hpp"
#include "connectors/slurm/slurm_connector.hpp"
#include "connectors/slurmrest/slurmrest_connector.hpp"
#include "connectors/transport/account_transport.hpp"
#include "connectors/transport/direct_transport.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/websocket/agent_carrier.hpp"
#include "connectors/websocket/people_connector.hpp"

#include <boost/asio/thread_pool.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <ranges>
#include <utility>

namespace hansa::connectors::assembly {

using config::Connector;
using config::RunAs;

namespace {

transport::SiteProfile profile_of(const config::SiteConfig& site) {
  const auto& profile = site.profile;
  const auto path = [](const std::optional<std::filesystem::path>& file) { return file ? file->string() : std::string(); };
  transport::SiteProfile made{.scratch = site.scratch.value_or(""),
                              .environment = {site.environment.begin(), site.environment.end()},
                              .qualities = {},
                              .modules = {},
                              .module_init = path(profile.module_init),
                              .container_runtime = path(profile.container_runtime),
                              .outbound = profile.outbound,
                              .gpu_vendor = profile.gpu_vendor.value_or("")};
  for (const auto& qos : site.qos) {
    made.qualities.push_back(
        {.name = qos.name, .queue = qos.queue.value_or(QueueName{}).str(), .max_time = qos.max_time, .max_nodes = {}});
    if (qos.max_nodes) made.qualities.back().max_nodes = static_cast<std::int32_t>(*qos.max_nodes);
  }
  for (const auto& [name, modules] : profile.modules) {
    for (const auto part : std::views::split(modules, ' ')) made.modules[name].emplace_back(part.begin(), part.end());
  }
  return made;
}

/// Ends with the others.
template <class C>
MadeConnector closed_at_the_end(std::unique_ptr<C> made, Ground& ground) {
  ground.closers.emplace_back([connector = made.get()] { return connector->close(); });
  return MadeConnector(std::move(made));
}

std::string own_name() {
  const auto own = transport::own_account();
  return own ? own->name : std::to_string(::geteuid());
}

MadeConnector make_local(const config::SiteConfig& site, Ground& ground) {
  const auto* home = std::getenv("HOME");
  const auto work_dir = config::work_dir_of(site, {}, home == nullptr ? "/" : home);
  auto made = local::LocalConnector::open(ground.scheduler, ground.strand,
                                          {.site = site.id,
                                           .accounting = ground.one_of_many ? site.id.str() + "/" + own_name() : "",
                                           .spool = (ground.state_dir / "local" / site.id.str()).string(),
                                           .work_dir = work_dir.string(),
                                           .runner = companion(ground.program_folder, "hansa-local-run").string(),
                                           .cores = static_cast<std::int32_t>(site.local.cpus),
                                           .memory = site.local.memory,
                                           .gpus = static_cast<std::int32_t>(site.local.gpus),
                                           .gpu_model = site.local.gpu_model.value_or(""),
                                           .profile = profile_of(site)},
                                          ground.log);
  if (!made) return std::unexpected(made.error());
  return closed_at_the_end(std::move(*made), ground);
}

/// The way to a site's commands and files: as whom they run there.
transport::Transport& way_to(const config::SiteConfig& site, Ground& ground) {
  if (site.run_as != RunAs::self) {
    ground.transports.push_back(std::make_unique<transport::AccountTransport>(ground.scheduler, ground.switch_socket.string()));
  } else {
    ground.transports.push_back(std::make_unique<transport::DirectTransport>(ground.scheduler));
  }
  return *ground.transports.back();
}

MadeConnector make_slurm(const config::SiteConfig& site, Ground& ground) {
  auto made = slurm::SlurmConnector::make({.site = site.id,
                                           .slurm_conf = site.slurm.conf.string(),
                                           .bin_dir = site.slurm.bin_dir.string(),
                                           .work_dir = site.work_dir,
                                           .own_account_only = site.run_as == RunAs::self,
                                           .profile = profile_of(site)},
                                          way_to(site, ground), ground.scheduler, ground.random);
  if (!made) return std::unexpected(made.error());
  return MadeConnector(std::move(*made));
}

MadeConnector make_slurmrest(const config::SiteConfig& site, Ground& ground) {
  const auto& rest = site.slurmrest;
  auto made = slurmrest::SlurmrestConnector::make(
      {.site = site.id,
       .url = rest.url,
       .ca_file = rest.ca_file ? rest.ca_file->string() : "",
       .tokens = {.file = rest.token_file ? rest.token_file->string() : "", .command = rest.token_command},
       .cluster = rest.cluster.value_or(""),
       .answer_limit_mib = rest.answer_limit_mib,
       .max_array_size = rest.max_array_size,
       .private_jobs = rest.private_jobs,
       .work_dir = site.work_dir,
       .own_account_only = site.run_as == RunAs::self,
       .profile = profile_of(site)},
      way_to(site, ground), ground.scheduler);
  if (!made) return std::unexpected(made.error());
  return MadeConnector(std::move(*made));
}

MadeConnector make_pbs(const config::SiteConfig& site, Ground& ground) {
  auto made =
      pbs::PbsConnector::make({.site = site.id,
                               .conf = site.pbs.conf.string(),
                               .server = site.pbs.server.value_or(""),
                               .bin_dir = site.pbs.bin_dir.string(),
                               .accounting = site.pbs.accounting.value_or(std::filesystem::path()).string(),
                               .work_dir = site.work_dir,
                               .gpus = {.count = site.pbs.gpu_resource, .model = site.pbs.gpu_model_resource.value_or("")},
                               .own_account_only = site.run_as == RunAs::self,
                               .profile = profile_of(site)},
                              way_to(site, ground), ground.scheduler, ground.random, ground.log);
  if (!made) return std::unexpected(made.error());
  return MadeConnector(std::move(*made));
}

MadeConnector make_model(const config::SiteConfig& site, Ground& ground) {
  const auto& m = site.model;
  model::ClusterOptions options{.name = site.id.str()};
  options.node_groups = {{.count = static_cast<std::int32_t>(m.nodes),
                          .cores = static_cast<std::int32_t>(m.cpus_per_node),
                          .memory = m.memory_per_node,
                          .gpus = static_cast<std::int32_t>(m.gpus_per_node),
                          .gpu_model = m.gpu_model.value_or("")}};
  if (auto valid = model::validate(options); !valid) return std::unexpected(valid.error());
  auto model = std::make_shared<model::ModelSite>(ground.scheduler, std::move(options));
  return MadeConnector(std::make_unique<model::ModelConnector>(ground.scheduler, site.id, std::move(model)));
}

boost::asio::thread_pool* readers_of(Ground& ground) {
  if (!ground.readers) ground.readers = std::make_shared<boost::asio::thread_pool>(1);
  return ground.readers.get();
}

protocol::SessionOptions session_of(Ground& ground) {
  auto session = remote::LinkOptions{}.session;
  session.readers = readers_of(ground);
  return session;
}

remote::CallRates rates_of(const config::BudgetConfig& budget) {
  return {.queries = budget.queries_per_minute, .submits = budget.submits_per_minute, .cancels = budget.cancels_per_minute};
}

MadeConnector make_persons(const config::SiteConfig& site, const config::CertificatesConfig& certificates, remote::SshOptions ssh,
                           Ground& ground) {
  // Of this broker, at this site: another that is started by the same account has another folder.
  const auto name = "hansa-" + sha256_hex(ground.state_dir.string() + "\n" + site.id.str()).substr(0, 16);
  auto folder = remote::MemoryFolder::open(certificates.memory_dir.string(), name);
  if (!folder) return std::unexpected(folder.error());
  const LocalAccount own(std::exchange(ssh.user, {}));
  return closed_at_the_end(
      std::make_unique<remote::PersonsConnector>(
          ground.strand, ground.scheduler, ground.random, ground.log, std::move(*folder),
          remote::PersonsOptions{.pool = {.site = site.id,
                                          .name = ground.program_name,
                                          .connections = static_cast<std::size_t>(certificates.connections),
                                          .open_every = Milliseconds{(60'000 + certificates.connections_per_minute - 1) /
                                                                     certificates.connections_per_minute},
                                          .idle = certificates.idle,
                                          .session = session_of(ground)},
                                 .ssh = std::move(ssh),
                                 .rates = rates_of(site.budget),
                                 .own_account = own,
                                 .certificates = {.command = certificates.command, .principal = certificates.principal},
                                 .renewed = certificates.renewed,
                                 .owner_of = ground.owner_of}),
      ground);
}

websocket::PeopleTerms terms_of(config::TermsWord word) {
  switch (word) {
    case config::TermsWord::not_stated: return websocket::PeopleTerms::not_stated;
    case config::TermsWord::allowed: return websocket::PeopleTerms::allowed;
    case config::TermsWord::forbidden: return websocket::PeopleTerms::forbidden;
  }
  return websocket::PeopleTerms::not_stated;
}

MadeConnector make_people(const config::SiteConfig& site, const config::PeopleConfig& people, const AgentDoor& door,
                          Ground& ground) {
  return closed_at_the_end(std::make_unique<websocket::PeopleConnector>(
                               ground.strand, ground.scheduler, ground.random, ground.log, door.berths,
                               websocket::PeopleOptions{.site = site.id,
                                                        .name = ground.program_name,
                                                        .ping_after = door.ping_after,
                                                        .dead_after = door.dead_after,
                                                        .readers = readers_of(ground),
                                                        .rates = rates_of(site.budget),
                                                        .terms = terms_of(people.terms),
                                                        .terms_evidence = people.terms_evidence.value_or(""),
                                                        .connected_until = std::bind_front(door.person_until, site.id),
                                                        .owner_of = ground.owner_of}),
                           ground);
}

MadeConnector make_remote(const config::SiteConfig& site, Ground& ground) {
  std::unique_ptr<remote::Carrier> carrier;
  remote::LinkOptions options{.site = site.id, .name = ground.program_name, .session = session_of(ground)};
  if ((site.remote.agent || site.remote.people) && !ground.agents)
    return fail(ErrorKind::invalid_argument, "NO_AGENTS", "agents come in nowhere here");
  if (site.remote.people) return make_people(site, *site.remote.people, *ground.agents, ground);
  if (site.remote.agent) {
    const auto& door = *ground.agents;
    carrier = std::make_unique<websocket::AgentCarrier>(ground.strand, door.berths, websocket::BerthId{.site = site.id});
    options.session.ping_after = door.ping_after;
    options.session.dead_after = door.dead_after;
    options.greet_within = std::min(options.greet_within, door.dead_after);
  } else if (const auto& ssh = site.remote.ssh) {
    const remote::SshOptions way{.host = ssh->host,
                                 .user = ssh->user.str(),
                                 .port = static_cast<std::uint16_t>(ssh->port),
                                 .known_hosts = ssh->known_hosts.string(),
                                 .identity = ssh->identity.value_or("").string(),
                                 .program = ssh->program.string()};
    if (ssh->certificates) return make_persons(site, *ssh->certificates, way, ground);
    auto explain = [&scheduler = ground.scheduler, way](async::ChildEnd end, std::string words, Error why) {
      return remote::explain_ssh(&scheduler, way, end, std::move(words), std::move(why));
    };
    carrier = std::make_unique<remote::ChildCarrier>(ground.scheduler, ground.log, site.id, remote::ssh_command(way),
                                                     std::move(explain));
  } else {
    auto explain = [program = site.remote.command.front()](async::ChildEnd end, std::string words, Error why) {
      return remote::explain_program(program, end, std::move(words), std::move(why));
    };
    carrier =
        std::make_unique<remote::ChildCarrier>(ground.scheduler, ground.log, site.id, site.remote.command, std::move(explain));
  }
  return closed_at_the_end(std::make_unique<remote::RemoteConnector>(ground.strand, ground.scheduler, ground.random, ground.log,
                                                                     std::move(carrier), std::move(options)),
                           ground);
}

}  // namespace

std::filesystem::path companion(const std::filesystem::path& program_folder, std::string_view name) {
  std::error_code ignored;
  auto beside = program_folder / name;
  if (std::filesystem::exists(beside, ignored)) return beside;
  auto installed = program_folder.parent_path() / "libexec" / "hansa" / name;
  return std::filesystem::exists(installed, ignored) ? installed : beside;
}

domain::LoadBudget budget_of(const config::BudgetConfig& config) {
  const auto small = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
  domain::LoadBudget budget{.queries_per_minute = small(config.queries_per_minute),
                            .submits_per_minute = small(config.submits_per_minute),
                            .cancels_per_minute = small(config.cancels_per_minute),
                            .concurrent_calls = small(config.concurrent_calls),
                            .waiting_jobs = small(config.waiting_jobs)};
  for (const auto& text : config.quiet_hours) {
    if (auto hours = DailyHours::parse(text))
      budget.quiet_hours.push_back(std::move(*hours));  // the configuration holds no other
  }
  return budget;
}

MadeConnector make_connector(const config::SiteConfig& site, Ground& ground) {
  switch (site.connector) {
    case Connector::local: return make_local(site, ground);
    case Connector::slurm: return make_slurm(site, ground);
    case Connector::slurmrest: return make_slurmrest(site, ground);
    case Connector::pbs: return make_pbs(site, ground);
    case Connector::model: return make_model(site, ground);
    case Connector::remote: return make_remote(site, ground);
  }
  return fail(ErrorKind::internal, "NO_SUCH_CONNECTOR", "there is no such connector");
}

}  // namespace hansa::connectors::assembly
