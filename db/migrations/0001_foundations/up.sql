-- What every resource stands on: text folding, versions, slugs, people and their roles, the audit trail.

create extension if not exists unaccent;
create extension if not exists pg_trgm;

-- unaccent() is only STABLE because its dictionary could be replaced; ours is the one shipped with PostgreSQL,
-- so that generated columns and indexes may use it.
create function fold(value text) returns text
  language sql immutable strict parallel safe
  return lower(unaccent('unaccent'::regdictionary, normalize(value, NFKC)));
comment on function fold(text) is 'Lower case, compatibility form, no accents: how text is compared.';

create function alias_key(value text) returns text
  language sql immutable strict parallel safe
  return btrim(regexp_replace(replace(fold(value), '&', ' and '), '[^[:alnum:]]+', ' ', 'g'));
comment on function alias_key(text) is 'The form in which two spellings of an organisation are the same: folded, words only.';

create function slugify(value text) returns text
  language sql immutable strict parallel safe
  return btrim(left(regexp_replace(fold(value), '[^a-z0-9]+', '-', 'g'), 72), '-');
comment on function slugify(text) is 'Kebab-case of a name, at most 72 characters; empty when no letter or digit survives.';

create text search configuration catalogue (copy = english);
alter text search configuration catalogue alter mapping for hword, hword_part, word with unaccent, english_stem;
comment on text search configuration catalogue is 'English stems, accents removed.';

create text search configuration catalogue_exact (copy = simple);
alter text search configuration catalogue_exact alter mapping for hword, hword_part, word with unaccent, simple;
comment on text search configuration catalogue_exact is 'Words as written, accents removed: what the prefix of a half-typed word is compared with.';

create function raise_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.created_at := old.created_at;
  new.updated_at := now();
  return new;
end $$;
comment on function raise_version() is 'Every update of a versioned row raises its version by one, whoever makes it.';

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name
    using errcode = 'integrity_constraint_violation', constraint = tg_table_name || '_append_only';
end $$;
comment on function refuse_change() is 'Rows of an append-only table are never changed or removed, whatever the role.';

create table slugs (
  kind text not null,
  slug text not null,
  object_id uuid not null,
  created_at timestamptz not null default now(),
  constraint slugs_pkey primary key (kind, slug),
  constraint slugs_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and char_length(slug) <= 80),
  constraint slugs_slug_not_uuid check (slug !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')
);
create index slugs_object_id_idx on slugs (object_id);
comment on table slugs is 'Every slug ever held. A slug belongs to one object for good, also after that object has another or is gone.';
comment on column slugs.kind is 'The table the object is in.';
comment on column slugs.slug is 'Kebab-case, at most 80 characters, never shaped like a UUID.';
comment on column slugs.object_id is 'Who holds or held it. No foreign key: the slug outlives its object.';
comment on column slugs.created_at is 'When it was first held.';

create trigger slugs_append_only before update or delete on slugs
  for each row execute function refuse_change();
create trigger slugs_not_truncated before truncate on slugs
  for each statement execute function refuse_change();

create function claim_slug() returns trigger language plpgsql as $$
declare
  -- A variable, because tg_table_name brings a collation of its own, with which no index would be used.
  held_kind text := tg_table_name;
  holder uuid;
begin
  insert into slugs (kind, slug, object_id) values (held_kind, new.slug, new.id)
    on conflict (kind, slug) do nothing;
  select object_id into holder from slugs where kind = held_kind and slug = new.slug;
  if holder <> new.id then
    raise exception 'slug % is or was held by another', new.slug
      using errcode = 'unique_violation', constraint = 'slugs_pkey';
  end if;
  return null;
end $$;
comment on function claim_slug() is 'Records the slug of a new or renamed row, and refuses one that another object ever held.';

create function free_slug(wanted_kind text, wanted text) returns text language plpgsql as $$
declare
  base text := coalesce(nullif(slugify(wanted), ''), 'unnamed');
  candidate text := base;
  n integer := 1;
begin
  -- One of a kind at a time per base: two objects of one name, added at once, get two slugs.
  perform pg_advisory_xact_lock(hashtextextended('slug:' || wanted_kind || ':' || base, 0));
  if base ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    base := 'n-' || base;
    candidate := base;
  end if;
  while exists (select from slugs where kind = wanted_kind and slug = candidate) loop
    n := n + 1;
    candidate := base || '-' || n;
  end loop;
  return candidate;
