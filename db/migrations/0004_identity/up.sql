-- Who may act: the role of the service, signing keys, OAuth clients, revoked tokens, and an order of the audit trail
-- that a reader can follow.

-- The service acts as this role, which owns nothing: a fault in it cannot change the schema, switch a trigger off or
-- step around a policy. Roles belong to the cluster, so it may be there already.
do $$ begin
  if not exists (select from pg_roles where rolname = 'loti_service') then
    create role loti_service nologin;
  end if;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
  if not pg_has_role(current_user, 'loti_service', 'member') then
    grant loti_service to current_user;
  end if;
end $$;

grant usage on schema public to loti_service;
grant select on __diesel_schema_migrations to loti_service;
grant select, insert on slugs, audit_events, product_versions to loti_service;
grant select, insert, update, delete on
  users, platform_roles, memberships, source_records,
  organisations, organisation_identifiers, organisation_replacements,
  products, product_updates, lgsl_services, publiccode_categories, citations, comments
  to loti_service;

create function seconds_ago(seconds integer) returns timestamptz
  language sql stable strict parallel safe
  return now() - make_interval(secs => seconds);
comment on function seconds_ago(integer) is 'A moment before the start of the transaction; 0 is now().';

-- Who looks, for the policies of private tables. Set for each transaction; see `loti.viewer` in db/src/tx.rs.

create function viewer_id(principal text) returns uuid
  language sql stable parallel safe
  return case when split_part(current_setting('loti.viewer', true), ':', 1) = principal
    then split_part(current_setting('loti.viewer', true), ':', 2)::uuid end;
comment on function viewer_id(text) is 'Id of the person or client (the argument says which) on whose behalf the transaction runs; null for others.';

create function viewer_is_operator() returns boolean
  language sql stable parallel safe
  return coalesce(current_setting('loti.viewer', true), '') = 'operator';
comment on function viewer_is_operator() is 'Whether the transaction runs on behalf of the service itself or its command line.';

-- Memberships as a resource of their own.

alter table users add column erased_at timestamptz;
comment on column users.erased_at is 'When the person was erased: what they wrote stays, who they were is gone.';

alter table memberships
  add column id uuid,
  add column version integer not null default 1,
  add column updated_at timestamptz not null default now();
update memberships set id = gen_random_uuid();
alter table memberships
  alter column id set not null,
  add constraint memberships_id_key unique (id);
create trigger memberships_raise_version before update on memberships
  for each row execute function raise_version();
comment on column memberships.id is 'UUIDv7.';
comment on column memberships.version is 'Raised by each change; the entity tag.';
comment on column memberships.updated_at is 'When it last changed.';

-- Machines.

create table clients (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete restrict,
  name text not null,
  kind text not null,
  role text not null,
  scopes text[] not null,
  created_by uuid references users on delete set null,
  expires_at timestamptz,
  constraint clients_name_length check (char_length(name) between 1 and 120),
  constraint clients_kind_check check (kind in ('service', 'catalogue_key')),
  constraint clients_role_check check (role in ('viewer', 'contributor', 'steward', 'admin')),
  constraint clients_role_not_admin check (role <> 'admin'),
  constraint clients_scopes_length check (cardinality(scopes) between 1 and 50),
  constraint clients_scopes_form check (array_to_string(scopes, ' ') ~ '^[a-z-]+(:[a-z]+)?( [a-z-]+(:[a-z]+)?)*$'),
  constraint clients_catalogue_key_reads check (kind <> 'catalogue_key'
    or (role = 'viewer' and array_to_string(scopes, ' ') ~ '^[a-z-]+:read( [a-z-]+:read)*$'))
);
create index clients_organisation_id_idx on clients (organisation_id, id);
create index clients_created_by_idx on clients (created_by);
create trigger clients_raise_version before update on clients for each row execute function raise_version();
comment on table clients is 'OAuth 2.0 clients: programs of an organisation, with a role there and scopes no wider than those of who made them.';
comment on column clients.id is 'UUIDv7; client_id and, in its tokens, sub.';
comment on column clients.version is 'Raised by each change; the entity tag.';
comment on column clients.created_at is 'When it was registered.';
comment on column clients.updated_at is 'When it last changed.';
comment on column clients.organisation_id is 'Whose it is; an organisation with clients cannot be removed.';
comment on column clients.name is 'What its organisation calls it.';
comment on column clients.kind is 'service, which may write, or catalogue_key, which only reads what everybody reads, with a quota of its own.';
comment on column clients.role is 'Role in its organisation: viewer, contributor or steward. A machine never administers.';
comment on column clients.scopes is 'The widest scopes that its tokens may have.';
comment on column clients.created_by is 'Who registered it; emptied when that person goes.';
comment on column clients.expires_at is 'Until when it may have tokens; null for good.';

create table client_secrets (
  client_id uuid not null references clients on delete cascade,
  slot smallint not null,
  hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  constraint client_secrets_pkey primary key (client_id, slot),
  constraint client_secrets_slot_range check (slot between 1 and 2),
  constraint client_secrets_hash_length check (octet_length(hash) = 32)
);
comment on table client_secrets is 'Secrets of clients. Two may live at once, so that one is replaced while the other still works.';
comment on column client_secrets.client_id is 'Whose; they go with the client.';
comment on column client_secrets.slot is '1 or 2: there is no third.';
comment on column client_secrets.hash is 'SHA-256 of the secret, which itself is kept nowhere.';
comment on column client_secrets.created_at is 'When it was made.';
comment on column client_secrets.expires_at is 'Until when it works; null for as long as the client.';
comment on column client_secrets.last_used_at is 'When a token was last fetched with it, to within a minute.';

