drop function checklist_successor(uuid), checklist_ref(uuid);
drop table checklist_controls, checklists, framework_mappings;
drop function check_checklist(), check_checklist_controls(), check_framework_mapping();