end $$;
comment on function free_slug(text, text) is 'The slug for a name: its kebab-case, with a number behind it when that is or was taken.';

create table users (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  email text not null,
  display_name text not null,
  constraint users_email_form check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and char_length(email) <= 254),
  constraint users_display_name_length check (char_length(display_name) between 1 and 120)
);
create unique index users_email_key on users (lower(email));
create trigger users_raise_version before update on users for each row execute function raise_version();
comment on table users is 'People who may act here.';
comment on column users.id is 'UUIDv7; the `sub` of a person''s access token.';
comment on column users.version is 'Raised by each change.';
comment on column users.created_at is 'When the person was added.';
comment on column users.updated_at is 'When the row last changed.';
comment on column users.email is 'Address that the person''s identity provider asserts. Personal data.';
comment on column users.display_name is 'Name as the person chose to show it. Personal data.';

create table platform_roles (
  user_id uuid not null references users on delete cascade,
  role text not null,
  created_at timestamptz not null default now(),
  constraint platform_roles_pkey primary key (user_id, role),
  constraint platform_roles_role_check check (role in ('moderator', 'platform_admin'))
);
comment on table platform_roles is 'Roles over the whole platform.';
comment on column platform_roles.user_id is 'Who holds the role; it goes with the person.';
comment on column platform_roles.role is 'moderator or platform_admin.';
comment on column platform_roles.created_at is 'Since when.';

create table audit_events (
  id bigint generated always as identity primary key,
  occurred_at timestamptz not null default now(),
  actor_id uuid,
  client_id text,
  organisation_id uuid,
  request_id text not null,
  operation text not null,
  object_type text not null,
  object_id uuid not null,
  before jsonb,
  after jsonb
);
create index audit_events_object_id_idx on audit_events (object_id, id);
create index audit_events_actor_id_idx on audit_events (actor_id, id);
create trigger audit_events_append_only before update or delete on audit_events
  for each row execute function refuse_change();
create trigger audit_events_not_truncated before truncate on audit_events
  for each statement execute function refuse_change();
comment on table audit_events is 'Who did what to which object, with what it was before and after. Append-only; written in the transaction of the change.';
comment on column audit_events.id is 'Rises; not the order of commit.';
comment on column audit_events.occurred_at is 'Start of the transaction.';
comment on column audit_events.actor_id is 'The person, or null for the operator''s command line. No foreign key: the record outlives the person.';
comment on column audit_events.client_id is 'The OAuth client that carried the request.';
comment on column audit_events.organisation_id is 'The organisation on whose behalf the token was issued.';
comment on column audit_events.request_id is 'X-Request-Id of the request, or the command that was run.';
comment on column audit_events.operation is 'operationId, such as update_product.';
comment on column audit_events.object_type is 'Table of the object.';
comment on column audit_events.object_id is 'The object.';
comment on column audit_events.before is 'The fields that changed, as they were; null on creation.';
comment on column audit_events.after is 'The same fields as they became; null on removal.';

create table source_records (
  kind text not null,
  source text not null,
  external_id text not null,
  object_id uuid not null,
  founder boolean not null,
  content_hash bytea not null,
  updated_at timestamptz not null default now(),
  constraint source_records_pkey primary key (kind, source, external_id),
  constraint source_records_source_length check (char_length(source) between 1 and 80),
  constraint source_records_external_id_length check (char_length(external_id) between 1 and 200)
);
create index source_records_object_id_idx on source_records (object_id);
comment on table source_records is 'Which imported row became which object, so that a second import changes nothing.';
comment on column source_records.kind is 'Table of the object.';
comment on column source_records.source is 'Name of the data set.';
comment on column source_records.external_id is 'The row''s own key in that data set.';
comment on column source_records.object_id is 'The object it became or was joined to.';
comment on column source_records.founder is 'Whether the object was first made from this row; other sources only fill its gaps.';
comment on column source_records.content_hash is 'SHA-256 of the row as last applied.';
comment on column source_records.updated_at is 'When it was last applied.';
