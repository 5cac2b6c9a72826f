-- The programme of an unconference: rooms and slots, what people pitch and vote for, where it is laid out, what they note.

create extension if not exists btree_gist;

create table schedules (
  event_id uuid primary key references events on delete cascade,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  votes_open_at timestamptz,
  votes_close_at timestamptz,
  published_at timestamptz,
  constraint schedules_votes_close_after_opening check (votes_close_at > votes_open_at)
);
create trigger schedules_raise_version before update on schedules for each row execute function raise_version();
comment on table schedules is 'The programme of each event, from the first; its row is what changes of it queue at.';
comment on column schedules.event_id is 'Of which event.';
comment on column schedules.version is 'Raised by each change, of placements as well; the entity tag.';
comment on column schedules.created_at is 'When it was made.';
comment on column schedules.updated_at is 'When it last changed.';
comment on column schedules.votes_open_at is 'From when on votes count; null as soon as there is something to vote for.';
comment on column schedules.votes_close_at is 'Until when votes are taken; null until the event ends.';
comment on column schedules.published_at is 'Since when everybody sees what takes place where; null while only organisers do.';

create function begin_schedule() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into schedules (event_id) values (new.id);
  return null;
end $$;
comment on function begin_schedule() is 'Each event has a programme, if an empty one.';
insert into schedules (event_id) select id from events;
create trigger events_begin_schedule after insert on events for each row execute function begin_schedule();

create table rooms (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  event_id uuid not null references events on delete cascade,
  name text not null,
  capacity integer,
  equipment text[] not null default '{}',
  constraint rooms_of_event unique (event_id, id),
  constraint rooms_name_key unique (event_id, name),
  constraint rooms_name_length check (char_length(name) between 1 and 120),
  constraint rooms_capacity_range check (capacity between 1 and 100000),
  constraint rooms_equipment_most check (cardinality(equipment) <= 20 and array_position(equipment, null) is null)
);
create trigger rooms_raise_version before update on rooms for each row execute function raise_version();
comment on table rooms is 'Where sessions of an event take place.';
comment on column rooms.id is 'UUIDv7.';
comment on column rooms.version is 'Raised by each change; the entity tag.';
comment on column rooms.created_at is 'When it was made.';
comment on column rooms.updated_at is 'When it last changed.';
comment on column rooms.event_id is 'Of which event.';
comment on column rooms.name is 'What it is called.';
comment on column rooms.capacity is 'How many people it holds; null when nobody said.';
comment on column rooms.equipment is 'What is in it.';

create table slots (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  event_id uuid not null references events on delete cascade,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  constraint slots_of_event unique (event_id, id),
  constraint slots_ends_after_start check (ends_at > starts_at),
  constraint slots_one_at_a_time exclude using gist (event_id with =, tstzrange(starts_at, ends_at) with &&)
);
create trigger slots_raise_version before update on slots for each row execute function raise_version();
comment on table slots is 'When sessions of an event take place.';
comment on column slots.id is 'UUIDv7.';
comment on column slots.version is 'Raised by each change; the entity tag.';
comment on column slots.created_at is 'When it was made.';
comment on column slots.updated_at is 'When it last changed.';
comment on column slots.event_id is 'Of which event.';
comment on column slots.starts_at is 'When it begins.';
comment on column slots.ends_at is 'When it ends.';

