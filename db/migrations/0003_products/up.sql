-- Products: what organisations use, build or plan to build, with every version kept and searchable text.

create function product_document(name text, summary text, description text, features text[]) returns tsvector
  language sql immutable parallel safe
  return setweight(to_tsvector('catalogue'::regconfig, name), 'A')
      || setweight(to_tsvector('catalogue_exact'::regconfig, name), 'A')
      || setweight(to_tsvector('catalogue'::regconfig, coalesce(summary, '')), 'B')
      || setweight(to_tsvector('catalogue_exact'::regconfig, coalesce(summary, '')), 'B')
      || setweight(to_tsvector('catalogue'::regconfig, coalesce(description, '')), 'C')
      || setweight(to_tsvector('catalogue'::regconfig, array_to_string(features, ' ')), 'D');
comment on function product_document(text, text, text, text[]) is
  'What a search looks in: name (A), summary (B), description (C), features (D); name and summary also as written, for prefixes.';

create function phase_rank(phase text) returns integer
  language sql immutable strict parallel safe
  return array_position(array['concept', 'discovery', 'alpha', 'beta', 'live', 'retired'], phase);
comment on function phase_rank(text) is 'The order of the phases.';

create table products (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint products_slug_key unique,
  name text not null,
  summary text,
  description text,
  kind text not null,
  phase text not null,
  phase_started_on date,
  phase_reason text,
  next_assessment_on date,
  supplier_id uuid references organisations on delete restrict,
  owner_id uuid references organisations on delete restrict,
  website text,
  repository text,
  licence text,
  development_status text,
  software_version text,
  release_date date,
  categories text[] not null default '{}',
  platforms text[] not null default '{}',
  features text[] not null default '{}',
  standards text[] not null default '{}',
  depends_on jsonb not null default '[]',
  service_codes text[] not null default '{}',
  cpv_codes text[] not null default '{}',
  collaboration_level text,
  budget_band text,
  confirmed_at timestamptz not null default now(),
  search tsvector not null generated always as (product_document(name, summary, description, features)) stored,
  constraint products_name_length check (char_length(name) between 1 and 120),
  constraint products_summary_length check (char_length(summary) between 1 and 150),
  constraint products_description_length check (char_length(description) between 1 and 20000),
  constraint products_kind_check check (kind in ('product', 'project', 'prototype', 'service')),
  constraint products_phase_check check (phase in ('concept', 'discovery', 'alpha', 'beta', 'live', 'retired')),
  constraint products_phase_reason_length check (char_length(phase_reason) between 1 and 1000),
  constraint products_website_form check (website ~ '^https?://' and char_length(website) <= 2000),
  constraint products_repository_form check (repository ~ '^https?://' and char_length(repository) <= 2000),
  constraint products_licence_length check (char_length(licence) between 1 and 200),
  constraint products_development_status_check check (development_status in
    ('concept', 'development', 'beta', 'stable', 'obsolete')),
  constraint products_software_version_length check (char_length(software_version) between 1 and 80),
  constraint products_categories_length check (cardinality(categories) <= 30),
  constraint products_platforms_length check (cardinality(platforms) <= 30),
  constraint products_features_length check (cardinality(features) <= 100),
  constraint products_standards_length check (cardinality(standards) <= 50),
  constraint products_depends_on_array check (jsonb_typeof(depends_on) = 'array'),
  constraint products_service_codes_length check (cardinality(service_codes) <= 50),
  constraint products_cpv_codes_length check (cardinality(cpv_codes) <= 50),
  constraint products_collaboration_level_check check (collaboration_level in
    ('share_ideas', 'open_to_conversation', 'share_funding')),
  constraint products_budget_band_check check (budget_band in
    ('under_10k', 'from_10k_to_50k', 'from_50k_to_100k', 'from_100k_to_500k', 'from_500k_to_1m', 'over_1m'))
);
create index products_supplier_id_idx on products (supplier_id);
create index products_owner_id_idx on products (owner_id);
create index products_search_idx on products using gin (search);
create index products_name_search_idx on products using gin (to_tsvector('catalogue'::regconfig, name));
create index products_name_trigram_idx on products using gin (fold(name) gin_trgm_ops);
create index products_categories_idx on products using gin (categories);
create index products_platforms_idx on products using gin (platforms);
create index products_service_codes_idx on products using gin (service_codes);
create index products_cpv_codes_idx on products using gin (cpv_codes);
create index products_name_idx on products (fold(name), id);
create index products_created_at_idx on products (created_at desc, id desc);
create index products_updated_at_idx on products (updated_at desc, id desc);
create index products_confirmed_at_idx on products (confirmed_at desc, id desc);
create trigger products_raise_version before update on products
  for each row execute function raise_version();
create trigger products_claim_slug after insert or update of slug on products
  for each row execute function claim_slug();
