-- Comments whole: who says what of a product, in threads, and how it is judged. Nothing that was said is lost: what is
-- hidden or removed keeps its place, and every wording is kept for those who judge.

alter table comments
  add column version integer not null default 1,
  add column created_at timestamptz not null default now(),
  add column updated_at timestamptz not null default now(),
  add column parent_id uuid,
  add column path uuid[] not null,
  add column author_id uuid references users on delete set null,
  add column organisation_id uuid references organisations on delete restrict,
  add column author_kind text not null,
  add column body_markdown text not null,
  add column body_html text not null,
  add column renderer smallint not null,
  add column edited_at timestamptz,
  add column queued_at timestamptz,
  add constraint comments_place_key unique (product_id, id),
  add constraint comments_path_key unique (product_id, path),
  add constraint comments_parent_in_product foreign key (product_id, parent_id)
    references comments (product_id, id) on delete restrict,
  add constraint comments_path_length check (cardinality(path) between 1 and 8),
  add constraint comments_path_ends_in_itself check (path[cardinality(path)] = id
    and path[cardinality(path) - 1] is not distinct from parent_id),
  add constraint comments_author_kind_check check (author_kind in ('member', 'supplier', 'moderator')),
  add constraint comments_body_markdown_length check (char_length(body_markdown) between 1 and 10000),
  add constraint comments_body_html_length check (char_length(body_html) <= 200000),
  -- What is hidden waits to be judged; what is removed does not.
  add constraint comments_queue check (case status
    when 'hidden' then queued_at is not null when 'removed' then queued_at is null else true end);
comment on table comments is 'What people say of a product, in threads.';
comment on column comments.version is 'Raised by each change of text, status or author; the entity tag.';
comment on column comments.created_at is 'When it was made.';
comment on column comments.updated_at is 'When it last changed.';
comment on column comments.parent_id is 'The comment on the same product that it replies to.';
comment on column comments.path is 'The ids from the beginning of its thread down to itself. They rise with time, so that this order is that of the threads, and a thread is one range of it.';
comment on column comments.author_id is 'Who wrote it; empty once the person is gone. Personal data.';
comment on column comments.organisation_id is 'On whose behalf; empty for moderators, and for those of several who named none.';
comment on column comments.author_kind is 'member, supplier or moderator: what the author was when it was made.';
comment on column comments.body_markdown is 'What it says, in Markdown; kept also when it is removed.';
comment on column comments.body_html is 'The same as HTML that is safe to show.';
comment on column comments.renderer is 'Which edition of the renderer made body_html.';
comment on column comments.edited_at is 'When its text last changed.';
comment on column comments.queued_at is 'Since when it waits for a moderator: flagged or hidden, and not judged since.';

drop index comments_product_id_idx, comments_product_id_visible_idx;
create index comments_parent_id_idx on comments (product_id, parent_id, id);
create index comments_author_id_idx on comments (author_id);
create index comments_organisation_id_idx on comments (organisation_id);
create index comments_queued_at_idx on comments (queued_at, id) where queued_at is not null;
-- Being queued is no change of the comment: an author does not lose their turn because somebody flags.
create trigger comments_raise_version before update of status, body_markdown, author_id on comments
  for each row execute function raise_version();

create function check_comment() returns trigger language plpgsql as $$
declare
  above record;
begin
  if tg_op = 'INSERT' then
    new.path := array[new.id];
    if new.parent_id is not null then
      -- Locked, so that a parent that is hidden meanwhile is seen to.
      select path, status into above from comments
        where product_id = new.product_id and id = new.parent_id for share;
      if above.status <> 'visible' then
        raise exception 'nobody replies to what is not shown'
          using errcode = 'check_violation', constraint = 'comments_parent_visible';
      end if;
      if cardinality(above.path) >= 8 then
        raise exception 'a thread has at most 8 levels'
          using errcode = 'check_violation', constraint = 'comments_depth';
      end if;
      -- Of a parent that is not there the foreign key tells.
      new.path := coalesce(above.path, array[new.parent_id]) || new.id;
    end if;
    return new;
  end if;
  if (new.id, new.product_id, new.parent_id, new.path, new.organisation_id, new.author_kind)
    is distinct from (old.id, old.product_id, old.parent_id, old.path, old.organisation_id, old.author_kind)
    or (new.author_id is not null and new.author_id is distinct from old.author_id) then
    raise exception 'a comment keeps its place and its author'
      using errcode = 'check_violation', constraint = 'comments_same_place';
  end if;
  if old.status = 'removed' and (new.status <> 'removed' or new.body_markdown <> old.body_markdown) then
    raise exception 'a comment that was removed does not come back'
      using errcode = 'check_violation', constraint = 'comments_transition';
  end if;
  return new;