create table sessions (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  event_id uuid not null references events on delete cascade,
  status text not null default 'pitched',
  merged_into uuid,
  pitched_by uuid references users on delete set null,
  title text not null,
  description text,
  pitcher_speaks boolean not null,
  speakers text[] not null default '{}',
  track text,
  equipment text[] not null default '{}',
  constraint sessions_of_event unique (event_id, id),
  constraint sessions_merged_into_fkey foreign key (event_id, merged_into) references sessions (event_id, id) on delete no action,
  constraint sessions_status_check check (status in ('pitched', 'merged', 'withdrawn')),
  constraint sessions_merged_into_another check ((status = 'merged') = (merged_into is not null) and merged_into <> id),
  constraint sessions_title_length check (char_length(title) between 1 and 200),
  constraint sessions_description_length check (char_length(description) between 1 and 20000),
  constraint sessions_track_length check (char_length(track) between 1 and 60),
  constraint sessions_speakers_most check (cardinality(speakers) <= 20 and array_position(speakers, null) is null),
  constraint sessions_equipment_most check (cardinality(equipment) <= 20 and array_position(equipment, null) is null)
);
create index sessions_merged_into_idx on sessions (merged_into);
create index sessions_event_merged_into_idx on sessions (event_id, merged_into);
create index sessions_pitched_by_idx on sessions (pitched_by);
create trigger sessions_raise_version before update on sessions for each row execute function raise_version();
comment on table sessions is 'What people want to talk about at an event.';
comment on column sessions.id is 'UUIDv7.';
comment on column sessions.version is 'Raised by each change, but not by votes; the entity tag.';
comment on column sessions.created_at is 'When it was pitched.';
comment on column sessions.updated_at is 'When it last changed.';
comment on column sessions.event_id is 'At which event.';
comment on column sessions.status is 'pitched, merged into another, or withdrawn.';
comment on column sessions.merged_into is 'The session that it is part of now; chains of these never come back to where they began.';
comment on column sessions.pitched_by is 'Who pitched it; empty for a program, and once they are erased. Personal data.';
comment on column sessions.title is 'What it is called.';
comment on column sessions.description is 'What it is about, in Markdown.';
comment on column sessions.pitcher_speaks is 'Whether who pitched it speaks, and so is not elsewhere at the time.';
comment on column sessions.speakers is 'Names of others who speak. Personal data.';
comment on column sessions.track is 'The theme under which the programme has it.';
comment on column sessions.equipment is 'What has to be in its room.';

alter table event_changes add constraint event_changes_session_id_fkey foreign key (session_id) references sessions on delete cascade;
create index event_changes_session_id_idx on event_changes (session_id);

-- A session is merged into one that still stands by itself, and then stands by itself no more. So what is merged points
-- at what was not, and no chain comes back; of two merged into each other at once, the locks let one through.
create function check_session() returns trigger language plpgsql as $$
declare
  target text;
begin
  if new.status <> old.status and old.status <> 'pitched' or new.merged_into is distinct from old.merged_into and old.merged_into is not null then
    raise exception 'a session that is % stays so', old.status using errcode = 'check_violation', constraint = 'sessions_transition';
  end if;
  if new.status = 'merged' and old.status = 'pitched' then
    select status into target from sessions where id = new.merged_into for update;
    if target is distinct from 'pitched' then
      raise exception 'a session is merged into one that stands' using errcode = 'check_violation', constraint = 'sessions_merge_target';
    end if;
  end if;
  return new;
end $$;
comment on function check_session() is 'What was merged or withdrawn stays so; merges have no cycles.';
create trigger sessions_check before update on sessions for each row execute function check_session();

create table session_votes (
  id uuid primary key,
  created_at timestamptz not null default now(),
  session_id uuid not null references sessions on delete cascade,
  user_id uuid not null references users on delete cascade,
  constraint session_votes_once unique (session_id, user_id)
);
create index session_votes_user_id_idx on session_votes (user_id);
comment on table session_votes is 'Who would go to a session. Who that is, nobody else is told.';
comment on column session_votes.id is 'UUIDv7.';
comment on column session_votes.created_at is 'When.';
comment on column session_votes.session_id is 'To which session; follows it when that is merged.';
comment on column session_votes.user_id is 'Who. Personal data.';

create function check_vote() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  standing text;
begin
  -- Shared, so that many vote at once; but not while the session is merged or withdrawn.
  select status into standing from sessions where id = new.session_id for share;
  if standing is distinct from 'pitched' then
    raise exception 'there is no such session to vote for' using errcode = 'check_violation', constraint = 'session_votes_stands';
  end if;
  return new;
