-- Frameworks: what organisations assess themselves against, as OSCAL catalogs (NIST, catalog model 1.1).

create table frameworks (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  slug text not null constraint frameworks_slug_key unique,
  title text not null,
  edition text not null,
  summary text,
  authority text not null,
  licence text,
  organisation_id uuid not null references organisations on delete restrict,
  supersedes_id uuid references frameworks on delete restrict,
  status text not null default 'draft',
  status_reason text,
  published_at timestamptz,
  envelope jsonb not null default '{}',
  control_count integer not null default 0,
  constraint frameworks_title_length check (char_length(title) between 1 and 200),
  constraint frameworks_edition_length check (char_length(edition) between 1 and 60),
  constraint frameworks_summary_length check (char_length(summary) between 1 and 300),
  constraint frameworks_authority_length check (char_length(authority) between 1 and 200),
  constraint frameworks_licence_length check (char_length(licence) between 1 and 200),
  constraint frameworks_status_check check (status in ('draft', 'published', 'superseded', 'withdrawn')),
  constraint frameworks_status_reason_length check (char_length(status_reason) between 1 and 1000),
  constraint frameworks_published check ((status = 'draft') = (published_at is null)),
  constraint frameworks_withdrawn_for_a_reason check ((status = 'withdrawn') = (status_reason is not null)),
  constraint frameworks_envelope_is_object check (jsonb_typeof(envelope) = 'object'),
  constraint frameworks_supersedes_another check (supersedes_id <> id)
);
create index frameworks_title_idx on frameworks (fold(title), id);
create index frameworks_organisation_id_idx on frameworks (organisation_id);
create index frameworks_supersedes_id_idx on frameworks (supersedes_id);
-- One edition follows another; drafts may compete.
create unique index frameworks_one_successor on frameworks (supersedes_id) where status <> 'draft';
create trigger frameworks_raise_version before update on frameworks for each row execute function raise_version();
create trigger frameworks_claim_slug after insert or update of slug on frameworks
  for each row execute function claim_slug();
comment on table frameworks is 'Editions of frameworks of controls. One that was published never changes.';
comment on column frameworks.id is 'UUIDv7.';
comment on column frameworks.version is 'Raised by each change, of its controls as well; the entity tag.';
comment on column frameworks.created_at is 'When it was added.';
comment on column frameworks.updated_at is 'When it last changed.';
comment on column frameworks.slug is 'Present slug; earlier ones are in slugs.';
comment on column frameworks.title is 'What it is called.';
comment on column frameworks.edition is 'Which edition of it: the version of its OSCAL metadata.';
comment on column frameworks.summary is 'What it is for, in a line.';
comment on column frameworks.authority is 'Who issues it.';
comment on column frameworks.licence is 'Under which licence its words may be used.';
comment on column frameworks.organisation_id is 'Who keeps it here.';
comment on column frameworks.supersedes_id is 'The edition that it takes the place of; never changes once it was published.';
comment on column frameworks.status is 'draft, published, superseded by another edition, or withdrawn.';
comment on column frameworks.status_reason is 'Why it was withdrawn.';
comment on column frameworks.published_at is 'When it was published.';
comment on column frameworks.envelope is 'Its OSCAL catalog but for groups and controls, as it came in.';
comment on column frameworks.control_count is 'How many controls it has; kept by a trigger.';

create table framework_items (
  framework_id uuid not null references frameworks on delete cascade,
  position integer not null,
  parent_position integer,
  kind text not null,
  item_id text,
  label text,
  title text not null,
  prose text,
  content jsonb not null default '{}',
  indicators jsonb not null default '[]',
  constraint framework_items_pkey primary key (framework_id, position),
  constraint framework_items_item_id_once unique (framework_id, item_id),
  constraint framework_items_parent_fkey foreign key (framework_id, parent_position)
    references framework_items (framework_id, position) on delete no action,
  constraint framework_items_behind_parent check (parent_position < position),
  constraint framework_items_position_range check (position between 1 and 20000),
  constraint framework_items_kind_check check (kind in ('group', 'control')),
  constraint framework_items_control_has_id check (kind = 'group' or item_id is not null),
  constraint framework_items_item_id_length check (char_length(item_id) between 1 and 400),
  constraint framework_items_label_length check (char_length(label) between 1 and 400),
  constraint framework_items_title_length check (char_length(title) <= 1000),
  constraint framework_items_content_is_object check (jsonb_typeof(content) = 'object'),
  constraint framework_items_indicators_is_list check (jsonb_typeof(indicators) = 'array')
);
create index framework_items_parent_idx on framework_items (framework_id, parent_position);
create index framework_items_controls_idx on framework_items (framework_id, position) where kind = 'control';
comment on table framework_items is 'Groups and controls of a framework, in the order in which they are read.';
comment on column framework_items.framework_id is 'Of which framework.';
comment on column framework_items.position is 'Its place among them, from 1; what it is part of comes before it.';
comment on column framework_items.parent_position is 'The group or control that it is part of.';
comment on column framework_items.kind is 'group or control.';
comment on column framework_items.item_id is 'Its id in the catalog; a group may have none.';
comment on column framework_items.label is 'What people call it: the OSCAL property label.';
comment on column framework_items.title is 'Its title; empty where it has none.';
comment on column framework_items.prose is 'What it asks for, in Markdown, of all of its statements.';
comment on column framework_items.content is 'Itself in OSCAL but for id, title, groups and controls, as it came in.';
comment on column framework_items.indicators is 'Indicators of good practice: an array of objects with id, label, grade and statement, of its parts named assessment-objective that have a class.';

