comment on column idempotency_keys.key is 'Idempotency-Key as it was sent.';
comment on column users.display_name is 'Name as the person chose to show it. Personal data.';
drop trigger identities_refuse_erased on identities;
drop trigger platform_roles_refuse_erased on platform_roles;
drop trigger memberships_refuse_erased on memberships;
drop function refuse_erased();
alter table users drop constraint users_erased_without_email;
drop table erasures;