end $$;
comment on function check_vote() is 'Votes are for sessions that stand.';
create trigger session_votes_check before insert or update on session_votes for each row execute function check_vote();

create function vote_count(session uuid) returns bigint
  language sql stable strict security definer set search_path = public, pg_temp
  return (select count(*) from session_votes where session_id = session);
comment on function vote_count(uuid) is 'How many would go to a session.';

create function has_voted(session uuid, person uuid) returns boolean
  language sql stable security definer set search_path = public, pg_temp
  return exists (select from session_votes where session_id = session and user_id = person);
comment on function has_voted(uuid, uuid) is 'Whether a person would go to a session.';

-- Who merges does not see who voted.
create function move_votes(source uuid, target uuid) returns bigint
  language sql security definer set search_path = public, pg_temp
begin atomic
  with doubled as (delete from session_votes old where old.session_id = source
      and exists (select from session_votes kept where kept.session_id = target and kept.user_id = old.user_id)
      returning id),
    moved as (update session_votes old set session_id = target where old.session_id = source
      and not exists (select from session_votes kept where kept.session_id = target and kept.user_id = old.user_id)
      returning id)
  select (select count(*) from moved) + 0 * (select count(*) from doubled);
end;
comment on function move_votes(uuid, uuid) is 'Lets the votes for a session count for another, each person once.';

create function event_votes(event uuid) returns table (session uuid, voter bigint)
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select session_id, dense_rank() over (order by user_id) from session_votes
    join sessions on sessions.id = session_id where sessions.event_id = event order by 1, 2;
end;
comment on function event_votes(uuid) is 'Who would go to the same sessions of an event, without telling who: voters are numbered.';

create table session_notes (
  id uuid primary key,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  session_id uuid not null references sessions on delete cascade,
  author_id uuid references users on delete set null,
  body_markdown text not null,
  body_html text not null,
  renderer smallint not null,
  constraint session_notes_body_markdown_length check (char_length(body_markdown) between 1 and 20000)
);
create index session_notes_session_id_idx on session_notes (session_id, id);
create index session_notes_author_id_idx on session_notes (author_id);
create trigger session_notes_raise_version before update on session_notes for each row execute function raise_version();
comment on table session_notes is 'What people took down at a session.';
comment on column session_notes.id is 'UUIDv7.';
comment on column session_notes.version is 'Raised by each change; the entity tag.';
comment on column session_notes.created_at is 'When it was left.';
comment on column session_notes.updated_at is 'When it last changed.';
comment on column session_notes.session_id is 'At which session.';
comment on column session_notes.author_id is 'Who took it down; empty once they are erased. Personal data.';
comment on column session_notes.body_markdown is 'What they took down, in Markdown.';
comment on column session_notes.body_html is 'The same as HTML that is safe to show.';
comment on column session_notes.renderer is 'Edition of what made that HTML.';

create table placements (
  session_id uuid primary key,
  event_id uuid not null,
  room_id uuid not null,
  slot_id uuid not null,
  constraint placements_session_fkey foreign key (event_id, session_id) references sessions (event_id, id) on delete cascade,
  constraint placements_room_fkey foreign key (event_id, room_id) references rooms (event_id, id) on delete no action,
  constraint placements_slot_fkey foreign key (event_id, slot_id) references slots (event_id, id) on delete no action,
  constraint placements_one_in_a_room unique (slot_id, room_id)
);
create index placements_session_idx on placements (event_id, session_id);
create index placements_room_idx on placements (event_id, room_id);
create index placements_slot_idx on placements (event_id, slot_id);
comment on table placements is 'Which session takes place in which room and slot.';
comment on column placements.session_id is 'Which session.';
comment on column placements.event_id is 'Of which event all three are.';
comment on column placements.room_id is 'Where.';
comment on column placements.slot_id is 'When.';

