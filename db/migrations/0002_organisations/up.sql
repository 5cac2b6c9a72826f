-- Organisations: public bodies, utilities, suppliers and communities, with the people who belong to them.

create function alias_keys(name text, aliases text[]) returns text[]
  language sql immutable strict parallel safe
  return (select array_agg(distinct alias_key(spelling)) from unnest(array_append(aliases, name)) as spelling);
comment on function alias_keys(text, text[]) is 'Every spelling of an organisation, in the form in which spellings are compared.';

create table organisations (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint organisations_slug_key unique,
  kind text not null,
  name text not null,
  aliases text[] not null default '{}',
  alias_keys text[] not null generated always as (alias_keys(name, aliases)) stored,
  website text,
  region text,
  parent_id uuid references organisations on delete restrict,
  starts_on date,
  ends_on date,
  member_since date,
  email_domains text[] not null default '{}',
  constraint organisations_kind_check check (kind in
    ('local_authority', 'regional_body', 'nhs', 'central_government', 'utility', 'supplier', 'community')),
  constraint organisations_name_length check (char_length(name) between 1 and 200),
  constraint organisations_aliases_length check (cardinality(aliases) <= 50),
  constraint organisations_website_form check (website ~ '^https?://' and char_length(website) <= 2000),
  constraint organisations_region_length check (char_length(region) between 1 and 80),
  constraint organisations_parent_not_self check (parent_id <> id),
  constraint organisations_ends_after_start check (ends_on >= starts_on),
  constraint organisations_email_domains_length check (cardinality(email_domains) <= 20)
);
create index organisations_parent_id_idx on organisations (parent_id);
create index organisations_alias_keys_idx on organisations using gin (alias_keys);
create index organisations_name_idx on organisations (fold(name), id);
create index organisations_updated_at_idx on organisations (updated_at desc, id desc);
create trigger organisations_raise_version before update on organisations
  for each row execute function raise_version();
create trigger organisations_claim_slug after insert or update of slug on organisations
  for each row execute function claim_slug();
comment on table organisations is 'Bodies that use, build, supply, sign or comply. They end and are replaced; their history stays.';
comment on column organisations.id is 'UUIDv7.';
comment on column organisations.version is 'Raised by each change; the entity tag.';
comment on column organisations.created_at is 'When it was added.';
comment on column organisations.updated_at is 'When it last changed.';
comment on column organisations.slug is 'Present slug; earlier ones are in slugs.';
comment on column organisations.kind is 'What sort of body it is.';
comment on column organisations.name is 'Official name.';
comment on column organisations.aliases is 'Other spellings that people use.';
comment on column organisations.alias_keys is 'The name and the aliases in the form in which they are compared.';
comment on column organisations.website is 'http or https URL.';
comment on column organisations.region is 'Region of the United Kingdom, such as London.';
comment on column organisations.parent_id is 'The body it is part of or answers to; a parent cannot be removed.';
comment on column organisations.starts_on is 'First day of its existence.';
comment on column organisations.ends_on is 'Last day of its existence; null while it exists.';
comment on column organisations.member_since is 'Since when it takes part here.';
comment on column organisations.email_domains is 'Domains of its people''s addresses; seen by its members only.';

create table organisation_identifiers (
  scheme text not null,
  identifier text not null,
  organisation_id uuid not null references organisations on delete cascade,
  constraint organisation_identifiers_pkey primary key (scheme, identifier),
  constraint organisation_identifiers_scheme_form check (scheme ~ '^[A-Z]{2,3}(-[A-Z0-9]{1,12})?$'),
  constraint organisation_identifiers_identifier_length check (char_length(identifier) between 1 and 64)
);
create index organisation_identifiers_organisation_id_idx on organisation_identifiers (organisation_id);
comment on table organisation_identifiers is 'Codes under which others know an organisation, in the manner of OCDS (org-id.guide).';
comment on column organisation_identifiers.scheme is 'List the code is from: GB-LAC (GSS), GB-NHS (ODS), GB-COH (Companies House), SWA (street works).';
comment on column organisation_identifiers.identifier is 'The code.';
comment on column organisation_identifiers.organisation_id is 'Whose it is; it goes with the organisation.';

create table organisation_replacements (
  organisation_id uuid not null references organisations on delete cascade,
  replaced_by_id uuid not null references organisations on delete restrict,
  constraint organisation_replacements_pkey primary key (organisation_id, replaced_by_id),
  constraint organisation_replacements_not_self check (organisation_id <> replaced_by_id)
);
create index organisation_replacements_replaced_by_id_idx on organisation_replacements (replaced_by_id);
comment on table organisation_replacements is 'Which bodies took over from one that ended: one in a merger, several where it was split.';
comment on column organisation_replacements.organisation_id is 'The body that ended.';
comment on column organisation_replacements.replaced_by_id is 'A body that took over; it cannot be removed.';