comment on table products is 'Anything an organisation uses, builds or plans to build, from idea to retirement.';
comment on column products.id is 'UUIDv7.';
comment on column products.version is 'Raised by each change; the entity tag; the number of its row in product_versions.';
comment on column products.created_at is 'When it was added.';
comment on column products.updated_at is 'When it last changed.';
comment on column products.slug is 'Present slug; earlier ones are in slugs and redirect.';
comment on column products.name is 'Name.';
comment on column products.summary is 'One line, at most 150 characters (publiccode.yml shortDescription).';
comment on column products.description is 'Markdown (publiccode.yml longDescription).';
comment on column products.kind is 'product, project, prototype or service.';
comment on column products.phase is 'Delivery phase, GOV.UK service manual, with concept before and retired after.';
comment on column products.phase_started_on is 'First day of the present phase.';
comment on column products.phase_reason is 'Why it came to the present phase; required when that was a step back.';
comment on column products.next_assessment_on is 'Day of the next service assessment.';
comment on column products.supplier_id is 'Who supplies it; cannot be removed while it does.';
comment on column products.owner_id is 'Public body that owns or runs it; cannot be removed while it does.';
comment on column products.website is 'http or https URL.';
comment on column products.repository is 'http or https URL of the source code.';
comment on column products.licence is 'SPDX expression; null when proprietary.';
comment on column products.development_status is 'publiccode.yml developmentStatus.';
comment on column products.software_version is 'Latest released version, as its makers write it.';
comment on column products.release_date is 'Day of that release.';
comment on column products.categories is 'Kebab-case; those of publiccode.yml where one fits.';
comment on column products.platforms is 'Where it runs: web, windows, linux and so on (publiccode.yml platforms).';
comment on column products.features is 'What it does, a phrase each.';
comment on column products.standards is 'Standards it follows.';
comment on column products.depends_on is 'What it needs to run (publiccode.yml dependsOn): an array of {name, kind, version, versionMin, versionMax, optional}.';
comment on column products.service_codes is 'Local Government Services List codes.';
comment on column products.cpv_codes is 'Common Procurement Vocabulary codes.';
comment on column products.collaboration_level is 'How far its owner wants others to join in.';
comment on column products.budget_band is 'Rough yearly cost in pounds.';
comment on column products.confirmed_at is 'When somebody last stood by what is recorded.';
comment on column products.search is 'What a search looks in.';

create function refuse_silent_step_back() returns trigger language plpgsql as $$
begin
  if phase_rank(new.phase) < phase_rank(old.phase) and new.phase_reason is null then
    raise exception 'a step back from % to % needs a reason', old.phase, new.phase
      using errcode = 'check_violation', constraint = 'products_step_back_has_reason';
  end if;
  return new;
end $$;
create trigger products_step_back_has_reason before update of phase on products
  for each row execute function refuse_silent_step_back();

create table product_versions (
  product_id uuid not null references products on delete cascade,
  version integer not null,
  recorded_at timestamptz not null default now(),
  organisation_id uuid references organisations on delete restrict,
  reverts_to integer,
  reason text,
  state jsonb not null,
  constraint product_versions_pkey primary key (product_id, version),
  constraint product_versions_version_positive check (version > 0),
  constraint product_versions_reverts_back check (reverts_to < version)
);
create index product_versions_organisation_id_idx on product_versions (organisation_id);
comment on table product_versions is 'Every state a product was ever in. Rows never change, and go only with their product.';
comment on column product_versions.product_id is 'Which product; its versions go with it.';
comment on column product_versions.version is 'The version of the product, from 1.';
comment on column product_versions.recorded_at is 'When it came to be.';
comment on column product_versions.organisation_id is 'The organisation on whose behalf it was written; null for operators and imports.';
comment on column product_versions.reverts_to is 'The earlier version that this one restored.';
comment on column product_versions.reason is 'Why, where the writer said so.';
comment on column product_versions.state is 'What the writer could have set, as it was, by column.';

create function keep_product_version() returns trigger language plpgsql as $$
begin
  -- A version goes only with its product: by then the cascade has already removed that.
  if tg_op = 'DELETE' and not exists (select from products where id = old.product_id) then
    return old;
  end if;
  raise exception 'product_versions is append-only'
    using errcode = 'integrity_constraint_violation', constraint = 'product_versions_append_only';
end $$;
create trigger product_versions_append_only before update or delete on product_versions
  for each row execute function keep_product_version();
create trigger product_versions_not_truncated before truncate on product_versions
  for each statement execute function refuse_change();

create table product_updates (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  product_id uuid not null references products on delete cascade,
  posted_on date not null default current_date,
  body text not null,
  organisation_id uuid references organisations on delete restrict,
  constraint product_updates_body_length check (char_length(body) between 1 and 1000)
);
create index product_updates_product_id_idx on product_updates (product_id, posted_on desc, id desc);
create index product_updates_organisation_id_idx on product_updates (organisation_id);
create trigger product_updates_raise_version before update on product_updates
  for each row execute function raise_version();