create table revoked_tokens (
  id uuid primary key,
  revoked_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index revoked_tokens_expires_at_idx on revoked_tokens (expires_at);
comment on table revoked_tokens is 'Access tokens that were taken back before their time (RFC 7009).';
comment on column revoked_tokens.id is 'jti of the token.';
comment on column revoked_tokens.revoked_at is 'When it was taken back.';
comment on column revoked_tokens.expires_at is 'When it would have ended anyway, and need not be remembered any more.';

create table signing_keys (
  id uuid primary key,
  kid text not null constraint signing_keys_kid_key unique,
  state text not null,
  public_x text not null,
  public_y text not null,
  sealed_key bytea not null,
  created_at timestamptz not null default now(),
  activated_at timestamptz,
  retired_at timestamptz,
  constraint signing_keys_state_check check (state in ('next', 'active', 'retiring')),
  constraint signing_keys_times check (
    (state = 'next' and activated_at is null and retired_at is null)
    or (state = 'active' and activated_at is not null and retired_at is null)
    or (state = 'retiring' and activated_at is not null and retired_at is not null))
);
create unique index signing_keys_one_next on signing_keys (state) where state = 'next';
create unique index signing_keys_one_active on signing_keys (state) where state = 'active';
comment on table signing_keys is 'P-256 keys that sign access tokens: one signs, the next is published already, those before still verify.';
comment on column signing_keys.id is 'UUIDv7.';
comment on column signing_keys.kid is 'RFC 7638 thumbprint.';
comment on column signing_keys.state is 'next, published and not yet used; active, which signs; retiring, which only verifies.';
comment on column signing_keys.public_x is 'x of the public key, base64url.';
comment on column signing_keys.public_y is 'y of the public key, base64url.';
comment on column signing_keys.sealed_key is 'PKCS #8, encrypted with the key of LOTI_ENCRYPTION_KEY (AES-256-GCM).';
comment on column signing_keys.created_at is 'When it was made.';
comment on column signing_keys.activated_at is 'When it began to sign.';
comment on column signing_keys.retired_at is 'When it ceased to sign.';

create table enrolments (
  hash bytea primary key,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint enrolments_hash_length check (octet_length(hash) = 32)
);
comment on table enrolments is 'Links by which the first administrator comes in, each used once.';
comment on column enrolments.hash is 'SHA-256 of the secret in the link.';
comment on column enrolments.created_at is 'When it was printed.';
comment on column enrolments.expires_at is 'Until when it works.';
comment on column enrolments.used_at is 'When it was used.';

grant select, insert, update, delete on clients, client_secrets, signing_keys, enrolments to loti_service;
grant select, insert, delete on revoked_tokens to loti_service;

create function may_see(organisation uuid) returns boolean
  -- As its owner: what it looks at is behind policies itself.
  language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return viewer_is_operator()
    or exists (select from platform_roles where user_id = viewer_id('person') and role = 'platform_admin')
    or exists (select from memberships where user_id = viewer_id('person') and organisation_id = organisation)
    or exists (select from clients where id = viewer_id('client') and organisation_id = organisation);
end $$;
comment on function may_see(uuid) is 'Whether who looks belongs to an organisation or administers the platform: the second wall around what an organisation keeps private.';

alter table clients enable row level security;
create policy clients_of_viewer on clients using (may_see(organisation_id));
alter table client_secrets enable row level security;
create policy client_secrets_of_viewer on client_secrets
  using (exists (select from clients where clients.id = client_id));

-- The order in which a reader follows the trail: ids are drawn before transactions commit, so that one drawn early
-- may appear late. A row is settled, and no row can come before it any more, once every transaction up to its own is
-- over.

create table commit_order (
  only_row boolean primary key default true,
  shift bigint not null default 0,
  constraint commit_order_only_row check (only_row)
);
insert into commit_order default values;
comment on table commit_order is 'What is added to transaction numbers; one row.';
comment on column commit_order.only_row is 'True.';
comment on column commit_order.shift is 'Raised after data were restored into a cluster whose transaction numbers are lower, so that positions go on rising.';
grant select on commit_order to loti_service;

create function commit_position() returns bigint
  language sql volatile
  return (select pg_current_xact_id()::text::bigint + shift from commit_order);
comment on function commit_position() is 'Where the rows of this transaction stand in the order that readers follow.';

create function settled_position() returns bigint
  language sql stable
  return (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint + shift from commit_order);
comment on function settled_position() is 'Rows before this position are complete: nothing will be added among them.';

alter table audit_events add column position bigint not null default commit_position();
comment on column audit_events.position is 'Where the event stands in the order that readers follow, together with id: see commit_position().';
create index audit_events_position_idx on audit_events (position, id);
create index audit_events_organisation_id_idx on audit_events (organisation_id, id);
create index audit_events_client_id_idx on audit_events (client_id, id);
create index audit_events_operation_idx on audit_events (operation, id);
create index audit_events_request_id_idx on audit_events (request_id, id);
create index audit_events_object_type_idx on audit_events (object_type, id);
create index audit_events_occurred_at_idx on audit_events (occurred_at, id);
comment on column audit_events.organisation_id is 'The organisation that it concerns, or on whose behalf it was done. No foreign key: the record outlives the organisation.';