create function refuse_replacement_cycle() returns trigger language plpgsql as $$
begin
  -- One at a time: two halves of a cycle, added at once, would each look acyclic.
  perform pg_advisory_xact_lock(hashtextextended('organisation_replacements', 0));
  if exists (
    with recursive chain(id) as (
      select new.replaced_by_id
      union
      select r.replaced_by_id from organisation_replacements r join chain c on r.organisation_id = c.id
    )
    select from chain where id = new.organisation_id
  ) then
    raise exception 'organisation % would replace itself', new.organisation_id
      using errcode = 'check_violation', constraint = 'organisation_replacements_acyclic';
  end if;
  return null;
end $$;
create trigger organisation_replacements_acyclic after insert or update on organisation_replacements
  for each row execute function refuse_replacement_cycle();

create function refuse_parent_cycle() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('organisations.parent_id', 0));
  if exists (
    with recursive chain(id) as (
      select new.parent_id
      union
      select o.parent_id from organisations o join chain c on o.id = c.id where o.parent_id is not null
    )
    select from chain where id = new.id
  ) then
    raise exception 'organisation % would be its own parent', new.id
      using errcode = 'check_violation', constraint = 'organisations_parent_acyclic';
  end if;
  return null;
end $$;
create trigger organisations_parent_acyclic after insert or update of parent_id on organisations
  for each row when (new.parent_id is not null) execute function refuse_parent_cycle();

create table memberships (
  user_id uuid not null references users on delete cascade,
  organisation_id uuid not null references organisations on delete restrict,
  role text not null,
  created_at timestamptz not null default now(),
  constraint memberships_pkey primary key (user_id, organisation_id),
  constraint memberships_role_check check (role in ('viewer', 'contributor', 'steward', 'admin'))
);
create index memberships_organisation_id_idx on memberships (organisation_id);
comment on table memberships is 'A person''s role in an organisation: one each.';
comment on column memberships.user_id is 'The person; the membership goes with them.';
comment on column memberships.organisation_id is 'The organisation; it cannot be removed while it has members.';
comment on column memberships.role is 'viewer, contributor, steward or admin; each may do what those before it may.';
comment on column memberships.created_at is 'Since when.';

create function organisation_ref(organisation uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('id', id, 'slug', slug, 'name', name) from organisations where id = organisation);
comment on function organisation_ref(uuid) is 'How another resource names an organisation: id, slug, name.';

create function organisation_identifier_list(organisation uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(jsonb_build_object('scheme', scheme, 'id', identifier) order by scheme, identifier), '[]')
          from organisation_identifiers where organisation_id = organisation);
comment on function organisation_identifier_list(uuid) is 'The identifiers of an organisation as an array of {scheme, id}.';

create function organisation_replaced_by(organisation uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(organisation_ref(replaced_by_id) order by replaced_by_id), '[]')
          from organisation_replacements where organisation_id = organisation);
comment on function organisation_replaced_by(uuid) is 'The bodies that took over from an organisation, as an array of references.';

create function organisation_successor_ids(organisation uuid) returns setof uuid
  language sql stable strict parallel safe
  begin atomic
    with recursive chain(id) as (
      select organisation
      union
      select r.replaced_by_id from organisation_replacements r join chain c on r.organisation_id = c.id
    )
    select c.id from chain c
    where not exists (select from organisation_replacements r where r.organisation_id = c.id);
  end;
comment on function organisation_successor_ids(uuid) is 'Where the chain of replacements ends: the organisation itself when nobody replaced it.';

create function organisation_successors(organisation uuid) returns jsonb
  language sql stable strict parallel safe
  return (select coalesce(jsonb_agg(organisation_ref(s) order by s), '[]')
          from organisation_successor_ids(organisation) as s where s <> organisation);
comment on function organisation_successors(uuid) is 'The bodies that stand today for one that was replaced, as an array of references.';

create function sees_as_member(viewer uuid, organisation uuid) returns boolean
  language sql stable parallel safe
  return coalesce(exists (select from memberships m where m.user_id = viewer and m.organisation_id = organisation)
    or exists (select from platform_roles p where p.user_id = viewer and p.role = 'platform_admin'), false);
comment on function sees_as_member(uuid, uuid) is 'Whether a person sees what an organisation shows its members only.';