create function check_framework() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    if old.status <> 'draft' then
      raise exception 'only a draft is removed' using errcode = 'check_violation', constraint = 'frameworks_immutable';
    end if;
    return old;
  end if;
  if row(new.id, new.created_at) is distinct from row(old.id, old.created_at)
    or old.status <> 'draft' and row(new.title, new.edition, new.authority, new.licence, new.supersedes_id, new.envelope, new.control_count, new.published_at)
      is distinct from row(old.title, old.edition, old.authority, old.licence, old.supersedes_id, old.envelope, old.control_count, old.published_at)
    or old.status = 'withdrawn' and new.status_reason is distinct from old.status_reason then
    raise exception 'a framework does not change once it was published' using errcode = 'check_violation', constraint = 'frameworks_immutable';
  end if;
  if new.status = old.status then
    return new;
  end if;
  if not (row(old.status, new.status) in (('draft', 'published'), ('published', 'superseded'), ('published', 'withdrawn'), ('superseded', 'withdrawn'))) then
    raise exception 'a framework does not go from % to %', old.status, new.status using errcode = 'check_violation', constraint = 'frameworks_transition';
  end if;
  if new.status = 'published' and new.control_count = 0 then
    raise exception 'a framework has controls' using errcode = 'check_violation', constraint = 'frameworks_has_controls';
  end if;
  return new;
end $$;
comment on function check_framework() is 'The way of a framework from draft to withdrawn; what was published stays as it is.';
create trigger frameworks_check before update or delete on frameworks for each row execute function check_framework();

-- The lock on the framework is what lets a change of its controls and its publication not pass each other.
create function check_framework_items() returns trigger language plpgsql as $$
declare
  standing text;
begin
  for standing in select status from frameworks where id in (select framework_id from changed) for update loop
    if standing <> 'draft' then
      raise exception 'controls change while their framework is a draft' using errcode = 'check_violation', constraint = 'frameworks_immutable';
    end if;
  end loop;
  update frameworks set control_count = (select count(*) from framework_items where framework_id = id and kind = 'control')
    where id in (select framework_id from changed) and status = 'draft';
  return null;
end $$;
comment on function check_framework_items() is 'Controls change while their framework is a draft; keeps frameworks.control_count.';
create trigger framework_items_check_insert after insert on framework_items referencing new table as changed
  for each statement execute function check_framework_items();
create trigger framework_items_check_update after update on framework_items referencing new table as changed
  for each statement execute function check_framework_items();
create trigger framework_items_check_update_old after update on framework_items referencing old table as changed
  for each statement execute function check_framework_items();
create trigger framework_items_check_delete after delete on framework_items referencing old table as changed
  for each statement execute function check_framework_items();

create trigger frameworks_not_truncated before truncate on frameworks
  for each statement execute function refuse_change();
create trigger framework_items_not_truncated before truncate on framework_items
  for each statement execute function refuse_change();

create function framework_ref(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('id', id, 'slug', slug, 'title', title, 'edition', edition) from frameworks where id = wanted);
comment on function framework_ref(uuid) is 'A framework as a reference.';

create function framework_successor(wanted uuid) returns jsonb
  language sql stable strict parallel safe
  return (select framework_ref(id) from frameworks where supersedes_id = wanted and status <> 'draft');
comment on function framework_successor(uuid) is 'The edition that took the place of another.';

create function framework_group(framework uuid, place integer) returns jsonb
  language sql stable parallel safe
begin atomic
  with recursive above as (
    select i.position, i.parent_position, i.kind, i.item_id, i.label, i.title from framework_items i
      where i.framework_id = framework and i.position = place
    union all
    select i.position, i.parent_position, i.kind, i.item_id, i.label, i.title from framework_items i
      join above on i.framework_id = framework and i.position = above.parent_position)
  select jsonb_build_object('id', item_id, 'label', label, 'title', title) from above where kind = 'group'
  order by position desc limit 1;
end;
comment on function framework_group(uuid, integer) is 'The innermost group in which an item of a framework is.';

grant select, insert, update, delete on frameworks, framework_items to loti_service;
