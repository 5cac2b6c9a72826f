-- Erasing people: what they wrote stays, who they were goes, and does not come back by a backup or an old token.

create table erasures (
  user_id uuid primary key,
  erased_at timestamptz not null default now(),
  identity_digests text[] not null default '{}',
  constraint erasures_identity_digests_form check (array_to_string(identity_digests, '') ~ '^[0-9a-f]*$')
);
create index erasures_identity_digests_idx on erasures using gin (identity_digests);
create trigger erasures_append_only before update or delete on erasures
  for each row execute function refuse_change();
create trigger erasures_not_truncated before truncate on erasures
  for each statement execute function refuse_change();
comment on table erasures is 'Who was erased. Append-only; applied again after a backup of before was restored.';
comment on column erasures.user_id is 'The person. No foreign key: a backup of before may not know them.';
comment on column erasures.erased_at is 'When.';
comment on column erasures.identity_digests is 'Their identities at providers, as digests under a key that is not in the database: their tokens of before make nobody known again.';
grant select, insert on erasures to loti_service;

alter table users add constraint users_erased_without_email check (erased_at is null or email is null);

create function refuse_erased() returns trigger language plpgsql as $$
begin
  -- Waits for an erasure under way, and then sees what it left.
  perform from users where id = new.user_id and erased_at is null for key share;
  if not found and exists (select from users where id = new.user_id) then
    raise exception 'the person was erased'
      using errcode = 'integrity_constraint_violation', constraint = 'users_erased';
  end if;
  return new;
end $$;
comment on function refuse_erased() is 'Whoever was erased gets no role and no identity any more, also not by a transaction that began before.';
create trigger memberships_refuse_erased before insert or update on memberships
  for each row execute function refuse_erased();
create trigger platform_roles_refuse_erased before insert or update on platform_roles
  for each row execute function refuse_erased();
create trigger identities_refuse_erased before insert or update on identities
  for each row execute function refuse_erased();

comment on column users.display_name is 'Name as the person chose to show it; the same for everybody who was erased. Personal data.';
comment on column idempotency_keys.key is 'Idempotency-Key as it was sent: a name of the sender''s own choice. Personal data.';
