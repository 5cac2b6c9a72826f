drop function speaks_for(uuid, text);
drop function wait_for_lock(text);
drop function lends_platform_roles(uuid);
drop table identities;
drop table identity_providers;
alter table memberships drop column mapped;
delete from users where email is null;
alter table users alter column email set not null;
