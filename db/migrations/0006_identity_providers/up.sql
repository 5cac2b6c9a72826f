-- People sign in by the OpenID Connect provider of their organisation; no password is kept here.

alter table users alter column email drop not null;
comment on column users.email is 'Address of the person, as asserted by a provider that may speak for its domain, or by an operator; null when nobody did, and once they were erased. Personal data.';

alter table memberships add column mapped boolean not null default false;
comment on column memberships.mapped is 'Whether the role comes from the role map of an identity provider, which then also changes it; false once somebody gave it by hand.';

create table identity_providers (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  organisation_id uuid not null references organisations on delete cascade,
  name text not null,
  kind text not null,
  issuer text not null,
  audience text not null,
  algorithms text[] not null,
  role_map jsonb not null default '[]',
  platform_roles boolean not null default false,
  constraint identity_providers_name_length check (char_length(name) between 1 and 120),
  constraint identity_providers_kind_check check (kind in ('openid_connect', 'entra_id')),
  constraint identity_providers_issuer_form check (issuer ~ '^https?://[^[:space:]?#]+$' and char_length(issuer) <= 500),
  -- Everybody who has any account at all could come in by these.
  constraint identity_providers_issuer_single_tenant check (
    issuer !~* '^https?://[^/]+/(common|organizations|consumers|9188040d-6c67-4c5b-b112-36a304b66dad|\{tenantid\})(/|$)'),
  constraint identity_providers_audience_length check (char_length(audience) between 1 and 255),
  constraint identity_providers_algorithms_known check (cardinality(algorithms) between 1 and 8
    and algorithms <@ array['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA']),
  constraint identity_providers_role_map_form check (jsonb_typeof(role_map) = 'array' and jsonb_array_length(role_map) <= 50),
  constraint identity_providers_once unique (organisation_id, issuer, audience)
);
create index identity_providers_issuer_idx on identity_providers (issuer, audience);
create trigger identity_providers_raise_version before update on identity_providers
  for each row execute function raise_version();
comment on table identity_providers is 'OpenID Connect providers by which an organisation''s people sign in. Several organisations may name one: who shares a tenant is told apart by the domain of the address.';
comment on column identity_providers.id is 'UUIDv7.';
comment on column identity_providers.version is 'Raised by each change; the entity tag.';
comment on column identity_providers.created_at is 'When it was registered.';
comment on column identity_providers.updated_at is 'When it last changed.';
comment on column identity_providers.organisation_id is 'Whose people sign in by it; it goes with the organisation.';
comment on column identity_providers.name is 'What the organisation calls it.';
comment on column identity_providers.kind is 'openid_connect, where sub says who somebody is, or entra_id, where tid and oid do.';
comment on column identity_providers.issuer is 'iss of its tokens, character by character.';
comment on column identity_providers.audience is 'aud of its tokens that are meant for us.';
comment on column identity_providers.algorithms is 'Algorithms (RFC 7518) in which it signs; others are refused, whatever a token says.';
comment on column identity_providers.role_map is 'Which value of which claim gives which role: [{claim, value, role}].';
comment on column identity_providers.platform_roles is 'Whether roles over the platform count for people who sign in by it; only the platform''s administrators say so.';
grant select, insert, update, delete on identity_providers to loti_service;
alter table identity_providers enable row level security;
create policy identity_providers_of_viewer on identity_providers using (may_see(organisation_id));

create table identities (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  organisation_id uuid not null references organisations on delete cascade,
  issuer text not null,
  tenant text not null,
  subject text not null,
  email text,
  created_at timestamptz not null default now(),
  constraint identities_once unique (organisation_id, issuer, tenant, subject),
  constraint identities_issuer_length check (char_length(issuer) between 1 and 500),
  constraint identities_tenant_length check (char_length(tenant) <= 255),
  constraint identities_subject_length check (char_length(subject) between 1 and 255),
  constraint identities_email_length check (char_length(email) between 3 and 254)
);
create index identities_user_id_idx on identities (user_id);
comment on table identities is 'Who somebody is at an identity provider, and so here. An organisation''s provider speaks for its own people only, so another''s says nothing of them.';
comment on column identities.id is 'UUIDv7.';
comment on column identities.user_id is 'The person; it goes with them.';
comment on column identities.organisation_id is 'The organisation whose provider says so.';
comment on column identities.issuer is 'iss of their tokens.';
comment on column identities.tenant is 'tid of their tokens, for Entra ID; else empty.';
comment on column identities.subject is 'oid of their tokens for Entra ID, else sub. Personal data.';
comment on column identities.email is 'Address in their tokens, whether or not the provider may speak for its domain. Personal data.';
comment on column identities.created_at is 'When they first came.';
grant select, insert, update, delete on identities to loti_service;
alter table identities enable row level security;
create policy identities_of_viewer on identities
  using (viewer_is_operator() or user_id = viewer_id('person'));

create function lends_platform_roles(provider uuid) returns boolean
  -- As its owner: who signs in by a provider need not belong to its organisation.
  language sql stable security definer set search_path = public, pg_temp
  return (select platform_roles from identity_providers where id = provider);
comment on function lends_platform_roles(uuid) is 'Whether roles over the platform count for people who sign in by a provider; null when it was removed.';

create function wait_for_lock(name text) returns boolean
  language sql volatile
  return pg_advisory_xact_lock(hashtextextended(name, 0)) is not null;
comment on function wait_for_lock(text) is 'Has the lock of a name for the rest of the transaction, once those before have given it up.';

create function speaks_for(organisation uuid, address text) returns boolean
  language sql stable parallel safe
  return coalesce((select lower(split_part(address, '@', 2)) = any (email_domains) from organisations where id = organisation), false);
comment on function speaks_for(uuid, text) is 'Whether an address is in a domain of an organisation, whose provider then may say whose it is.';