comment on table product_updates is 'Dated lines on how a product is getting on: reported once, read everywhere.';
comment on column product_updates.id is 'UUIDv7.';
comment on column product_updates.version is 'Raised by each change; the entity tag.';
comment on column product_updates.created_at is 'When it was posted.';
comment on column product_updates.updated_at is 'When it last changed.';
comment on column product_updates.product_id is 'Which product; its updates go with it.';
comment on column product_updates.posted_on is 'The day it speaks of.';
comment on column product_updates.body is 'Plain text.';
comment on column product_updates.organisation_id is 'The organisation that posted it.';

create table lgsl_services (
  code text primary key,
  label text not null,
  status text not null,
  constraint lgsl_services_code_form check (code ~ '^[0-9]{1,5}$')
);
comment on table lgsl_services is 'The Local Government Services List: what a service code of a product may be.';
comment on column lgsl_services.code is 'Number of the service.';
comment on column lgsl_services.label is 'Name of the service.';
comment on column lgsl_services.status is 'Live or otherwise, as the list has it.';

create table publiccode_categories (
  code text primary key
);
comment on table publiccode_categories is 'The categories that publiccode.yml knows: those that a publiccode.yml made here names.';
comment on column publiccode_categories.code is 'Kebab-case category.';

create table citations (
  id uuid primary key,
  product_id uuid not null references products on delete restrict,
  organisation_id uuid not null references organisations on delete restrict,
  status text not null,
  confirmed_at timestamptz not null default now(),
  constraint citations_status_check check (status in ('draft', 'active', 'ended', 'withdrawn'))
);
create unique index citations_one_live on citations (organisation_id, product_id) where status = 'active';
create index citations_product_id_live_idx on citations (product_id, organisation_id) where status = 'active';
create index citations_product_id_idx on citations (product_id);
create index citations_organisation_id_idx on citations (organisation_id);
comment on table citations is 'Organisation X uses product Y.';
comment on column citations.id is 'UUIDv7.';
comment on column citations.product_id is 'What is used; cannot be removed while it is cited.';
comment on column citations.organisation_id is 'Who uses it; cannot be removed while it cites.';
comment on column citations.status is 'draft, active, ended or withdrawn.';
comment on column citations.confirmed_at is 'When the organisation last stood by it.';

create table comments (
  id uuid primary key,
  product_id uuid not null references products on delete restrict,
  status text not null,
  constraint comments_status_check check (status in ('visible', 'hidden', 'removed'))
);
create index comments_product_id_visible_idx on comments (product_id) where status = 'visible';
create index comments_product_id_idx on comments (product_id);
comment on table comments is 'What people say of a product.';
comment on column comments.id is 'UUIDv7.';
comment on column comments.product_id is 'What is spoken of; cannot be removed while it is.';
comment on column comments.status is 'visible, hidden or removed.';

create function citation_count(product uuid) returns bigint
  language sql stable strict parallel safe
  return (select count(*) from citations where product_id = product and status in ('active', 'ended'));
comment on function citation_count(uuid) is 'How many citations of a product stand, those that ended included.';

create function citing_organisation_count(product uuid) returns bigint
  language sql stable strict parallel safe
  return (select count(*) from citations where product_id = product and status = 'active');
comment on function citing_organisation_count(uuid) is 'How many organisations say today that they use a product.';

create function visible_comment_count(product uuid) returns bigint
  language sql stable strict parallel safe
  return (select count(*) from comments where product_id = product and status = 'visible');
comment on function visible_comment_count(uuid) is 'How many comments on a product everybody sees.';

create function catalogue_query(q text) returns tsquery
  language plpgsql immutable strict parallel safe as $$
declare
  plain text := unaccent('unaccent'::regdictionary, normalize(q, NFKC));
  last text := lower(substring(plain from '([[:alnum:]]{2,})$'));
  head text;
  whole tsquery := websearch_to_tsquery('catalogue', q);
begin
  -- A word that is quoted, or excluded with a minus, is not half-typed.
  if last is null or plain ~ '[-"][[:alnum:]]+$' or (length(plain) - length(replace(plain, '"', ''))) % 2 = 1 then
    return whole;
  end if;
  head := left(plain, length(plain) - length(last));
  -- `last` is letters and digits only, so the cast cannot fail and cannot mean anything else.
  if numnode(websearch_to_tsquery('catalogue', head)) = 0 then
    return whole || (last || ':*')::tsquery;
  end if;
  return whole || (websearch_to_tsquery('catalogue', head) && (last || ':*')::tsquery);
end $$;
comment on function catalogue_query(text) is 'What a person typed, as a query: every word by its stem, the last also as the beginning of a word; "phrases", or and -exclusions as web searches have them.';