end $$;
comment on function check_comment() is 'Puts a comment into its thread, where it and its author stay; what was removed does not come back.';
create trigger comments_check before insert or update on comments
  for each row execute function check_comment();

create table comment_versions (
  comment_id uuid not null references comments on delete restrict,
  number integer not null,
  created_at timestamptz not null default now(),
  body_markdown text not null,
  constraint comment_versions_pkey primary key (comment_id, number),
  constraint comment_versions_number_positive check (number > 0)
);
comment on table comment_versions is 'Every wording that a comment had, the present one included; for moderators.';
comment on column comment_versions.comment_id is 'The comment.';
comment on column comment_versions.number is 'Counts from 1.';
comment on column comment_versions.created_at is 'Since when it said so.';
comment on column comment_versions.body_markdown is 'What it said.';
create trigger comment_versions_append_only before update or delete on comment_versions
  for each row execute function refuse_change();
create trigger comment_versions_no_truncate before truncate on comment_versions
  for each statement execute function refuse_change();
grant select, insert on comment_versions to loti_service;

create function keep_comment_version() returns trigger language plpgsql as $$
begin
  insert into comment_versions (comment_id, number, body_markdown)
    select new.id, coalesce(max(number), 0) + 1, new.body_markdown from comment_versions where comment_id = new.id;
  return null;
end $$;
comment on function keep_comment_version() is 'Keeps every wording of a comment, whoever writes it.';
create trigger comments_keep_first_version after insert on comments
  for each row execute function keep_comment_version();
create trigger comments_keep_version after update of body_markdown on comments
  for each row when (new.body_markdown is distinct from old.body_markdown) execute function keep_comment_version();

create table comment_flags (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  comment_id uuid not null references comments on delete restrict,
  user_id uuid not null references users on delete cascade,
  reason text not null,
  detail text,
  withdrawn_at timestamptz,
  settled_at timestamptz,
  constraint comment_flags_reason_check check (reason in ('spam', 'abuse', 'personal_data', 'wrong', 'other')),
  constraint comment_flags_detail_length check (char_length(detail) between 1 and 1000),
  constraint comment_flags_one_end check (withdrawn_at is null or settled_at is null)
);
create unique index comment_flags_one_live on comment_flags (comment_id, user_id)
  where withdrawn_at is null and settled_at is null;
create index comment_flags_comment_id_idx on comment_flags (comment_id, id);
create index comment_flags_user_id_idx on comment_flags (user_id);
create trigger comment_flags_raise_version before update on comment_flags
  for each row execute function raise_version();
comment on table comment_flags is 'That somebody holds a comment to be against the rules. Live until it is withdrawn or settled.';
comment on column comment_flags.id is 'UUIDv7.';
comment on column comment_flags.version is 'Raised by each change; the entity tag.';
comment on column comment_flags.created_at is 'When it was raised.';
comment on column comment_flags.updated_at is 'When it last changed.';
comment on column comment_flags.comment_id is 'What was flagged.';
comment on column comment_flags.user_id is 'By whom; it goes with the person. Personal data.';
comment on column comment_flags.reason is 'Why: spam, abuse, personal_data, wrong or other.';
comment on column comment_flags.detail is 'What they said of it, for moderators. Personal data.';
comment on column comment_flags.withdrawn_at is 'When they took it back: it never counts again.';
comment on column comment_flags.settled_at is 'When the comment was judged, or removed by its author: it does not count any more.';
-- Removed only with who raised them, when they are erased.
grant select, insert, update, delete on comment_flags to loti_service;

create function check_comment_flag() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if exists (select from comments where id = new.comment_id and author_id = new.user_id) then
      raise exception 'nobody flags their own comment'
        using errcode = 'check_violation', constraint = 'comment_flags_own';
    end if;
    return new;
  end if;
  if (new.comment_id, new.user_id, new.reason) is distinct from (old.comment_id, old.user_id, old.reason)
    or (old.withdrawn_at, old.settled_at) is distinct from (null, null)
      and (new.withdrawn_at, new.settled_at) is distinct from (old.withdrawn_at, old.settled_at) then
    raise exception 'a flag that ended does not come back, and says what it said'
      using errcode = 'check_violation', constraint = 'comment_flags_transition';
  end if;
  return new;
