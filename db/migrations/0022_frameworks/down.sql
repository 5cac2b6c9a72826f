drop function framework_group(uuid, integer), framework_successor(uuid), framework_ref(uuid);
drop table framework_items, frameworks;
drop function check_framework(), check_framework_items();