-- Who pitched is known by their id, as people may have one name. A name that somebody typed is that of the one person
-- who pitched under it, else of whoever is spelled alike: better two sessions apart than one person in two rooms.
create function session_speakers(session uuid) returns text[]
  language sql stable strict security definer set search_path = public, pg_temp
  return (
    with recursive parts as (
      select id, event_id, pitched_by, pitcher_speaks, speakers from sessions where id = session
      union all
      select part.id, part.event_id, part.pitched_by, part.pitcher_speaks, part.speakers
        from sessions part join parts on part.merged_into = parts.id),
    known as (
      select fold(regexp_replace(btrim(display_name), '\s+', ' ', 'g')) as name, min(users.id::text) as id
      from sessions join users on users.id = pitched_by
      where event_id = (select event_id from sessions where id = session) and pitcher_speaks and erased_at is null
      group by 1 having count(distinct users.id) = 1)
    select coalesce(array_agg(distinct speaker order by speaker), '{}') from (
      select pitched_by::text as speaker from parts where pitcher_speaks and pitched_by is not null
      union all
      select coalesce(known.id, typed.name) from (
        select fold(regexp_replace(btrim(unnest(speakers)), '\s+', ' ', 'g')) as name from parts) typed
      left join known on known.name = typed.name) named);
comment on function session_speakers(uuid) is 'Who speaks at a session and at those that were merged into it: people by id, others by name as names are compared.';

create function check_placements(event uuid) returns void
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from schedules where event_id = event for update;
  if exists (select from placements join sessions on id = session_id where placements.event_id = event and status <> 'pitched') then
    raise exception 'what was merged or withdrawn has no place' using errcode = 'check_violation', constraint = 'placements_of_standing';
  end if;
  if exists (select from placements join sessions on sessions.id = session_id join rooms on rooms.id = room_id
      where placements.event_id = event and not rooms.equipment @> sessions.equipment) then
    raise exception 'a room lacks equipment' using errcode = 'check_violation', constraint = 'placements_equipped';
  end if;
  if exists (select from (select slot_id, unnest(session_speakers(session_id)) as speaker from placements where event_id = event) busy
      group by slot_id, speaker having count(*) > 1) then
    raise exception 'somebody speaks twice at a time' using errcode = 'check_violation', constraint = 'placements_speak_once';
  end if;
end $$;
comment on function check_placements(uuid) is 'Nobody speaks in two rooms at a time, rooms have what their sessions need, and only what stands takes place.';

create function check_placed() returns trigger
  language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform check_placements(event) from (select distinct event_id as event from changed) changed_events;
  return null;
end $$;
comment on function check_placed() is 'Holds every change that can bring two things to one place against the programme as a whole.';
create trigger placements_check_insert after insert on placements referencing new table as changed
  for each statement execute function check_placed();
create trigger placements_check_update after update on placements referencing new table as changed
  for each statement execute function check_placed();
create trigger sessions_check_placed after update on sessions referencing new table as changed
  for each statement execute function check_placed();
create trigger rooms_check_placed after update on rooms referencing new table as changed
  for each statement execute function check_placed();

create function tell_session_change(event uuid, session uuid, kind text, before jsonb, after jsonb) returns void
  language sql security definer set search_path = public, pg_temp
begin atomic
  insert into event_changes (event_id, session_id, kind, before, after)
    select event, session, tell_session_change.kind, tell_session_change.before, tell_session_change.after
    from schedules where event_id = event and published_at is not null;
end;
comment on function tell_session_change(uuid, uuid, text, jsonb, jsonb) is 'Tells those who planned around a programme that was published what became of a session.';

create function placement_whereabouts(session uuid) returns jsonb
  language sql stable strict security definer set search_path = public, pg_temp
  return (select whereabouts(title, starts_at, ends_at, name) from placements
    join sessions on sessions.id = session_id join rooms on rooms.id = room_id join slots on slots.id = slot_id
    where session_id = session);
comment on function placement_whereabouts(uuid) is 'When and where a session takes place; null when it does not.';

grant select, insert, update, delete on schedules, rooms, slots, sessions, session_votes, session_notes, placements to loti_service;
alter table session_votes enable row level security;
create policy session_votes_of_viewer on session_votes using (user_id = viewer_id('person') or viewer_is_operator());
