// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a text in a configuration file may look like. Each form says in words what it accepts; the words stand in errors
// and in the reference alike.

#include <string>
#include <string_view>

namespace hansa::config {

struct Form {
  std::string_view allowed;                                    // completes "allowed: ..."
  bool (*matches)(std::string_view);
  std::string_view (*correction)(std::string_view) = nullptr;  // what was probably meant, or ""
  bool is_file = false;                                        // relative to the folder of the configuration file
  bool or_name = false;                                        // only if it has a "/" in it
  bool is_told = true;                                         // false: it may hold a password, so that no error repeats it
};

extern const Form kLabel;             // for people: one line
extern const Form kCountry;
extern const Form kSiteId;
extern const Form kProjectId;
extern const Form kPrincipal;
extern const Form kLocalAccount;
extern const Form kWitnessKey;        // of the ledger: a verifier key of C2SP signed-note, type 4
extern const Form kSchedulerName;     // a Slurm account, cluster or GPU model
extern const Form kResourceName;      // of Slurm's TRES
extern const Form kAbsolutePath;
extern const Form kRootName;          // a folder of replicas
extern const Form kHostName;
extern const Form kPlainPath;          // nothing in it that OpenSSH reads as more than a path
extern const Form kSocketPath;        // sockaddr_un holds 107 bytes
extern const Form kFile;
extern const Form kHomeFile;          // as kFile, "~/" being the person's home: the client's files only
extern const Form kWorkDir;
extern const Form kGpuVendor;
extern const Form kArchitecture;
extern const Form kModuleName;        // as jobs name it
extern const Form kModules;           // as the site does: one or several
extern const Form kImagePrefix;
extern const Form kQueueOrAll;
extern const Form kQuietHours;
extern const Form kScratch;
extern const Form kVariableName;
extern const Form kCheckName;         // of a look at a site
extern const Form kVariableValue;
extern const Form kListenAddress;
extern const Form kStoreUrl;
extern const Form kBrokerUrl;
extern const Form kAgentsAddress;     // of a broker's door for agents
extern const Form kProxy;             // on an agent's way out
extern const Form kSlurmrestUrl;      // anybody's host; plain HTTP for this machine only, as a token goes with every request
extern const Form kApelName;          // APEL takes 255 bytes
extern const Form kBenchmark;         // as APEL calls it
extern const Form kServiceLevel;
extern const Form kComponentType;     // of Waldur's
extern const Form kComponentUnit;
extern const Form kUuid;
extern const Form kCommandWord;       // of an argument vector: one line
extern const Form kIssuerUrl;         // as its tokens have it
extern const Form kOrigin;            // scheme, host and port
extern const Form kTokenWord;         // of a claim, a scope, a client: visible ASCII
extern const Form kAlgorithm;         // that signs tokens
extern const Form kGroup;             // as an issuer calls it
extern const Form kRole;
extern const Form kRulePack;          // a shipped pack's name, or a path with a "/" in it
// Words of the rules' vocabulary (policies/rules/vocabulary.hpp); a test holds the two together.
extern const Form kDataLabel;
extern const Form kPermitId;
extern const Form kPurpose;
extern const Form kAccessMode;
extern const Form kAiTraining;
extern const Form kAssurance;
extern const Form kAffiliation;
extern const Form kSiteStatus;
extern const Form kSiteLabel;
extern const Form kIsolation;
extern const Form kEgress;

/// Control characters escaped, long text cut: fit for a message. In quotes.
std::string shown(std::string_view text);

}  // namespace hansa::config