end $$;
comment on function check_comment_flag() is 'Nobody flags their own comment; a flag that was withdrawn or settled stays so.';
create trigger comment_flags_check before insert or update on comment_flags
  for each row execute function check_comment_flag();

alter table comment_flags enable row level security;
create policy comment_flags_of_viewer on comment_flags using (user_id = viewer_id('person') or viewer_moderates());

-- As its owner, like those below: who flags sees their own flags only, and what all of them amount to is seen to anyway.
create function live_flag_count(comment uuid) returns bigint
  language sql stable strict security definer set search_path = public, pg_temp
  return (select count(*) from comment_flags where comment_id = comment and withdrawn_at is null and settled_at is null);
comment on function live_flag_count(uuid) is 'From how many people a comment has a flag that counts.';

create function leading_flag_reason(comment uuid) returns text
  language sql stable strict security definer set search_path = public, pg_temp
  return (select mode() within group (order by reason) from comment_flags
    where comment_id = comment and withdrawn_at is null and settled_at is null);
comment on function leading_flag_reason(uuid) is 'The reason that most of the flags that count give; null without one.';

create function settle_comment_flags() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  update comment_flags set settled_at = now()
    where comment_id = new.id and withdrawn_at is null and settled_at is null;
  return null;
end $$;
comment on function settle_comment_flags() is 'Once a comment does not wait any more, the flags that it had do not count any more.';
create trigger comments_settle_flags after update of queued_at on comments
  for each row when (old.queued_at is not null and new.queued_at is null) execute function settle_comment_flags();

create table comment_decisions (
  id uuid primary key,
  created_at timestamptz not null default now(),
  month date not null generated always as (date_trunc('month', created_at at time zone 'UTC')::date) stored,
  comment_id uuid not null references comments on delete restrict,
  action text not null,
  reason text,
  by_flags boolean not null,
  decided_by uuid references users on delete set null,
  note text,
  constraint comment_decisions_action_check check (action in ('hidden', 'restored', 'removed', 'withdrawn')),
  constraint comment_decisions_reason_check check (reason in ('spam', 'abuse', 'personal_data', 'wrong', 'other')),
  constraint comment_decisions_has_reason check ((reason is null) = (action = 'withdrawn')),
  constraint comment_decisions_by_flags check (not by_flags or (action = 'hidden' and decided_by is null)),
  constraint comment_decisions_note_length check (char_length(note) between 1 and 2000)
);
create index comment_decisions_comment_id_idx on comment_decisions (comment_id, id);
create index comment_decisions_decided_by_idx on comment_decisions (decided_by);
create index comment_decisions_month_idx on comment_decisions (month, action, reason, by_flags);
comment on table comment_decisions is 'What became of comments, and why: by moderators, by flags, by their authors. The public statement counts it.';
comment on column comment_decisions.id is 'UUIDv7.';
comment on column comment_decisions.created_at is 'When.';
comment on column comment_decisions.month is 'First day of its month (UTC).';
comment on column comment_decisions.comment_id is 'Which comment.';
comment on column comment_decisions.action is 'hidden, restored, removed; or withdrawn, by the author.';
comment on column comment_decisions.reason is 'Why; of what was restored, why it had been hidden or flagged. None for what the author withdrew.';
comment on column comment_decisions.by_flags is 'Whether flags did it, without a moderator.';
comment on column comment_decisions.decided_by is 'Who; empty for flags, and once the person is gone. Personal data.';
comment on column comment_decisions.note is 'What the author is told.';
grant select, insert, update on comment_decisions to loti_service;

create function keep_comment_decision() returns trigger language plpgsql as $$
begin
  -- What is generated has no new value yet.
  if tg_op <> 'UPDATE' or new.decided_by is not null
    or to_jsonb(new) - '{decided_by,month}'::text[] is distinct from to_jsonb(old) - '{decided_by,month}'::text[] then
    raise exception 'a decision stays as it was made'
      using errcode = 'integrity_constraint_violation', constraint = 'comment_decisions_append_only';
  end if;
  return new;
end $$;
comment on function keep_comment_decision() is 'Of a decision only who made it is forgotten, and nothing else changes.';
create trigger comment_decisions_append_only before update or delete on comment_decisions
  for each row execute function keep_comment_decision();

create function comment_decision(comment uuid) returns jsonb
  language sql stable strict parallel safe
  return (select jsonb_build_object('action', action, 'reason', reason, 'by_flags', by_flags, 'note', note, 'created_at', created_at)
    from comment_decisions where comment_id = comment order by id desc limit 1);
comment on function comment_decision(uuid) is 'What was last decided of a comment, for its author and for moderators.';
