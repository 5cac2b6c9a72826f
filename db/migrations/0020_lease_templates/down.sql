drop function lease_approval_list(uuid), current_lease_version(uuid), lease_version_ref(uuid), lease_version_number(uuid);
alter table lease_templates drop constraint lease_templates_forked_from_id_fkey;
drop table lease_approvals, lease_clauses, lease_variables, lease_template_versions, lease_templates;
drop function check_lease_approval(), check_lease_clause_order(), check_lease_content(), check_lease_template(),
  check_lease_template_version();
