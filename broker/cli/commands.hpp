// SPDX-License-Identifier: Apache-2.0
#pragma once
// All commands. Each is one function: it gives the exit status, or the Error that ends the call.

#include "broker/cli/command_line.hpp"
#include "broker/cli/session.hpp"

namespace hansa::cli {

/// Only what this broker serves stands in it.
const CommandTable& commands();

Result<ExitStatus> submit(Session& session, const Invocation& call);
Result<ExitStatus> jobs(Session& session, const Invocation& call);
Result<ExitStatus> show(Session& session, const Invocation& call);
Result<ExitStatus> explain(Session& session, const Invocation& call);
Result<ExitStatus> wait(Session& session, const Invocation& call);
Result<ExitStatus> logs(Session& session, const Invocation& call);
Result<ExitStatus> fetch(Session& session, const Invocation& call);
Result<ExitStatus> script(Session& session, const Invocation& call);
Result<ExitStatus> break_glass_request(Session& session, const Invocation& call);
Result<ExitStatus> break_glass_approve(Session& session, const Invocation& call);
Result<ExitStatus> break_glass_reject(Session& session, const Invocation& call);
Result<ExitStatus> break_glass_end(Session& session, const Invocation& call);
Result<ExitStatus> break_glass_show(Session& session, const Invocation& call);
Result<ExitStatus> break_glass_list(Session& session, const Invocation& call);
Result<ExitStatus> hold(Session& session, const Invocation& call);
Result<ExitStatus> release(Session& session, const Invocation& call);
Result<ExitStatus> cancel(Session& session, const Invocation& call);
Result<ExitStatus> resolve(Session& session, const Invocation& call);
Result<ExitStatus> connect(Session& session, const Invocation& call);
Result<ExitStatus> disconnect(Session& session, const Invocation& call);
Result<ExitStatus> sites(Session& session, const Invocation& call);
Result<ExitStatus> site_show(Session& session, const Invocation& call);
Result<ExitStatus> site_doctor(Session& session, const Invocation& call);
Result<ExitStatus> site_agent(Session& session, const Invocation& call);
Result<ExitStatus> site_enroll(Session& session, const Invocation& call);
Result<ExitStatus> site_revoke(Session& session, const Invocation& call);
Result<ExitStatus> site_drain(Session& session, const Invocation& call);
Result<ExitStatus> site_resume(Session& session, const Invocation& call);
Result<ExitStatus> report_named(Session& session, const Invocation& call);
Result<ExitStatus> report_estimates(Session& session, const Invocation& call);
Result<ExitStatus> report_apel(Session& session, const Invocation& call);
Result<ExitStatus> report_waldur(Session& session, const Invocation& call);
Result<ExitStatus> ledger_show(Session& session, const Invocation& call);
Result<ExitStatus> ledger_checkpoint(Session& session, const Invocation& call);
Result<ExitStatus> ledger_verify(Session& session, const Invocation& call);
Result<ExitStatus> ledger_prove(Session& session, const Invocation& call);
Result<ExitStatus> ledger_export(Session& session, const Invocation& call);
Result<ExitStatus> ledger_witness(Session& session, const Invocation& call);
Result<ExitStatus> ledger_corrections(Session& session, const Invocation& call);
Result<ExitStatus> ledger_change_key(Session& session, const Invocation& call);
Result<ExitStatus> ledger_reconcile(Session& session, const Invocation& call);
Result<ExitStatus> ledger_reconciliations(Session& session, const Invocation& call);
Result<ExitStatus> ledger_explain_difference(Session& session, const Invocation& call);
Result<ExitStatus> ledger_period_open(Session& session, const Invocation& call);
Result<ExitStatus> ledger_period_close(Session& session, const Invocation& call);
Result<ExitStatus> ledger_period_show(Session& session, const Invocation& call);
Result<ExitStatus> ledger_adjust(Session& session, const Invocation& call);
Result<ExitStatus> ledger_adjustments(Session& session, const Invocation& call);
Result<ExitStatus> ledger_approve(Session& session, const Invocation& call);
Result<ExitStatus> ledger_reject(Session& session, const Invocation& call);
Result<ExitStatus> login(Session& session, const Invocation& call);
Result<ExitStatus> logout(Session& session, const Invocation& call);
Result<ExitStatus> whoami(Session& session, const Invocation& call);
Result<ExitStatus> token_create(Session& session, const Invocation& call);
Result<ExitStatus> token_list(Session& session, const Invocation& call);
Result<ExitStatus> token_revoke(Session& session, const Invocation& call);
Result<ExitStatus> token_revocations(Session& session, const Invocation& call);
Result<ExitStatus> token_restore(Session& session, const Invocation& call);
Result<ExitStatus> secret_put(Session& session, const Invocation& call);
Result<ExitStatus> secret_list(Session& session, const Invocation& call);
Result<ExitStatus> secret_delete(Session& session, const Invocation& call);
Result<ExitStatus> data_add(Session& session, const Invocation& call);
Result<ExitStatus> data_list(Session& session, const Invocation& call);
Result<ExitStatus> data_show(Session& session, const Invocation& call);
Result<ExitStatus> data_label(Session& session, const Invocation& call);
Result<ExitStatus> data_owner(Session& session, const Invocation& call);
Result<ExitStatus> data_terms(Session& session, const Invocation& call);
Result<ExitStatus> data_replica_add(Session& session, const Invocation& call);
Result<ExitStatus> data_replica_remove(Session& session, const Invocation& call);
Result<ExitStatus> data_replica_verify(Session& session, const Invocation& call);
Result<ExitStatus> data_changes(Session& session, const Invocation& call);
Result<ExitStatus> data_approve(Session& session, const Invocation& call);
Result<ExitStatus> data_reject(Session& session, const Invocation& call);
Result<ExitStatus> allocation_list(Session& session, const Invocation& call);
Result<ExitStatus> allocation_show(Session& session, const Invocation& call);
Result<ExitStatus> allocation_grant(Session& session, const Invocation& call);
Result<ExitStatus> allocation_revoke(Session& session, const Invocation& call);
Result<ExitStatus> allocation_release(Session& session, const Invocation& call);
Result<ExitStatus> allocation_import(Session& session, const Invocation& call);
Result<ExitStatus> facts_show(Session& session, const Invocation& call);
Result<ExitStatus> facts_set(Session& session, const Invocation& call);
Result<ExitStatus> facts_withdraw(Session& session, const Invocation& call);
Result<ExitStatus> facts_changes(Session& session, const Invocation& call);
Result<ExitStatus> facts_approve(Session& session, const Invocation& call);
Result<ExitStatus> facts_reject(Session& session, const Invocation& call);
Result<ExitStatus> privacy_retention(Session& session, const Invocation& call);
Result<ExitStatus> privacy_record(Session& session, const Invocation& call);
Result<ExitStatus> privacy_export(Session& session, const Invocation& call);
Result<ExitStatus> privacy_erase(Session& session, const Invocation& call);
Result<ExitStatus> privacy_approve(Session& session, const Invocation& call);
Result<ExitStatus> privacy_reject(Session& session, const Invocation& call);
Result<ExitStatus> privacy_erasures(Session& session, const Invocation& call);
Result<ExitStatus> policy_check(Session& session, const Invocation& call);
Result<ExitStatus> policy_test(Session& session, const Invocation& call);
Result<ExitStatus> policy_diff(Session& session, const Invocation& call);
Result<ExitStatus> policy_show(Session& session, const Invocation& call);
Result<ExitStatus> simulate(Session& session, const Invocation& call);
Result<ExitStatus> config_init(Session& session, const Invocation& call);
Result<ExitStatus> config_check(Session& session, const Invocation& call);
Result<ExitStatus> config_reference(Session& session, const Invocation& call);
Result<ExitStatus> version(Session& session, const Invocation& call);

}  // namespace hansa::cli
